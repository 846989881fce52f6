"""Streams whose sources need no thread while all is well: the worker takes what has come, in turn."""

from __future__ import annotations

from collections import deque

from streaming.batching import GROUP
from streaming.lane import Lane
from streaming.mailbox import Box
from streaming.reader import Item


class Parking:
    """Lanes whose reader is parked. Touched by the worker alone."""

    def __init__(self) -> None:
        self._lanes: deque[Lane] = deque()

    def __bool__(self) -> bool:
        """Say whether any is parked."""
        return bool(self._lanes)

    def park(self, lane: Lane) -> None:
        """Take what comes of this lane from now on, until its source is no longer calm."""
        self._lanes.append(lane)

    def taken(self, now_s: float) -> list[tuple[Box[Item], Item]]:
        """Give what at most `GROUP` of the lanes have for their next hop; the others come first the next time.

        A source that is no longer calm gets its thread back.

        Parameters
        ----------
        now_s
            LSL clock.
        """
        taken: list[tuple[Box[Item], Item]] = []
        for _ in range(len(self._lanes)):
            lane = self._lanes.popleft()
            if now_s < lane.reader.next_look_s:
                self._lanes.append(lane)
                continue
            if lane.over:
                continue
            item = lane.reader.take(now_s)
            if item is not None:
                taken.append((lane.box, item))
            if lane.reader.may_park:
                self._lanes.append(lane)
            else:
                lane.reader.resume()
            if len(taken) == GROUP:
                break
        return taken
