"""XDF through pyxdf, with its clock fit and dejitter off: both look into the future, the timeline does neither."""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from bci.clock import SlewedOffset
from bci.errors import AmbiguousSourceError, FileFormatError, RecordingNotFoundError, UnsupportedStreamError
from bci.files import session_xdf
from bci.files.damage import DAMAGE
from bci.files.recording import CLOCK_BACK_S, Marker, Recording, float_samples
from bci.files.xdf_channels import read_channels, text_of
from bci.types import StreamSpec, Timestamps

Stream = Mapping[str, Any]
"""A stream as pyxdf gives it."""


def read_xdf(path: Path, name: str, stream: str | None) -> Recording:
    """Read one stream of an XDF file; streams of text become its markers.

    Stamps come to the recorder's clock by the offsets that it measured while recording, in their order and slewed as
    a live inlet does it; a step of the sender's clock is followed and counted.

    Parameters
    ----------
    path
        The file.
    name
        What a person calls it.
    stream
        `name`, `source_id` or number of the wanted stream; None for the only EEG stream.

    Raises
    ------
    FileFormatError
        No XDF, or damaged beyond use.
    AmbiguousSourceError, RecordingNotFoundError, UnsupportedStreamError
        With a list of what the file holds.
    """
    with _complaints() as complaints:
        streams, header, notes = _load(path, name)
    chosen = _choose(streams, name, stream)
    notes += [f"damaged: pyxdf says '{text}'" for text in dict.fromkeys(complaints)]
    ours = session_xdf.specification(chosen)
    if ours is not None:
        recording = _replayed(chosen, *ours, streams, name, notes, header)
        if recording is not None:
            return recording
    info = chosen["info"]
    label = f"{name} ({_title(chosen)})"
    channels, scale, assumed = read_channels(info, label)
    sender_s = np.asarray(chosen["time_stamps"], dtype=np.float64)
    numbers = np.flatnonzero(np.isfinite(sender_s))
    if numbers.size < sender_s.size:
        notes.append(f"{sender_s.size - numbers.size} samples without a stamp dropped")
    stamps_s, steps = to_recorder_clock(sender_s[numbers], chosen["clock_times"], chosen["clock_values"])
    if steps:
        notes.append(f"the sender's clock stepped {steps} times; followed")
    rate_hz = float(text_of(info, "nominal_srate") or 0.0)
    notes += assumed + _rate_note(stamps_s, rate_hz)
    start_s = float(stamps_s[0]) if stamps_s.size else 0.0
    values = np.asarray(chosen["time_series"]).reshape(sender_s.size, len(channels))[numbers]
    return Recording(
        spec=StreamSpec(
            source_id=text_of(info, "source_id") or f"file:{name}",
            name=text_of(info, "name") or name,
            kind=text_of(info, "type"),
            nominal_rate_hz=rate_hz,
            channels=channels,
            device=name,
            origin="file",
        ),
        samples=float_samples(values, scale),
        stamps_s=stamps_s - start_s,
        sample_numbers=(numbers - numbers[:1]).astype(np.int64),
        markers=_markers(streams, start_s),
        notes=tuple(notes),
        started_unix_s=_started(header),
        clock_steps=steps,
    )


def _replayed(
    chosen: Stream,
    spec: StreamSpec,
    clock_id: int,
    streams: Sequence[Stream],
    name: str,
    notes: Sequence[str],
    header: Mapping[str, Any],
) -> Recording | None:
    """Give a session of ours as it was when it was live; None where the file lacks what that takes."""
    stamps = session_xdf.true_stamps(chosen, clock_id, streams)
    if stamps is None:
        return None
    stamps_s, numbers = stamps
    start_s = float(stamps_s[0]) if stamps_s.size else 0.0
    return Recording(
        spec=replace(spec, device=name, origin="file"),
        samples=np.asarray(chosen["time_series"], np.float32).reshape(stamps_s.size, len(spec.channels)),
        stamps_s=stamps_s - start_s,
        sample_numbers=numbers - numbers[:1],
        markers=_markers([s for s in streams if text_of(s["info"], "type") == "Markers"], start_s),
        notes=tuple(notes),
        started_unix_s=_started(header),
        noted=session_xdf.noted(streams, start_s),
    )


