"""What the service says, typed. Null stays None; fields that this version does not know are in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


Message = Focus | Difficulty | Neurofeedback | Status | Acknowledged | Lagged | Refused | Other


def read(raw: Raw) -> Message:
    """Type a message.

    Raises
    ------
    KeyError
        If a field is missing that its type promises.
    """
    kind = str(raw["type"])
    if kind == "focus":
        names = ("t_unix_s", "t_lsl_s", "origin", "value", "steady", "relative", "valid", "reason")
        more = {name: raw[name] for name in (*names, "confidence", "quality", "calibrated")}
        return Focus(stream=raw["stream"], epoch=raw["epoch"], seq=raw["seq"], **more, raw=raw)
    if kind == "difficulty":
        names = ("stream", "epoch", "seq", "t_unix_s", "level", "previous", "reason", "policy")
        after = cast("Raw | None", raw.get("after"))
        return Difficulty(
            **{name: raw[name] for name in names},
            state=raw.get("state", "running"),
            after=None if after is None else (after["run"], after["trial"]),
            raw=raw,
        )
    if kind == "neurofeedback":
        names = ("stream", "epoch", "seq", "t_unix_s", "t_lsl_s", "origin", "state", "valid", "reason", "rewarded")
        return Neurofeedback(**{name: raw[name] for name in (*names, "brightness", "rewards")}, raw=raw)
    if kind == "status":
        names = ("stream", "epoch", "seq", "state", "detail")
        return Status(**{name: raw[name] for name in names}, raw=raw)
    if kind == "ack":
        place = {"t_lsl_s": raw.get("t_lsl_s"), "uncertainty_ms": raw.get("uncertainty_ms")}
        return Acknowledged(raw["run"], raw["trial"], raw["duplicate"], **place, raw=raw)
    if kind == "lagged":
        return Lagged(raw["stream"], raw["topic"], raw["missed"], raw)
    if kind == "error":
        return Refused(raw["code"], raw["message"], raw)
    return Other(kind, raw)
