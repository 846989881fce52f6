"""Trials that the service has not acknowledged: which are due, and which wait for their stream to be there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

Key = tuple[str, int]
"""Run and number."""

NO_SUCH_STREAM = "no_such_stream"
NOT_YET = frozenset({"rate_limited", "too_many"})
"""Errors that a trial outlives: it came too fast, or the service's disk takes nothing at the moment."""

AT_ONCE = 100
"""Trials resent at once: the service takes 200 messages a second."""


class OwedTrials:
    """Keeps each trial until it is acknowledged, refused for good, or dropped by the program.

    A stream that the service does not know may come back (one added over HTTP is gone after a restart): its trials
    wait, and one of them at a time asks whether it is there again, so that they are counted in their order.
    """

    def __init__(self) -> None:
        self._trials: OrderedDict[Key, dict[str, Any]] = OrderedDict()
        self._missing: set[str] = set()

    def __len__(self) -> int:
        """Count the trials that wait."""
        return len(self._trials)

    def add(self, key: Key, fields: dict[str, Any]) -> bool:
        """Keep a trial; False where it has to wait for its stream."""
        self._trials[key] = fields
        return fields["stream"] not in self._missing

    def drop(self, key: Key) -> None:
        """Let go of a trial."""
        self._trials.pop(key, None)

    def acknowledged(self, key: Key) -> bool:
        """Let go of a trial that is kept by the service; True where its stream was missing, and others are due now."""
        fields = self._trials.pop(key, None)
        if fields is None or fields["stream"] not in self._missing:
            return False
        self._missing.discard(fields["stream"])
        return True

    def refused(self, key: Key, code: str) -> bool:
        """Take in an error that names a trial; False where the program was told the same before."""
        if code in NOT_YET:
            return True
        fields = self._trials.get(key)
        if code != NO_SUCH_STREAM or fields is None:
            self.drop(key)
            return True
        told = fields["stream"] in self._missing
        self._missing.add(fields["stream"])
        return not told

    def there(self, streams: Iterable[str]) -> None:
        """Take in which streams the service has."""
        self._missing.difference_update(streams)

    def due(self) -> list[dict[str, Any]]:
        """Give what is to be sent again, the oldest first; of a missing stream one trial, which asks for it."""
        due: list[dict[str, Any]] = []
        asked: set[str] = set()
        for fields in self._trials.values():
            stream = fields["stream"]
            if stream in asked:
                continue
            if stream in self._missing:
                asked.add(stream)
            due.append(fields)
            if len(due) == AT_ONCE:
                break
        return due