def to_recorder_clock(
    stamps_s: Timestamps, measured_at_s: Sequence[float], offsets_s: Sequence[float]
) -> tuple[Timestamps, int]:
    """Map a sender's stamps to the recorder's clock, causally.

    Parameters
    ----------
    stamps_s
        float64 (samples,), sender's clock, in the order of the file.
    measured_at_s
        Sender's clock at each measurement (what LabRecorder writes as collection time).
    offsets_s
        Recorder's less sender's clock, measured then.

    Returns
    -------
    stamps_s
        float64 (samples,), recorder's clock.
    steps
        How often the sender's clock stepped.
    """
    at_s, offset_s = np.asarray(measured_at_s, dtype=np.float64), np.asarray(offsets_s, dtype=np.float64)
    known = np.isfinite(at_s) & np.isfinite(offset_s)
    at_s, offset_s = at_s[known], offset_s[known]
    if not at_s.size or not stamps_s.size:
        return stamps_s.copy(), 0
    offset = SlewedOffset()
    corrected = np.empty_like(stamps_s)
    sample_runs, offset_runs = _runs(stamps_s), _runs(at_s)
    if len(sample_runs) != len(offset_runs):  # a run too short to be measured, or stamps that are no clock
        sample_runs, offset_runs = [slice(0, stamps_s.size)], [slice(0, at_s.size)]
    for samples, measurements in zip(sample_runs, offset_runs, strict=True):
        run_s = stamps_s[samples]
        # From which sample on each is known. The first holds from the start: an inlet measures before it reads.
        known_from = np.searchsorted(np.maximum.accumulate(run_s), at_s[measurements])
        known_from[0] = 0
        until = np.append(known_from[1:], run_s.size)
        for i, start, stop in zip(range(measurements.start, measurements.stop), known_from, until, strict=True):
            offset.measure(float(offset_s[i]), float(at_s[i]))
            corrected[samples][start:stop] = offset.apply(run_s[start:stop])
    return corrected, offset.steps


def _runs(stamps_s: Timestamps) -> list[slice]:
    """Part stamps where the clock began anew further back."""
    cuts = np.flatnonzero(np.diff(stamps_s) < -CLOCK_BACK_S) + 1
    edges = [0, *cuts.tolist(), stamps_s.size]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _load(path: Path, name: str) -> tuple[list[Stream], Mapping[str, Any], list[str]]:
    import pyxdf

    with path.open("rb") as file:
        if file.read(4) != b"XDF:":
            msg = f"{name}: no XDF file: it does not begin with 'XDF:', as each does"
            raise FileFormatError(msg)
    whole = whole_chunks_end(path)
    cut_off = path.stat().st_size - whole
    try:
        with path.open("rb") as file:
            # pyxdf fills the values of a sample that is cut off with those of the one before.
            source = io.BytesIO(file.read(whole)) if cut_off else file
            streams, header = pyxdf.load_xdf(source, synchronize_clocks=False, dejitter_timestamps=False)
    except (OSError, *DAMAGE) as error:
        msg = f"{name}: no readable XDF file ({str(error) or type(error).__name__}); is it whole?"
        raise FileFormatError(msg) from error
    notes = [f"cut off in the middle of a chunk: its last {cut_off} bytes are not used"] if cut_off else []
    return list(streams), header or {}, notes


def whole_chunks_end(path: Path) -> int:
    """Where the last whole chunk of a file ends; its size where the file is whole, or damaged in its middle."""
    size = path.stat().st_size
    end = 4  # after the magic word
    with path.open("rb") as file:
        while end < size:
            file.seek(end)
            width = file.read(1)[0]
            if width not in (1, 4, 8):
                return size  # no chunk: pyxdf looks for the next boundary
            length = file.read(width)
            after = end + 1 + width + int.from_bytes(length, "little")
            if len(length) < width or after > size:
                return end
            end = after
    return size


