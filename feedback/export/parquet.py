"""Parquet by pyarrow: everything, samples with their own stamps, in blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from feedback.export.needs import require
from feedback.export.port import Material, Progress
from feedback.export.tables import Table, tables_of
from streaming.recording.reading import RecordedStream

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("reason", "run", "task", "stamped", "kind", "label", "detail")
_WHOLE = ("trial", "block")
_FLAGS = ("valid", "calibrated", "correct")


class ParquetExporter:
    """One file a table and one a stream: stamps, sample numbers and channels as they were recorded."""

    name = "parquet"

    def write(self, material: Material, folder: Path, show: Progress) -> None:
        """Write them."""
        require("parquet", "pyarrow")
        import pyarrow.parquet as pq

        name = material.identity.name
        for table in tables_of(material):
            pq.write_table(_columns(table), folder / f"{name}_{table.name}.parquet")
        start_s = material.start_s()
        for number, stream in enumerate(material.session.streams, start=1):
            if not stream.samples:
                material.note(f"{material.title(stream.spec)}: never sent a sample, left out")
                continue
            _write_samples(material, stream, folder / f"{name}_samples-{number}.parquet", start_s, show)


def _columns(table: Table) -> pa.Table:  # pyright: ignore[reportUnknownParameterType] - pyarrow has no types
    import pyarrow as pa

    def kind(column: str) -> pa.DataType:  # pyright: ignore[reportUnknownParameterType]
        if column in _TEXTS:
            return pa.string()
        return pa.int64() if column in _WHOLE else pa.bool_() if column in _FLAGS else pa.float64()

    names = list(table.columns)
    arrays = [pa.array([row[i] for row in table.rows], kind(name)) for i, name in enumerate(names)]
    meanings = {name: {"meaning": meaning} for name, meaning in table.columns.items()}
    fields = [pa.field(name, array.type, metadata=meanings[name]) for name, array in zip(names, arrays, strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def _write_samples(material: Material, stream: RecordedStream, path: Path, start_s: float, show: Progress) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    spec = stream.spec
    fields = [
        pa.field(
            "t_s", pa.float64(), metadata={"meaning": "Own stamp, not dejittered, from the session's first sample"}
        ),
        pa.field("sample", pa.int64(), metadata={"meaning": "Running number; it jumps where samples were lost"}),
    ]
    for channel in spec.channels:
        about = {"kind": channel.kind, "unit": channel.unit, "position_m": json.dumps(channel.position_m)}
        fields.append(pa.field(channel.label, pa.float32(), metadata=about))
    about = {"nominal_rate_hz": repr(spec.nominal_rate_hz), "device": material.identity.device(spec)}
    schema = pa.schema(fields, metadata=about)
    done = 0
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        for block in stream.blocks():
            columns = [block.stamps_s - start_s, block.numbers, *block.samples.T]
            writer.write_table(pa.table([pa.array(column) for column in columns], schema=schema))
            done += len(block)
            show("writing", done / stream.samples)
