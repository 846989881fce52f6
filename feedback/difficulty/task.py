"""What a task asks of a person: how difficulty maps to the share of correct answers, and which share is aimed at."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bci.errors import ConfigError


def sigmoid(x: float) -> float:
    """Give the logistic function without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)


@dataclass(frozen=True, slots=True)
class Task:
    """The psychometric frame of a task.

    A person whose ability lies `x` logits above the difficulty answers correctly with
    P(x) = guess_rate + (1 - guess_rate - lapse_rate) * sigmoid(x).

    Parameters
    ----------
    target
        Share of correct answers that is aimed at, above `guess_rate` and below `1 - lapse_rate`.
    guess_rate
        Share correct by guessing alone: 0.5 for two alternatives, 0 where nothing can be guessed.
    lapse_rate
        Share of errors that no ease prevents.
    d_min, d_max
        Easiest and hardest difficulty of the task, logits; level 0 and level 1.

    Raises
    ------
    ConfigError
        Where the numbers contradict each other.
    """

    target: float = 0.80
    guess_rate: float = 0.5
    lapse_rate: float = 0.02
    d_min: float = -4.0
    d_max: float = 4.0

    def __post_init__(self) -> None:
        """Refuse what no difficulty could reach."""
        if not 0.0 <= self.guess_rate < 1.0 or not 0.0 <= self.lapse_rate < 0.5:
            msg = f"guess_rate {self.guess_rate:g}, lapse_rate {self.lapse_rate:g}: expected 0 to 1, and 0 to .5"
            raise ConfigError(msg)
        low, high = self.guess_rate + MARGIN, 1.0 - self.lapse_rate - MARGIN
        if not low <= self.target <= high:
            msg = (
                f"target {self.target:g}: expected a share of correct answers from {low:.2f} (above guessing) to "
                f"{high:.2f} (below what lapses leave)"
            )
            raise ConfigError(msg)
        if not -MAX_LOGITS <= self.d_min < self.d_max <= MAX_LOGITS:
            msg = f"limits {self.d_min:g} to {self.d_max:g}: expected d_min below d_max, logits, within ±{MAX_LOGITS:g}"
            raise ConfigError(msg)

    @property
    def middle(self) -> float:
        """Difficulty half-way between the limits, logits."""
        return (self.d_min + self.d_max) / 2.0

    @property
    def advantage(self) -> float:
        """Logits by which ability exceeds difficulty where P equals the target."""
        share = (self.target - self.guess_rate) / (1.0 - self.guess_rate - self.lapse_rate)
        return math.log(share / (1.0 - share))

    def p_correct(self, x: float) -> float:
        """Probability of a correct answer at `x` logits of advantage."""
        return self.guess_rate + (1.0 - self.guess_rate - self.lapse_rate) * sigmoid(x)

    def slope(self, x: float) -> float:
        """Give the derivative of `p_correct`, a logit."""
        s = sigmoid(x)
        return (1.0 - self.guess_rate - self.lapse_rate) * s * (1.0 - s)

    def clip(self, difficulty: float) -> float:
        """Bring a difficulty within the limits."""
        return min(self.d_max, max(self.d_min, difficulty))

    def level(self, difficulty: float) -> float:
        """Give the level, 0 easiest to 1 hardest."""
        return (self.clip(difficulty) - self.d_min) / (self.d_max - self.d_min)

    def difficulty(self, level: float) -> float:
        """Give the difficulty of a level, logits."""
        return self.d_min + min(1.0, max(0.0, level)) * (self.d_max - self.d_min)


MARGIN = 0.01
MAX_LOGITS = 20.0