def _choose(streams: Sequence[Stream], name: str, wanted: str | None) -> Stream:
    numeric = [s for s in streams if text_of(s["info"], "channel_format") != "string"]
    if wanted is not None:
        found = [s for s in numeric if wanted.casefold() in _names(s)]
        missing = f"no stream '{wanted}'"
    else:
        found = [s for s in numeric if text_of(s["info"], "type").casefold() == "eeg"]
        found = [s for s in found if len(s["time_stamps"])] or found
        missing = "no stream of type EEG"
    if len(found) == 1:
        return found[0]
    listed = "; ".join(f"stream={_handle(s, streams)} ({_title(s)})" for s in (found or numeric)) or "none with numbers"
    if found:
        msg = f"{name}: {len(found)} streams match; say which: {listed}"
        raise AmbiguousSourceError(msg)
    msg = f"{name}: {missing}; it holds {listed}"
    raise RecordingNotFoundError(msg) if wanted is not None else UnsupportedStreamError(msg)


def _names(stream: Stream) -> set[str]:
    info = stream["info"]
    return {text_of(info, "name").casefold(), text_of(info, "source_id").casefold(), str(info["stream_id"])} - {""}


def _handle(stream: Stream, streams: Sequence[Stream]) -> str:
    """Give what tells this stream from the others in `stream=`."""
    info = stream["info"]
    for handle in (text_of(info, "name"), text_of(info, "source_id")):
        if handle and sum(handle.casefold() in _names(s) for s in streams) == 1:
            return handle
    return str(info["stream_id"])


def _title(stream: Stream) -> str:
    info = stream["info"]
    kind, name = text_of(info, "type") or "no type", text_of(info, "name") or "no name"
    return f"{name}, {kind}, {text_of(info, 'channel_count')} channels, {len(stream['time_stamps'])} samples"


def _rate_note(stamps_s: Timestamps, rate_hz: float) -> list[str]:
    steps = np.diff(stamps_s)
    if rate_hz <= 0.0 or steps.size < 2 * rate_hz:
        return []
    # The mean without the tails: neither gaps nor bursts count.
    usual = steps[(steps >= 0.0) & (steps <= max(0.1, 3.0 / rate_hz))]
    measured_hz = 1.0 / max(float(usual.mean()), 1e-9) if usual.size else 0.0
    if abs(measured_hz / rate_hz - 1.0) <= 0.02:
        return []
    return [f"came at {measured_hz:.2f} Hz, nominal {rate_hz:g} Hz"]


def _markers(streams: Sequence[Stream], start_s: float) -> tuple[Marker, ...]:
    markers: list[Marker] = []
    for stream in streams:
        if text_of(stream["info"], "channel_format") != "string":
            continue
        stamps = np.asarray(stream["time_stamps"], dtype=np.float64)
        at_s, _ = to_recorder_clock(stamps, stream["clock_times"], stream["clock_values"])
        for when_s, texts in zip(at_s, stream["time_series"], strict=True):
            label = ", ".join(session_xdf.marker_label(str(text)) for text in texts)
            markers.append(Marker(float(when_s) - start_s, label))
    return tuple(sorted(markers, key=lambda marker: marker.at_s))


def _started(header: Mapping[str, Any]) -> float | None:
    """Unix time at which the recorder opened the file: within a second or so of the first sample."""
    text = text_of(header.get("info") or {}, "datetime")
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None


@contextmanager
def _complaints() -> Generator[list[str]]:
    """Collect what pyxdf logs about damage, rather than let it write to the terminal."""
    texts: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                texts.append(record.getMessage())

    logger = logging.getLogger("pyxdf")
    handler = Collector()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
