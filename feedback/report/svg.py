"""Pieces of SVG: axes of time, grids, pictures. What a person wrote is escaped here and in `page`, nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

WIDTH, LEFT, RIGHT, BELOW = 960, 92, 16, 34
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_TICKS = 10
COLUMNS = WIDTH - LEFT - RIGHT
"""Of a plot over time: nothing finer is drawn."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Seconds to the right, from the beginning of what is reported."""

    start_s: float
    stop_s: float

    @property
    def length_s(self) -> float:
        """Never zero."""
        return max(self.stop_s - self.start_s, 1e-3)

    def x(self, at_s: float) -> float:
        """Give the place of a moment; what lies outside is drawn at the edge."""
        share = (at_s - self.start_s) / self.length_s
        return LEFT + COLUMNS * min(1.0, max(0.0, share))

    def below(self, y: float) -> str:
        """Draw the axis at a height."""
        step = next((s for s in _STEPS_S if self.length_s / s <= _TICKS), 86400)
        ticks = "".join(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{y}' y2='{y + 4}' stroke='#888'/>"
            f"<text x='{x:.1f}' y='{y + 16}' text-anchor='middle'>{clock(s)}</text>"
            for s in range(0, int(self.length_s) + 1, step)
            for x in (self.x(self.start_s + s),)
        )
        return f"<line x1='{LEFT}' x2='{LEFT + COLUMNS}' y1='{y}' y2='{y}' stroke='#888'/>{ticks}"


def clock(seconds: float) -> str:
    """Write a time as m:ss or h:mm:ss."""
    minutes, rest = divmod(abs(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    told = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"-{told}" if round(seconds) < 0 else told


def figure(caption: str, height: float, content: str, *, width: int = WIDTH) -> str:
    """Put a drawing on the page; one that is wider than the window is scrolled by itself."""
    return (
        f"<figure><div class='wide'><svg width='{width}' height='{height:.0f}' viewBox='0 0 {width} {height:.0f}' "
        f"role='img' aria-label='{escape(caption, quote=True)}'>{content}</svg></div>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def grid(values: Sequence[float], low: float, high: float, top: float, height: float, unit: str = "") -> str:
    """Draw lines across at these values."""
    lines = ""
    for value in values:
        y = top + height * (1.0 - (value - low) / ((high - low) or 1.0))
        lines += (
            f"<line x1='{LEFT}' x2='{LEFT + COLUMNS}' y1='{y:.1f}' y2='{y:.1f}' stroke='#ddd'/>"
            f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{value:g}{unit}</text>"
        )
    return lines


def rows(labels: Sequence[str], top: float, height: float) -> str:
    """Write names to the left of the rows of a picture."""
    return "".join(
        f"<text x='{LEFT - 6}' y='{top + height * (k + 0.5) + 4:.1f}' text-anchor='end'>{escape(label[:14])}</text>"
        for k, label in enumerate(labels)
    )


def over_time(
    numbers: NDArray[np.int64],
    values: NDArray[np.floating],
    span_s: float,
    axis: TimeAxis,
    *,
    holes_are_zero: bool = False,
) -> NDArray[np.float64]:
    """Bring spans of time to columns of a picture: the mean of what falls into each.

    Parameters
    ----------
    numbers
        int64 (n,), of spans that begin at the number times `span_s`.
    values
        (n, rows); NaN is left out.
    span_s
        Length of a span; no column is shorter.
    axis
        Of the picture.
    holes_are_zero
        A span that is not there counts as 0; else it is left out, and a column without any is NaN.

    Returns
    -------
    float64 (rows, columns).
    """
    n_columns = max(1, min(COLUMNS // 2, int(axis.length_s / span_s)))
    sums, counts = np.zeros((n_columns, values.shape[1])), np.zeros((n_columns, values.shape[1]))
    middle = ((numbers + 0.5) * span_s - axis.start_s) / axis.length_s
    column = np.clip((middle * n_columns).astype(int), 0, n_columns - 1)
    known = np.isfinite(values)
    np.add.at(sums, column, np.where(known, values, 0.0))
    np.add.at(counts, column, known)
    if holes_are_zero:
        edges_s = axis.start_s + axis.length_s * np.arange(n_columns + 1) / n_columns
        counts = np.maximum(counts, np.diff(np.ceil(edges_s / span_s - 0.5))[:, None])
        return (sums / np.maximum(counts, 1.0)).T
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan).T


def picture(values: NDArray[np.float64], low: float, high: float, colours: str, top: float, height: float) -> str:
    """Draw numbers (rows, columns) as colours, the first row at the top; NaN is white."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    share = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    rgba = np.asarray(colormaps[colours](np.nan_to_num(share), bytes=True))
    rgba[~np.isfinite(values)] = 255
    content = BytesIO()
    imsave(content, rgba, format="png")
    return (
        f"<image x='{LEFT}' y='{top}' width='{COLUMNS}' height='{height}' preserveAspectRatio='none' "
        "style='image-rendering:pixelated' "
        f"href='data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}'/>"
        f"<rect x='{LEFT}' y='{top}' width='{COLUMNS}' height='{height}' fill='none' stroke='#bbb'/>"
    )


def key(entries: Sequence[tuple[str, str]]) -> str:
    """Say what colours mean."""
    items = "".join(f"<span><i style='background:{colour}'></i>{escape(text)}</span>" for colour, text in entries)
    return f"<p class='key'>{items}</p>"


def scale(colours: str, low: str, high: str) -> str:
    """Say what the colours of a picture mean, from low to high."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    steps = ",".join(to_hex(colormaps[colours](share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return (
        f"<p class='key'><span>{escape(low)}</span><i class='scale' "
        f"style='background:linear-gradient(to right,{steps})'></i><span>{escape(high)}</span>"
        "<span><i style='background:#fff;border:1px solid #bbb'></i>nothing known</span></p>"
    )
