"""Text tables that programs and accidents have written: numbers where there are some, NaN elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bci.types import Timestamps

_BLOCK_LINES = 8192
"""One cell that is no number sends its block, not the file, to the slow way."""


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file that are not blank; bytes that are no text become U+FFFD and fail as numbers."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [line for line in map(str.rstrip, file) if line]


def delimiter_of(header: str) -> str:
    """Guess what separates the columns: a spreadsheet may have saved the file anew with `;` or tabs."""
    return max(",;\t", key=header.count)


def split_row(line: str, delimiter: str = ",") -> list[str]:
    """Split a line into cells. None of the programs that we read quotes anything."""
    return [cell.strip() for cell in line.split(delimiter)]


def column_of(lines: Sequence[str], column: int, delimiter: str = ",") -> list[str]:
    """Take one column as text; every line has it."""
    return [line.split(delimiter, column + 1)[column].strip() for line in lines]


def floats_of(lines: Sequence[str], columns: Sequence[int], delimiter: str = ",") -> Timestamps:
    """Take columns as numbers.

    Parameters
    ----------
    lines
        Each has at least `max(columns) + 1` cells.
    columns
        Which to take.
    delimiter
        Between cells.

    Returns
    -------
    ndarray
        float64 (lines, columns), NaN where a cell is empty or no number.
    """
    numbers = np.empty((len(lines), len(columns)))
    for start in range(0, len(lines), _BLOCK_LINES):
        block = lines[start : start + _BLOCK_LINES]
        try:
            parsed = np.loadtxt(block, delimiter=delimiter, usecols=columns, comments=None, ndmin=2)
        except ValueError:
            parsed = [[_number(cells[i]) for i in columns] for cells in (line.split(delimiter) for line in block)]
        numbers[start : start + len(block)] = parsed
    return numbers


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
