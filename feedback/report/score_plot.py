"""The score over time: a line where it is valid, the colour of the reason where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from feedback.report import svg
from feedback.report.material import NO_SCORES, ScoreTrack, Stretch

REASON_COLOURS = {
    "paused": "#7f7f7f",
    "no_data": "#4d4d4d",
    "stale": "#8c564b",
    "not_worn": "#d62728",
    "unassigned": "#bcbd22",
    "poor_contact": "#ff7f0e",
    "artifact": "#e377c2",
    "warming_up": "#9ecae1",
    "out_of_distribution": "#9467bd",
    "baseline_mismatch": "#17becf",
    NO_SCORES: "#d9d9d9",
}
OTHER = "#222222"
"""Of a reason of another version."""

VALUE, STEADY = "#8fb8dc", "#10497d"
_TOP, _HEIGHT = 8, 220


def score_plot(scores: ScoreTrack, axis: svg.TimeAxis) -> str:
    """Draw value and steady over time; no line leads through time that is not valid."""
    parts = [svg.grid((0.0, 0.5, 1.0), 0.0, 1.0, _TOP, _HEIGHT)]
    lines: list[str] = []
    for stretch in scores.stretches():
        if stretch.reason is None:
            lines += [_line(scores.times_s, scores.value, stretch, axis, VALUE, 1.0)]
            lines += [_line(scores.times_s, scores.steady, stretch, axis, STEADY, 2.0)]
        else:
            parts.append(_shade(stretch, axis))
    content = "".join([*parts, *lines, axis.below(_TOP + _HEIGHT)])
    legend = [(VALUE, "score (value)"), (STEADY, "mean of its last 20 s (steady)")]
    legend += [(colour_of(reason), f"not valid: {reason}, {svg.clock(s)}") for reason, s in invalid_s(scores)]
    caption = "Focus score over time, 0 to 1; where it is not valid there is no line, and the colour says why."
    return svg.key(legend) + svg.figure(caption, _TOP + _HEIGHT + svg.BELOW, content)


def colour_of(reason: str) -> str:
    """Give the colour of a reason."""
    return REASON_COLOURS.get(reason, OTHER)


def invalid_s(scores: ScoreTrack) -> list[tuple[str, float]]:
    """Say how many seconds were not valid, for each reason, the longest first."""
    lasted: dict[str, float] = {}
    for stretch in scores.stretches():
        if stretch.reason is not None:
            lasted[stretch.reason] = lasted.get(stretch.reason, 0.0) + stretch.stop_s - stretch.start_s
    return sorted(lasted.items(), key=lambda item: -item[1])


def _shade(stretch: Stretch, axis: svg.TimeAxis) -> str:
    reason = str(stretch.reason)
    x = axis.x(stretch.start_s)
    width = max(1.0, axis.x(stretch.stop_s) - x)
    said = f"{reason}, from {svg.clock(stretch.start_s - axis.start_s)} to {svg.clock(stretch.stop_s - axis.start_s)}"
    return (
        f"<rect class='invalid' x='{x:.1f}' y='{_TOP}' width='{width:.1f}' height='{_HEIGHT}' "
        f"fill='{colour_of(reason)}' fill-opacity='.6'><title>{svg.escape(said)}</title></rect>"
    )


def _line(
    times_s: np.ndarray, values: np.ndarray, stretch: Stretch, axis: svg.TimeAxis, colour: str, thick: float
) -> str:
    points = list(_points(times_s[stretch.first : stretch.last], values[stretch.first : stretch.last], axis))
    if not points:
        return ""
    if len(points) == 1:
        x, y = points[0]
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{thick}' fill='{colour}'/>"
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f"<polyline class='valid' points='{drawn}' fill='none' stroke='{colour}' stroke-width='{thick}'/>"


def _points(times_s: np.ndarray, values: np.ndarray, axis: svg.TimeAxis) -> Iterator[tuple[float, float]]:
    """Give one point for each column of the picture: the mean of what falls into it."""
    known = np.isfinite(values)
    times_s, values = times_s[known], values[known]
    if not times_s.size:
        return
    column = np.floor((times_s - axis.start_s) / axis.length_s * svg.COLUMNS).astype(int)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(column) != 0]))
    counts = np.diff(np.concatenate([starts, [times_s.size]]))
    means: Sequence[float] = (np.add.reduceat(values, starts) / counts).tolist()
    moments: Sequence[float] = (np.add.reduceat(times_s, starts) / counts).tolist()
    for at_s, mean in zip(moments, means, strict=True):
        yield axis.x(at_s), _TOP + _HEIGHT * (1.0 - min(1.0, max(0.0, mean)))
