"""The last samples of a stream, always in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Ring:
    """Ring buffer whose newest rows are one contiguous view: nothing is moved, nothing is copied on reading.

    Every row is written twice, a capacity apart, so some stretch of the memory always holds the newest rows in order.
    It costs twice the memory and one more write a row, where `np.roll` moves the whole buffer at each poll.

    Parameters
    ----------
    capacity
        Rows that are kept.
    n_channels
        Columns.
    """

    def __init__(self, capacity: int, n_channels: int) -> None:
        if capacity < 1:
            msg = f"ring of {capacity} rows, expected at least 1"
            raise ValueError(msg)
        self.capacity = capacity
        self._rows = np.zeros((2 * capacity, n_channels), dtype=np.float32)
        self._written = 0

    def __len__(self) -> int:
        """Count the rows that can be read."""
        return min(self._written, self.capacity)

    @property
    def written(self) -> int:
        """Rows that were ever appended."""
        return self._written

    def append(self, rows: ArrayLike) -> None:
        """Add rows; the oldest are forgotten.

        Parameters
        ----------
        rows
            (n, channels), any n.
        """
        new = np.asarray(rows, dtype=np.float32)
        skipped = max(0, len(new) - self.capacity)
        self._written += skipped
        new = new[skipped:]
        at = self._written % self.capacity
        first = min(len(new), self.capacity - at)
        for start, part in ((at, new[:first]), (0, new[first:])):
            self._rows[start : start + len(part)] = part
            self._rows[start + self.capacity : start + self.capacity + len(part)] = part
        self._written += len(new)

    def newest(self, n: int) -> NDArray[np.float32]:
        """Give a read-only view of the newest rows, oldest first; valid until the next `append`.

        Parameters
        ----------
        n
            Rows wanted; fewer come where fewer are there.
        """
        n = min(n, len(self))
        stop = self._written % self.capacity + self.capacity
        view = self._rows[stop - n : stop]
        view.setflags(write=False)
        return view

    def clear(self) -> None:
        """Forget every row."""
        self._written = 0
