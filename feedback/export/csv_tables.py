"""CSV of scores, trials and events that opens in R and in Excel, and starts no formula there."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from feedback.export.port import Material, Progress
from feedback.export.tables import Table, tables_of

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_NUMBERS_ONLY = ("scores",)
"""Tables without anybody's text: ASCII, so they need no mark of their encoding."""


SHEET_ROWS = 1_048_576
"""Of a sheet of Excel and LibreOffice, the names of the columns included."""


class CsvExporter:
    """One file a table. Those with texts begin with a byte order mark: without it Excel takes them for ANSI."""

    name = "csv"

    def write(self, material: Material, folder: Path, show: Progress) -> None:
        """Write them."""
        for done, table in enumerate(tables_of(material), start=1):
            encoding = "utf-8" if table.name in _NUMBERS_ONLY else "utf-8-sig"
            path = folder / f"{material.identity.name}_{table.name}.csv"
            with path.open("w", encoding=encoding, errors="replace", newline="") as file:
                n_rows = write_table(table, file)
            if n_rows >= SHEET_ROWS:
                material.note(
                    f"{table.name}.csv has {n_rows} rows, Excel and LibreOffice show the first {SHEET_ROWS - 1}; R and "
                    "pandas read them all"
                )
            show("writing", done / 3)
        material.note("csv does not hold the signal; bids, fif, edf and parquet do")
        material.note("trials.csv and events.csv begin with a byte order mark: R: fileEncoding = 'UTF-8-BOM'")


def write_table(table: Table, file: TextIO) -> int:
    """Write the rows, and say how many: decimal points, TRUE and FALSE, empty where there is nothing."""
    rows = csv.writer(file, lineterminator="\r\n")
    rows.writerow(table.columns)
    n_rows = 0
    for row in table.rows:
        rows.writerow(_cells(row))
        n_rows += 1
    return n_rows


def _cells(row: Iterable[Any]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, str):
        return disarmed(value)
    return str(value)


def disarmed(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA) or text.startswith(("\t", "\r")) else text
