"""Where readers leave what came and the worker finds it: bounded for each stream, one wake-up for all."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Box(Generic[ItemT]):
    """The items of one stream on their way to the worker. Only its `Mailbox` changes it, under its lock.

    Parameters
    ----------
    items
        Each with whether it counts against the limit.
    n_bounded
        Items that count.
    waits
        How often the reader had to wait because the box was full.
    closed
        True once nothing more is taken.
    """

    __slots__ = ("closed", "items", "n_bounded", "waits")

    def __init__(self) -> None:
        self.items: deque[tuple[ItemT, bool]] = deque()
        self.n_bounded = 0
        self.waits = 0
        self.closed = False


class Mailbox(Generic[ItemT]):
    """Boxes of all streams under one lock.

    Parameters
    ----------
    limit
        Bounded items in a box before `post` waits.
    share
        Items of one box that one `take` gives, so that a stream that floods holds nobody up for long.
    """

    def __init__(self, limit: int = 32, share: int = 4) -> None:
        self._limit = limit
        self._share = share
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._full: dict[Box[ItemT], None] = {}
        self._n_waiting = 0
        self._awake = False
        self._stopped = False

    def post(self, box: Box[ItemT], item: ItemT, *, bounded: bool = True) -> bool:
        """Leave an item; a bounded one waits while the box is full.

        Returns
        -------
        bool
            False where the box or the mailbox was closed: the item was not taken.
        """
        with self._lock:
            if bounded and box.n_bounded >= self._limit and not (box.closed or self._stopped):
                box.waits += 1
                self._n_waiting += 1
                self._room.wait_for(lambda: box.n_bounded < self._limit or box.closed or self._stopped)
                self._n_waiting -= 1
            if box.closed or self._stopped:
                return False
            self._leave(box, item, bounded=bounded)
            return True

    def close(self, box: Box[ItemT], last: ItemT | None = None) -> None:
        """Drop what is in the box, let its reader go, and leave one last item in it."""
        with self._lock:
            if box.closed:
                return
            box.closed = True
            box.items.clear()
            box.n_bounded = 0
            self._full.pop(box, None)
            if last is not None:
                self._leave(box, last, bounded=False)
            self._room.notify_all()

    def take(self, timeout_s: float) -> list[tuple[Box[ItemT], ItemT]]:
        """Wait for items of any box, for `wake` or for the time to be up; give what is there, oldest box first."""
        with self._lock:
            if not self._full and not self._awake and not self._stopped and timeout_s > 0.0:
                self._came.wait(timeout_s)
            self._awake = False
            taken: list[tuple[Box[ItemT], ItemT]] = []
            for box in list(self._full):
                for _ in range(min(self._share, len(box.items))):
                    item, bounded = box.items.popleft()
                    box.n_bounded -= bounded
                    taken.append((box, item))
                if not box.items:
                    del self._full[box]
            if self._n_waiting and taken:
                self._room.notify_all()
            return taken

    def wake(self) -> None:
        """Let a waiting `take` return with what is there."""
        with self._lock:
            self._awake = True
            self._came.notify()

    def stop(self) -> None:
        """Let everybody go for good; `take` still gives what is there."""
        with self._lock:
            self._stopped = True
            self._came.notify_all()
            self._room.notify_all()

    @property
    def stopped(self) -> bool:
        """True after `stop`."""
        return self._stopped

    def _leave(self, box: Box[ItemT], item: ItemT, *, bounded: bool) -> None:
        box.items.append((item, bounded))
        box.n_bounded += bounded
        self._full[box] = None
        self._came.notify()
