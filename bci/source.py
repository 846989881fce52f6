"""What every acquisition adapter can do, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bci.types import Chunk, SourceState, StreamSpec


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Snapshot of a source, safe to take from any thread.

    Parameters
    ----------
    state
        `connecting`, `streaming`, `reconnecting`, `closed` or `failed` (`stalled` is the engine's word).
    detail
        One sentence for a person; empty where all is well.
    lost_samples
        Samples that never came, by the device's counter.
    repaired_samples
        Samples cleaned on the way in (NaN, infinite), counted.
    battery
        Share of charge, 0..1; None where the device does not say.
    clock_steps
        How often the foreign clock stepped.
    """

    state: SourceState
    detail: str = ""
    lost_samples: int = 0
    repaired_samples: int = 0
    battery: float | None = None
    clock_steps: int = 0


class Source(Protocol):
    """A device, file or simulator that gives chunks. Driven by one thread; `status` may be read from any."""

    @property
    def spec(self) -> StreamSpec:
        """Valid once `open` has returned."""
        ...

    @property
    def status(self) -> SourceStatus:
        """A snapshot."""
        ...

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        """Connect and return what will come.

        Raises
        ------
        SourceNotFoundError, AmbiguousSourceError, UnsupportedStreamError, SourceError
            With what to do about it. Nothing stays open after an error.
        """
        ...

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        """Wait until `min_samples` samples are there or the time is up; give all that is there, None if nothing is.

        Raises
        ------
        SourceEndedError
            After the last sample of a file.
        SourceFailedError
            The source is broken for good; `status.state` is `failed`. While a device is being found again there is
            no error: `read` gives None and `status.state` is `reconnecting`.
        """
        ...

    def close(self) -> None:
        """Release the device or file. May be called twice, from any thread, and before `open`."""
        ...


@runtime_checkable
class Takeable(Protocol):
    """A source that can do without a thread of its own while all is well: it holds what has come until it is asked."""

    @property
    def calm(self) -> bool:
        """True where the next `take` can give all that there is to give; else `read` must go on, and may wait."""
        ...

    @property
    def waiting(self) -> int:
        """Samples that wait in it; from any thread."""
        ...

    def take(self, min_samples: int, now_s: float) -> Chunk | None:
        """Give what is there, if that is `min_samples` or has waited for long; never waits itself.

        Parameters
        ----------
        min_samples
            As for `Source.read`.
        now_s
            LSL clock.
        """
        ...
