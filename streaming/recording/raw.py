"""One raw stream in a session's file: samples by the source's own stamps, and what leads from those to the host's.

Beside each raw stream stands a small one of type `Focus-Clock`: for each run of samples the running number of its
first, how many there are, and what was added to their stamps to come to the host's LSL clock. With it a recording gives
the same chunks as the headset gave, to the last bit; a program that does not know it uses XDF's clock offsets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci.files.session_xdf import CLOCK_CHANNELS, CLOCK_KIND, spec_text
from bci.types import Channel, Chunk, StreamSpec, Timestamps
from streaming.recording import xdf

Run = tuple[int, int, float, float]
"""First sample, samples, offset, and the first one's own stamp."""


def stream_info(spec: StreamSpec, clock_id: int) -> dict[str, Any]:
    """Describe a raw stream in the words of the XDF meta-data (https://github.com/sccn/xdf/wiki/Meta-Data)."""
    return {
        "name": spec.name,
        "type": spec.kind,
        "channel_count": len(spec.channels),
        "nominal_srate": repr(spec.nominal_rate_hz),
        "channel_format": "float32",
        "source_id": spec.source_id,
        "desc": {
            "channels": {"channel": [_channel_info(c) for c in spec.channels]},
            "acquisition": {"model": spec.device, "profile": spec.profile or ""},
            "focusloop": {"origin": spec.origin, "clock": clock_id, "spec": spec_text(spec)},
        },
    }


def _channel_info(channel: Channel) -> dict[str, Any]:
    info: dict[str, Any] = {
        "label": channel.label,
        "unit": "microvolts" if channel.unit == "uV" else channel.unit,
        "type": channel.kind.upper() if channel.kind in ("eeg", "eog", "ecg", "emg") else channel.kind,
    }
    if channel.position_m is not None:
        info["location"] = {axis: repr(1e3 * v) for axis, v in zip("XYZ", channel.position_m, strict=True)}
    return info


class RawStream:
    """Encodes the chunks of one specification.

    Parameters
    ----------
    stream_id, clock_id
        Of the raw stream and of the one beside it.
    spec
        What comes.
    """

    def __init__(self, stream_id: int, clock_id: int, spec: StreamSpec) -> None:
        self.stream_id, self.clock_id, self.spec = stream_id, clock_id, spec
        self._measured: tuple[float, float] | None = None

    def headers(self) -> bytes:
        """Describe both streams."""
        clock = {
            "name": f"{self.spec.name} clock",
            "type": CLOCK_KIND,
            "channel_count": len(CLOCK_CHANNELS),
            "nominal_srate": 0,
            "channel_format": "double64",
            "source_id": f"{self.spec.source_id}-clock",
            "desc": {"channels": {"channel": [{"label": label} for label in CLOCK_CHANNELS]}},
        }
        return xdf.stream_header(self.clock_id, clock) + xdf.stream_header(
            self.stream_id, stream_info(self.spec, self.clock_id)
        )

    def encode(self, chunks: Sequence[Chunk]) -> tuple[bytes, Timestamps, int]:
        """Encode chunks that follow each other.

        Returns
        -------
        content
            Clock offsets, runs, samples: in this order, so that a cut loses samples before what is needed for them.
        own_s
            float64 (samples,), the source's own stamps.
        runs
            How many samples the clock's stream got.
        """
        content: list[bytes] = []
        for chunk in chunks:
            clock = chunk.clock
            if clock is not None and clock.measured is not None and clock.measured != self._measured:
                self._measured = clock.measured
                content.append(xdf.clock_offset(self.stream_id, *clock.measured))
        stamps_s = np.concatenate(
            [chunk.timestamps_s if chunk.clock is None else chunk.clock.stamps_s for chunk in chunks]
        )
        if not np.isfinite(stamps_s).all():
            stamps_s = np.concatenate([_finite_stamps(chunk) for chunk in chunks])
        runs = _runs(stamps_s, chunks)
        rows = np.array([run[:3] for run in runs], np.float64)
        content += (
            xdf.samples(self.clock_id, "double64", np.array([run[3] for run in runs]), rows),
            xdf.samples(self.stream_id, "float32", stamps_s, np.concatenate([chunk.data for chunk in chunks])),
        )
        return b"".join(content), stamps_s, len(runs)


def _finite_stamps(chunk: Chunk) -> Timestamps:
    """Give the source's own stamps; one that is no number says nothing, and other readers stumble over it."""
    clock = chunk.clock
    if clock is None:
        return chunk.timestamps_s
    return np.where(np.isfinite(clock.stamps_s), clock.stamps_s, chunk.timestamps_s - clock.offset_s)


def _runs(own_s: Timestamps, chunks: Sequence[Chunk]) -> list[Run]:
    offsets = [0.0 if chunk.clock is None else chunk.clock.offset_s for chunk in chunks]
    # One comparison for all of them where nothing has moved, which is nearly always.
    host_s = np.concatenate([chunk.timestamps_s for chunk in chunks])
    alike = offsets.count(offsets[0]) == len(offsets) and np.array_equal(own_s + offsets[0], host_s)
    runs: list[Run] = []
    start = 0
    for chunk, offset_s in zip(chunks, offsets, strict=True):
        n = len(chunk)
        if alike:
            _add_run(runs, (chunk.first_sample, n, offset_s, float(own_s[start])))
        else:
            _add_runs(runs, own_s[start : start + n], chunk, offset_s)
        start += n
    return runs


def _add_runs(runs: list[Run], own_s: Timestamps, chunk: Chunk, offset_s: float) -> None:
    first, n = chunk.first_sample, len(chunk)
    if np.array_equal(own_s + offset_s, chunk.timestamps_s):
        _add_run(runs, (first, n, offset_s, float(own_s[0])))
        return
    offsets = _offsets(own_s, chunk.timestamps_s)
    starts = [0, *(np.flatnonzero(np.diff(offsets)) + 1).tolist(), n]
    for start, stop in itertools.pairwise(starts):
        _add_run(runs, (first + start, stop - start, float(offsets[start]), float(own_s[start])))


def _add_run(runs: list[Run], run: Run) -> None:
    if runs:
        first, n, offset_s, own_s = runs[-1]
        if first + n == run[0] and offset_s == run[2]:
            runs[-1] = (first, n + run[1], offset_s, own_s)
            return
    runs.append(run)


def _offsets(own_s: Timestamps, host_s: Timestamps) -> NDArray[np.float64]:
    """Find what leads from each own stamp to the host's, to the last bit where float64 has such a number."""
    offsets = host_s - own_s
    for direction in (-np.inf, np.inf):
        wrong = own_s + offsets != host_s
        if not wrong.any():
            break
        nudged = np.where(wrong, np.nextafter(host_s - own_s, direction), offsets)
        offsets = np.where(own_s + nudged == host_s, nudged, offsets)
    return offsets
