"""Our XDF against pyxdf: every format, every kind of stream, and real files read, written and read again."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from hypothesis import given
from hypothesis import strategies as st

from bci.errors import UnsupportedStreamError
from streaming.recording import xdf

NUMBERS = [f for f in xdf.FORMATS if f != "string"]
DTYPES = {"int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8", "float32": "f4", "double64": "f8"}


def load(blob: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    streams, header = pyxdf.load_xdf(io.BytesIO(blob), synchronize_clocks=False, dejitter_timestamps=False)
    return streams, header


def header(stream_id: int, number_format: str, n_channels: int, rate_hz: float = 0.0, **more: object) -> bytes:
    info = {
        "name": f"s{stream_id}",
        "type": "Test",
        "channel_count": n_channels,
        "nominal_srate": rate_hz,
        "channel_format": number_format,
        **more,
    }
    return xdf.stream_header(stream_id, info)


BEGIN = xdf.MAGIC + xdf.file_header({"datetime": "2026-11-25T21:00:00+00:00"})


@given(
    number_format=st.sampled_from(NUMBERS),
    n=st.sampled_from([1, 2, 255, 256, 70_000]),
    n_channels=st.sampled_from([1, 3, 64]),
    rate_hz=st.sampled_from([0.0, 250.0]),
    seed=st.integers(0, 99),
)
def test_numbers_come_back_to_the_last_bit(
    number_format: str, n: int, n_channels: int, rate_hz: float, seed: int
) -> None:
    if n * n_channels > 300_000:
        n = 300
    random = np.random.default_rng(seed)
    bits = random.integers(0, 256, n * n_channels * np.dtype(DTYPES[number_format]).itemsize, dtype=np.uint8)
    values = bits.view(DTYPES[number_format]).reshape(n, n_channels)
    stamps = np.cumsum(random.normal(0.0, 1.0, n))
    blob = BEGIN + header(7, number_format, n_channels, rate_hz)
    cut = n // 3
    for part in (slice(0, cut), slice(cut, n)):
        blob += xdf.samples(7, number_format, stamps[part], values[part])  # type: ignore[arg-type] - of FORMATS
    streams, _ = load(blob)
    np.testing.assert_array_equal(streams[0]["time_stamps"], stamps)
    assert np.asarray(streams[0]["time_series"]).tobytes() == values.tobytes()


@given(
    rows=st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=400), min_size=2, max_size=2), max_size=20
    ),
    long=st.sampled_from([0, 255, 256, 70_000]),
)
def test_texts_come_back(rows: list[list[str]], long: int) -> None:
    rows = [*rows, ["x" * long, "Größe 集中 🧠"]]
    stamps = [float(i) for i in range(len(rows))]
    streams, _ = load(BEGIN + header(1, "string", 2) + xdf.texts(1, stamps, rows))
    assert streams[0]["time_series"] == rows
    assert list(streams[0]["time_stamps"]) == stamps


def test_a_lone_surrogate_costs_itself_only() -> None:
    streams, _ = load(BEGIN + header(1, "string", 1) + xdf.texts(1, [1.0], [["a\ud800b"]]))
    assert streams[0]["time_series"] == [["a?b"]]


def test_streams_of_all_formats_live_in_one_file_with_offsets_boundaries_and_footers() -> None:
    blob = BEGIN
    for number, number_format in enumerate(xdf.FORMATS, start=1):
        blob += header(number, number_format, 1, desc={"channels": {"channel": [{"label": "A<&>\x00"}]}})
    stamps = np.arange(5.0)
    for number, number_format in enumerate(xdf.FORMATS, start=1):
        if number_format == "string":
            blob += xdf.texts(number, stamps.tolist(), [[str(i)] for i in range(5)])
        else:
            blob += xdf.samples(number, number_format, stamps, np.arange(5))
        blob += xdf.clock_offset(number, 1.0, 0.5 + number) + xdf.boundary()
        blob += xdf.stream_footer(number, {"first_timestamp": 0.0, "last_timestamp": 4.0, "sample_count": 5})
    streams, head = load(blob)
    assert head["info"]["version"] == ["1.0"]
    assert [s["info"]["channel_format"][0] for s in streams] == list(xdf.FORMATS)
    for number, stream in enumerate(streams, start=1):
        assert len(stream["time_stamps"]) == 5
        assert stream["clock_values"] == [0.5 + number]
        assert stream["footer"]["info"]["sample_count"] == ["5"]
        assert stream["info"]["desc"][0]["channels"][0]["channel"][0]["label"] == ["A<&>"]


def test_an_empty_stream_is_one() -> None:
    streams, _ = load(BEGIN + header(1, "float32", 8, 250.0) + xdf.samples(1, "float32", np.empty(0), np.empty((0, 8))))
    assert len(streams[0]["time_stamps"]) == 0


def test_a_format_that_xdf_does_not_have_is_refused() -> None:
    with pytest.raises(UnsupportedStreamError, match="'uint8', XDF has int8"):
        header(1, "uint8", 1)


def rewritten(streams: list[dict[str, Any]], head: Mapping[str, Any]) -> bytes:
    blob = xdf.MAGIC + xdf.file_header(head["info"])
    for stream in streams:
        info = dict(stream["info"])
        number = info.pop("stream_id")
        for made_by_pyxdf in ("effective_srate", "segments", "clock_segments"):
            info.pop(made_by_pyxdf, None)
        info = {k: v[0] if k == "channel_format" else v for k, v in info.items()}
        number_format = info["channel_format"]
        stamps = np.asarray(stream["time_stamps"], np.float64)
        blob += xdf.stream_header(number, info)
        if number_format == "string":
            blob += xdf.texts(number, stamps.tolist(), stream["time_series"])
        else:
            blob += xdf.samples(number, number_format, stamps, stream["time_series"])
        for at, value in zip(stream["clock_times"], stream["clock_values"], strict=True):
            blob += xdf.clock_offset(number, at, value)
        if "footer" in stream:
            blob += xdf.stream_footer(number, stream["footer"]["info"])
    return blob


@pytest.mark.parametrize("name", ["minimal", "empty_streams", "clock_resets"])
def test_real_files_are_the_same_after_read_write_read(name: str, data_folder: Path) -> None:
    streams, head = load((data_folder / "xdf-examples" / f"{name}.xdf").read_bytes())
    again, head_again = load(rewritten(streams, head))
    assert head_again == head
    assert len(again) == len(streams)
    for before, after in zip(streams, again, strict=True):
        assert after["info"] == before["info"]
        assert after.get("footer") == before.get("footer")
        assert (after["clock_times"], after["clock_values"]) == (before["clock_times"], before["clock_values"])
        np.testing.assert_array_equal(after["time_stamps"], before["time_stamps"])
        if before["info"]["channel_format"] == ["string"]:
            assert after["time_series"] == before["time_series"]
        else:
            np.testing.assert_array_equal(after["time_series"], before["time_series"])
