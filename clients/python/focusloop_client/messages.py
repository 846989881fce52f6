"""What the service says, typed. Null stays None; fields that this version does not know are in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Focus:
    """A focus score: valid, or None with a reason."""

    stream: str
    epoch: str
    seq: int
    t_unix_s: float
    t_lsl_s: float | None
    origin: str
    value: float | None
    steady: float | None
    relative: float | None
    valid: bool
    reason: str | None
    confidence: float | None
    quality: float | None
    calibrated: bool
    raw: Raw

    @property
    def simulated(self) -> bool:
        """True where the score comes from no person in front of the headset: show that in words."""
        return self.origin != "live"

    def __str__(self) -> str:
        """Say the score as a person reads it."""
        told = f"{self.value:.2f}" if self.value is not None else f"no score: {self.reason}"
        return f"{'SIMULATED ' if self.simulated else ''}{self.stream} {told}"


@dataclass(frozen=True)
class Difficulty:
    """The next difficulty, 0 easiest to 1 hardest, with its reason."""

    stream: str
    epoch: str
    seq: int
    t_unix_s: float
    level: float
    previous: float
    reason: str
    policy: str
    state: str
    after: tuple[str, int] | None
    """Run and number of the trial that it follows; None where a controller started, changed or holds."""
    raw: Raw


@dataclass(frozen=True)
class Neurofeedback:
    """What is rewarded, moment by moment: nothing where it is not valid, and `reason` says why."""

    stream: str
    epoch: str
    seq: int
    t_unix_s: float
    t_lsl_s: float
    origin: str
    state: str
    """`rest` while thresholds are measured, `running`, `failed`."""
    valid: bool
    reason: str | None
    rewarded: bool
    brightness: float | None
    rewards: int
    """Since rest; a subscription with `rate_hz` sees each reward here."""
    raw: Raw

    @property
    def simulated(self) -> bool:
        """True where it comes from no person in front of the headset: show that in words."""
        return self.origin != "live"


@dataclass(frozen=True)
class Status:
    """State of a stream: connecting, streaming, stalled, reconnecting, closed, failed."""

    stream: str
    epoch: str
    seq: int
    state: str
    detail: str
    raw: Raw


@dataclass(frozen=True)
class ChannelQuality:
    """How one electrode does."""

    label: str
    contact: bool
    flags: tuple[str, ...]
    """Kinds of artefact; empty where there are none."""
    usable: float


@dataclass(frozen=True)
class Quality:
    """How each electrode does."""

    stream: str
    epoch: str
    seq: int
    channels: tuple[ChannelQuality, ...]
    raw: Raw


@dataclass(frozen=True)
class Calibration:
    """Progress of a baseline or of a guided calibration: running, done, refused, cancelled."""

    stream: str
    epoch: str
    seq: int
    state: str
    phase: str | None
    progress: float
    code: str | None
    message: str
    raw: Raw


@dataclass(frozen=True)
class CountedTrial:
    """A trial as it was counted, whoever sent it."""

    stream: str
    epoch: str
    seq: int
    t_unix_s: float
    t_lsl_s: float
    uncertainty_ms: float | None
    stamped: str
    """By which clock: `client`, `arrival`, or `file` where a recording tells it again."""
    run: str
    trial: int
    task: str
    block: int | None
    correct: bool
    rt_ms: float | None
    level: float | None
    raw: Raw


@dataclass(frozen=True)
class Marker:
    """A marker that a client sent."""

    stream: str
    epoch: str
    seq: int
    t_unix_s: float
    t_lsl_s: float
    uncertainty_ms: float | None
    stamped: str
    label: str
    raw: Raw


@dataclass(frozen=True)
class Proposal:
    """Something that a person may accept or refuse: a rest, the next task, a new baseline."""

    stream: str
    epoch: str
    seq: int
    t_unix_s: float
    kind: str
    text: str
    evidence: Raw
    raw: Raw


@dataclass(frozen=True)
class Acknowledged:
    """A trial is kept by the service."""

    run: str
    trial: int
    duplicate: bool
    t_lsl_s: float | None
    uncertainty_ms: float | None
    raw: Raw


@dataclass(frozen=True)
class Lagged:
    """The client fell behind; so many messages were missed."""

    stream: str
    topic: str
    missed: int
    raw: Raw


@dataclass(frozen=True)
class Refused:
    """Something the service did not accept: an error, or a topic that is not delivered."""

    code: str
    message: str
    raw: Raw


@dataclass(frozen=True)
class Other:
    """Any other message, by its type."""

    type: str
    raw: Raw


_Addressed = Focus | Neurofeedback | Status | Calibration | CountedTrial | Marker | Proposal
Message = _Addressed | Difficulty | Quality | Acknowledged | Lagged | Refused | Other

_NAMED_AS_SENT: Mapping[str, type[_Addressed]] = {
    "focus": Focus,
    "neurofeedback": Neurofeedback,
    "status": Status,
    "calibration": Calibration,
    "trial": CountedTrial,
    "marker": Marker,
    "proposal": Proposal,
}


def read(raw: Raw) -> Message:
    """Type a message.

    Raises
    ------
    KeyError
        If a field is missing that its type promises.
    """
    kind = str(raw["type"])
    plain = _NAMED_AS_SENT.get(kind)
    if plain is not None:
        return plain(**{field.name: raw[field.name] for field in fields(plain) if field.name != "raw"}, raw=raw)
    if kind == "difficulty":
        names = ("stream", "epoch", "seq", "t_unix_s", "level", "previous", "reason", "policy")
        after = cast("Raw | None", raw.get("after"))
        return Difficulty(
            **{name: raw[name] for name in names},
            state=raw.get("state", "running"),
            after=None if after is None else (after["run"], after["trial"]),
            raw=raw,
        )
    if kind == "quality":
        channels = tuple(
            ChannelQuality(one["label"], one["contact"], tuple(one["flags"]), one["usable"]) for one in raw["channels"]
        )
        return Quality(raw["stream"], raw["epoch"], raw["seq"], channels, raw)
    if kind == "ack":
        place = {"t_lsl_s": raw.get("t_lsl_s"), "uncertainty_ms": raw.get("uncertainty_ms")}
        return Acknowledged(raw["run"], raw["trial"], raw["duplicate"], **place, raw=raw)
    if kind == "lagged":
        return Lagged(raw["stream"], raw["topic"], raw["missed"], raw)
    if kind == "error":
        return Refused(raw["code"], raw["message"], raw)
    return Other(kind, raw)
