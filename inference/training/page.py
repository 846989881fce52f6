"""The evaluation as one page: self-contained HTML with its curves as SVG, worst people first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from inference.training.curves import Curve
from inference.training.evaluate import AUC_HEADS, NUMBER_HEADS, FocusReport, Length, Row
from inference.training.metrics import Null

_SIDE = 260
_MARGIN = 34
_BAR = 17
_NAMES = 90

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid #d5d5d5; padding: .25rem .6rem; text-align: left }
.failed { color: #a40000; font-weight: 600 }
figure { display: inline-block; vertical-align: top; margin: .5rem 1rem .5rem 0 }
figcaption { color: #555 }
svg text { font: 11px system-ui, sans-serif; fill: #444 }
"""


def html_page(report: FocusReport) -> str:
    """Write the page of a report; it loads nothing from anywhere."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>focusloop: evaluation of the focus model</title>",
        f"<style>{_STYLE}</style>",
        "<h1>What the focus score is worth on people it has never seen</h1>",
        f"<p>{report.people} people of EEGMAT, mental arithmetic against rest, out of fold by person; windows "
        "that were not scored count as 0.5; 95 % intervals over people. Made by "
        "<code>focusloop evaluate focus --html FILE</code>."
        f"</p><p><strong>{escape(report.warning)}</strong></p>",
        _table(_ROW_HEADS, [_row(row) for row in report.rows]),
    ]
    if report.lengths:
        parts += ["<h2>Length of the baseline</h2>", _table(_LENGTH_HEADS, [_length(one) for one in report.lengths])]
    parts += ["<h2>What it must not know</h2>", _nulls(report)]
    for curve in report.curves:
        parts += [f"<h2>{escape(curve.title)}</h2>", _curve(curve)]
    return "\n".join(parts) + "\n</html>\n"


_ROW_HEADS = (
    "baseline",
    "electrodes",
    *AUC_HEADS,
    *NUMBER_HEADS,
)
_LENGTH_HEADS = ("own rest", "AUC pooled", "within", "20-s mean, pooled", "20-s mean, within")


def _row(row: Row) -> list[str]:
    name = "own rest" if row.reference == "baseline" else "none"
    return [name, row.montage, *map(str, row.aucs), *row.numbers]


def _length(one: Length) -> list[str]:
    return [f"{one.seconds:g} s", *map(str, (one.pooled, one.within, one.steady_pooled, one.steady_within))]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text.replace('`', ''))}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _nulls(report: FocusReport) -> str:
    lines = [f"<tr><td>labels shuffled by recording, AUC</td><td>{report.shuffled_auc}</td><td>about 0.5</td><td></td>"]
    lines += [_null(null) for null in report.nulls]
    return f"<table><tr><th>null</th><th>answer</th><th>gate</th><th></th></tr>{''.join(lines)}</table>"


def _null(null: Null) -> str:
    verdict = {True: "passed", False: "<span class='failed'>FAILED</span>", None: ""}[null.passed]
    return f"<tr><td>{escape(null.question)}</td><td>{null.answer}</td><td>{escape(null.gate)}</td><td>{verdict}</td>"


def _curve(curve: Curve) -> str:
    told = (
        f"Task detected for {curve.detection} (mean of 5 s; 5 % of other people's rest passes; the first window is "
        "full one window after the task began)."
    )
    square = [(x, y) for x, y, _ in curve.reliability]
    dots = "".join(
        f"<circle cx='{_x(x):.1f}' cy='{_y(y):.1f}' r='{2 + 14 * weight**0.5:.1f}' fill='#1663a8' fill-opacity='.5'/>"
        for x, y, weight in curve.reliability
    )
    return (
        f"<p>{escape(told)}</p>"
        + _square("ROC, pooled", "false positives", "true positives", _line(curve.roc))
        + _square("Reliability of value (size: share of windows)", "said", "was", _line(square) + dots)
        + _bars(curve.people)
    )


def _x(share: float) -> float:
    return _MARGIN + share * _SIDE


def _y(share: float) -> float:
    return 8 + (1.0 - share) * _SIDE


def _line(points: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f"<polyline points='{path}' fill='none' stroke='#1663a8' stroke-width='2'/>"


def _square(caption: str, across: str, up: str, content: str) -> str:
    width, height = _SIDE + _MARGIN + 12, _SIDE + _MARGIN + 12
    return (
        f"<figure><svg width='{width}' height='{height}' role='img' aria-label='{escape(caption, quote=True)}'>"
        f"<rect x='{_x(0)}' y='{_y(1)}' width='{_SIDE}' height='{_SIDE}' fill='none' stroke='#bbb'/>"
        f"<line x1='{_x(0)}' y1='{_y(0)}' x2='{_x(1)}' y2='{_y(1)}' stroke='#bbb' stroke-dasharray='4'/>{content}"
        f"<text x='{_x(0.5)}' y='{_y(0) + 28}' text-anchor='middle'>{across}</text>"
        f"<text x='{_x(0)}' y='{_y(0) + 14}'>0</text><text x='{_x(1)}' y='{_y(0) + 14}' text-anchor='end'>1</text>"
        f"<text transform='translate(14 {_y(0.5)}) rotate(-90)' text-anchor='middle'>{up}</text></svg>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _bars(people: Sequence[tuple[str, float]]) -> str:
    height = _BAR * len(people) + 6
    bars = "".join(
        f"<text x='0' y='{_BAR * k + 13}'>{escape(name)}</text>"
        f"<rect x='{_NAMES}' y='{_BAR * k + 3}' width='{_SIDE * auc:.1f}' height='{_BAR - 4}' "
        f"fill='{'#a40000' if auc < 0.5 else '#1663a8'}'/>"
        f"<text x='{_NAMES + _SIDE + 6}' y='{_BAR * k + 13}'>{auc:.2f}</text>"
        for k, (name, auc) in enumerate(people)
    )
    middle = _NAMES + _SIDE / 2
    return (
        f"<figure><svg width='{_NAMES + _SIDE + 40}' height='{height}' role='img' aria-label='AUC within each person'>"
        f"{bars}<line x1='{middle}' x2='{middle}' y1='0' y2='{height}' stroke='#444' stroke-dasharray='3'/></svg>"
        "<figcaption>AUC within each person, worst first (dashed: .5)</figcaption></figure>"
    )
