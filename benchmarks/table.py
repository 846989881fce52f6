"""One row a quantity: what it should be, what it was, and what stood beside it in the same run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HEADER = ("quantity", "target", "measured", "beside it in the same run")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run of the benchmarks was asked for.

    Parameters
    ----------
    quick
        True for a look in a minute or two: shorter runs, wider error.
    models_dir
        Holds `focus-attention/1.0.0`.
    data_dir
        Real recordings; may not exist.
    """

    quick: bool
    models_dir: Path
    data_dir: Path


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity.

    Parameters
    ----------
    quantity
        What it is, with its conditions.
    target
        From the issue; empty where there is none.
    measured
        Figure and unit.
    beside
        Floors and peers of the same run.
    met
        False marks a missed target; None where there is none, or nothing was measured.
    """

    quantity: str
    target: str
    measured: str
    beside: str = ""
    met: bool | None = None


def heading() -> str:
    """Give the two lines above the rows of the table."""
    return "\n".join(_line(cells) for cells in (HEADER, ("---",) * len(HEADER)))


def markdown(rows: Iterable[Row]) -> str:
    """Give rows of the table."""
    return "\n".join(
        _line((r.quantity, r.target, r.measured + (" **missed**" if r.met is False else ""), r.beside)) for r in rows
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@dataclass(frozen=True, slots=True)
class Ages:
    """Ages of what arrived, ms."""

    ms: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, values: Sequence[float]) -> Ages:
        return cls(np.asarray(values, np.float64))

    @property
    def p50(self) -> float:
        return float(np.percentile(self.ms, 50))

    @property
    def p99(self) -> float:
        return float(np.percentile(self.ms, 99))

    def __str__(self) -> str:
        return f"{self.p50:.2f} / {self.p99:.2f} ms" if self.ms.size else "nothing came"
