"""What a session's recording of ours says of a raw stream beyond XDF: its specification, and its samples' very stamps.

With it a recording gives the same samples, numbers and stamps as the headset gave, to the last bit. The writer is
`streaming.recording.raw`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bci.types import Channel, Noted, StreamSpec, Timestamps

CLOCK_KIND = "Focus-Clock"
CLOCK_CHANNELS = ("first_sample", "samples", "offset_s")
"""For each run of samples: the number of its first, how many there are, and what leads from their stamps to ours."""

NOTED_KINDS = {"Focus-Session": frozenset({"baseline", "certificate", "paused"}), "Trials": frozenset({"trial"})}
"""Streams of messages that a replay needs, and which of their messages."""

Stream = Mapping[str, Any]
"""A stream as pyxdf gives it."""


def spec_text(spec: StreamSpec) -> str:
    """Write a specification so that `read_spec` gives it back."""
    fields: dict[str, Any] = {
        "source_id": spec.source_id,
        "name": spec.name,
        "kind": spec.kind,
        "nominal_rate_hz": spec.nominal_rate_hz,
        "channels": [[c.label, c.kind, c.unit, c.position_m] for c in spec.channels],
        "device": spec.device,
        "origin": spec.origin,
        "profile": spec.profile,
        "profile_verified": spec.profile_verified,
        "rails_uv": spec.rails_uv,
    }
    return orjson.dumps(fields).decode()


def read_spec(text: str) -> StreamSpec:
    """Read what `spec_text` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is none.
    """
    fields: dict[str, Any] = orjson.loads(text)
    channels = tuple(
        Channel(label, kind, unit, None if position is None else (position[0], position[1], position[2]))
        for label, kind, unit, position in fields["channels"]
    )
    rails = fields["rails_uv"]
    return StreamSpec(
        source_id=fields["source_id"],
        name=fields["name"],
        kind=fields["kind"],
        nominal_rate_hz=fields["nominal_rate_hz"],
        channels=channels,
        device=fields["device"],
        origin=fields["origin"],
        profile=fields["profile"],
        profile_verified=fields["profile_verified"],
        rails_uv=None if rails is None else (rails[0], rails[1]),
    )


def specification(stream: Stream) -> tuple[StreamSpec, int] | None:
    """Give the specification of a raw stream of ours and the id of the stream of its clock; None for anyone else's."""
    try:
        ours = stream["info"]["desc"][0]["focusloop"][0]
        return read_spec(ours["spec"][0]), int(ours["clock"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def marker_label(text: str) -> str:
    """Give the label of a marker of ours, which is a message in JSON; anyone else's text as it is."""
    label = (_message(text) or {}).get("label")
    return label if isinstance(label, str) else text


def noted(streams: Sequence[Stream], start_s: float) -> tuple[Noted, ...]:
    """Give the trials of a session of ours and what it was scored with, in the order of time, seconds since `start_s`.

    Stamps of one moment keep the order in which they were written.
    """
    found: list[Noted] = []
    for stream in streams:
        wanted = NOTED_KINDS.get(stream["info"]["type"][0] or "", frozenset())
        if not wanted or stream["info"]["channel_format"] != ["string"]:
            continue
        for stamp_s, row in zip(stream["time_stamps"], stream["time_series"], strict=True):
            said = _message(row[0])
            if said is not None and said.get("type") in wanted:
                found.append(Noted(float(stamp_s) - start_s, said))
    return tuple(sorted(found, key=lambda one: one.at_s))


def _message(text: str) -> Mapping[str, Any] | None:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def true_stamps(
    stream: Stream, clock_id: int, streams: Sequence[Stream]
) -> tuple[Timestamps, NDArray[np.int64]] | None:
    """Give each sample's stamp on the host's LSL clock, and its number, as they were when it was live.

    Returns
    -------
    stamps_s, numbers
        float64 and int64 (samples,); None where the stream of the clock does not fit.
    """
    clock = next((s for s in streams if s["info"]["stream_id"] == clock_id), None)
    own_s = np.asarray(stream["time_stamps"], np.float64)
    if clock is None or not len(clock["time_stamps"]):
        return None
    runs = np.asarray(clock["time_series"], np.float64)
    # A file that was cut off may have lost samples whose run is there.
    if int(runs[:, 1].sum()) < own_s.size:
        return None
    return run_stamps(own_s, runs)


def run_stamps(own_s: Timestamps, runs: NDArray[np.float64]) -> tuple[Timestamps, NDArray[np.int64]]:
    """Bring samples to the host's LSL clock by the runs that they stand in, and number them.

    Parameters
    ----------
    own_s
        float64 (samples,), the source's own stamps; the first is that of the first run.
    runs
        float64 (runs, 3), `CLOCK_CHANNELS`, of at least so many samples.
    """
    counts = runs[:, 1].astype(np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)[: own_s.size]
    numbers = np.repeat(runs[:, 0].astype(np.int64), counts)[: own_s.size] + np.arange(own_s.size) - starts
    return own_s + np.repeat(runs[:, 2], counts)[: own_s.size], numbers
