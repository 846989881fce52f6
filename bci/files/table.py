"""Text tables that programs and accidents have written: numbers where there are some, NaN and a count elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bci.types import Timestamps


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file that are not blank; bytes that are no text become U+FFFD and fail as numbers."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return [line for line in text.splitlines() if line.strip()]


def split_rows(lines: Sequence[str], delimiter: str = ",") -> list[list[str]]:
    """Split lines into cells. None of the programs that we read quotes anything."""
    return [[cell.strip() for cell in line.split(delimiter)] for line in lines]


def delimiter_of(header: str) -> str:
    """Guess what separates the columns: a spreadsheet may have saved the file anew with `;` or tabs."""
    return max(",;\t", key=header.count)


def to_floats(rows: Sequence[Sequence[str]], columns: Sequence[int]) -> Timestamps:
    """Turn columns of cells into numbers.

    Parameters
    ----------
    rows
        Cells, at least `max(columns) + 1` in each row.
    columns
        Which to take.

    Returns
    -------
    ndarray
        float64 (rows, columns), NaN where a cell is empty or no number.
    """
    cells = [[row[i] for i in columns] for row in rows]
    if not cells:
        return np.empty((0, len(columns)))
    try:
        return np.array(cells, dtype=np.str_).astype(np.float64)
    except ValueError:
        return np.array([[_number(cell) for cell in row] for row in cells], dtype=np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
