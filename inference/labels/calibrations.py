"""Calibrations as they were recorded: their messages become the spans in which people did as they were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.labels.span import Span
from inference.personal.cued_session import Condition
from streaming.recording.reading import Message

_SLACK_S = 0.15
"""What is left of a block is told to 10 ms, and at most a hop late."""

_CONDITIONS: dict[str, Condition] = {"cross": "cross", "task": "task"}


@dataclass(slots=True)
class _Block:
    condition: Condition
    block: tuple[int, int]
    start_s: float
    last_s: float
    latest_stop_s: float

    def ended(self, at_s: float) -> Span:
        """End with the message that says something else, and no later than the block itself said it would."""
        return Span(self.condition, self.start_s, min(at_s, self.latest_stop_s), "guided calibration", self.block)


def guided_spans(messages: Sequence[Message]) -> list[Span]:
    """Give the blocks of guided calibrations, those of one that was broken off among them.

    Parameters
    ----------
    messages
        Of the topic `calibration`, in order, each at the newest sample that it knew of (s, LSL clock).
    """
    spans: list[Span] = []
    running: _Block | None = None
    run, newest = 0, 0
    for at_s, said in messages:
        number, condition = said.get("block"), _CONDITIONS.get(str(said.get("phase")))
        if said.get("state") != "running" or not isinstance(number, int) or condition is None:
            if running is not None:
                spans.append(running.ended(at_s))
            running, newest = None, newest if said.get("phase") == "measuring" else 0
            continue
        if running is not None and (running.block, running.condition) == ((run, number), condition):
            running.last_s, running.latest_stop_s = at_s, _latest_stop_s(at_s, said.get("block_left_s"))
            continue
        if running is not None:
            spans.append(running.ended(at_s))
        run += number <= newest or not newest
        newest = number
        stop_s = _latest_stop_s(at_s, said.get("block_left_s"))
        running = _Block(condition, (run, number), at_s, at_s, stop_s)
    if running is not None:  # the recording ends within it
        spans.append(running.ended(running.last_s))
    return [span for span in spans if span.stop_s > span.start_s]


def baseline_spans(messages: Sequence[Message]) -> list[Span]:
    """Give the rest with open eyes of calibrations that became a baseline; arguments as for `guided_spans`.

    Rest with closed eyes is left out: against a task with open ones it would teach the eyes.
    """
    spans: list[Span] = []
    taken: list[Span] = []
    phase: str | None = None
    since_s = 0.0
    for at_s, said in messages:
        if "block" in said:
            continue
        now = str(said.get("phase")) if said.get("state") == "running" else None
        if now != phase:
            if phase == "eyes_open" and at_s > since_s:
                taken.append(Span("cross", since_s, at_s, "baseline"))
            phase, since_s = now, at_s
        if now is None:
            spans += taken if said.get("state") == "done" else []
            taken = []
    return spans


def _latest_stop_s(at_s: float, left_s: object) -> float:
    return at_s + (left_s + _SLACK_S if isinstance(left_s, int | float) else float("inf"))
