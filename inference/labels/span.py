"""A stretch of a session in which the person did one thing."""

from __future__ import annotations

from dataclasses import dataclass

from inference.personal.cued_session import Condition


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another.

    Parameters
    ----------
    condition
        `cross` is rest.
    start_s, stop_s
        By the stamps of the signal, s, LSL clock.
    source
        What said so, for a person.
    block
        Of a guided calibration: number of the calibration and of the block in it, both from 1 on.
    """

    condition: Condition
    start_s: float
    stop_s: float
    source: str
    block: tuple[int, int] | None = None
