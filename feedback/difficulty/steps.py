"""Large steps first, halved at each reversal down to the step that stays: from wherever a staircase starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class HalvedSteps:
    """The size of a staircase's step towards easier, logits.

    Parameters
    ----------
    first, last
        Size at the start, and the size that halving ends at.
    """

    first: float
    last: float
    size: float = 0.0
    _direction: int = 0

    def __post_init__(self) -> None:
        """Start large."""
        self.size = self.size or max(self.first, self.last)

    def move(self, direction: int) -> float:
        """Take a step in a direction, +1 harder or -1 easier; gives its size, smaller after each reversal."""
        if self._direction and direction != self._direction:
            self.size = max(self.last, self.size / 2.0)
        self._direction = direction
        return self.size

    def state(self) -> dict[str, Any]:
        """Give size and direction."""
        return {"size": self.size, "direction": self._direction}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.size, self._direction = float(state["size"]), int(state["direction"])
