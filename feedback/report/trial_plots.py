"""What happened: events, trials with their reaction times and difficulty, and how late the scores were."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from feedback.report import svg
from feedback.report.material import Event, LevelChange, TrialMark

RIGHT_COLOUR, WRONG_COLOUR, UNKNOWN_COLOUR, LEVEL_COLOUR = "#2b7a3d", "#c0392b", "#777777", "#8a5a00"
EVENT_COLOURS = {
    "marker": "#1663a8",
    "status": "#777777",
    "calibration": "#8a5a00",
    "proposal": "#6b3fa0",
    "pause": "#c0392b",
}
LISTED = 500
"""Rows of a table; the plots show all."""

_TOP = 10


def event_plot(events: Sequence[Event], axis: svg.TimeAxis) -> str:
    """Draw when something happened, one row for each kind."""
    kinds = list(dict.fromkeys(event.kind for event in events))
    row = 18
    ticks = "".join(
        f"<rect x='{axis.x(e.at_s) - 1:.1f}' y='{_TOP + row * kinds.index(e.kind) + 3}' width='2' height='{row - 6}' "
        f"fill='{EVENT_COLOURS.get(e.kind, UNKNOWN_COLOUR)}'><title>"
        f"{escape(f'{svg.clock(e.at_s - axis.start_s)} {e.kind}: {e.text}')}</title></rect>"
        for e in events
    )
    height = row * len(kinds)
    content = svg.rows(kinds, _TOP, row) + ticks + axis.below(_TOP + height)
    listed = [(svg.clock(e.at_s - axis.start_s), e.kind, e.text) for e in events]
    return svg.figure("Events over time.", _TOP + height + svg.BELOW, content) + table(
        "All events", ("time", "what", "says"), listed
    )


def trial_plot(trials: Sequence[TrialMark], levels: Sequence[LevelChange], axis: svg.TimeAxis) -> str:
    """Draw reaction times over time in the colour of the answer, and difficulty below them."""
    times_ms = [trial.rt_ms for trial in trials if trial.rt_ms is not None]
    longest = max(times_ms, default=1000.0) * 1.05
    height, lower = 150, 90
    step = next((s for s in (100, 200, 500, 1000, 2000, 5000, 10_000) if longest / s <= 6), 60_000)
    content = svg.grid(list(range(0, int(longest) + 1, step)), 0.0, longest, _TOP, height, " ms")
    for trial in trials:
        share = 0.0 if trial.rt_ms is None else trial.rt_ms / longest
        content += (
            f"<circle cx='{axis.x(trial.at_s):.1f}' cy='{_TOP + height * (1.0 - share):.1f}' r='3' "
            f"fill='{_colour(trial)}'><title>{escape(_said(trial, axis))}</title></circle>"
        )
    below = _TOP + height + 16
    done_at = [(t.at_s, t.level) for t in trials if t.level is not None] or [(c.at_s, c.level) for c in levels]
    if done_at:
        content += svg.grid((0.0, 0.5, 1.0), 0.0, 1.0, below, lower)
        steps = [f"{axis.x(t):.1f},{below + lower * (1.0 - min(1.0, max(0.0, d))):.1f}" for t, d in done_at]
        content += f"<polyline points='{' '.join(steps)}' fill='none' stroke='{LEVEL_COLOUR}' stroke-width='2'/>"
        below += lower
    content += axis.below(below)
    legend = [(RIGHT_COLOUR, "right"), (WRONG_COLOUR, "wrong"), (UNKNOWN_COLOUR, "not told")]
    legend += [(LEVEL_COLOUR, "difficulty, 0 to 1")] if done_at else []
    listed = [
        (
            svg.clock(t.at_s - axis.start_s),
            "" if t.number is None else str(t.number),
            t.task,
            {True: "right", False: "wrong", None: ""}[t.correct],
            "" if t.rt_ms is None else f"{t.rt_ms:.0f}",
            "" if t.level is None else f"{t.level:.2f}",
        )
        for t in trials
    ]
    heads = ("time", "trial", "task", "answer", "reaction time, ms", "difficulty")
    return (
        f"<p>{escape(trial_sentence(trials))}</p>"
        + svg.key(legend)
        + svg.figure("Reaction time of each trial (top), difficulty (bottom).", below + svg.BELOW, content)
        + table("All trials", heads, listed)
        + table(
            "Why the difficulty changed",
            ("time", "difficulty", "reason"),
            [(svg.clock(c.at_s - axis.start_s), f"{c.level:.2f}", c.reason) for c in levels],
        )
    )


def trial_sentence(trials: Sequence[TrialMark]) -> str:
    """Say how many there were, how many right, and how fast."""
    answered = [trial.correct for trial in trials if trial.correct is not None]
    times_ms = [trial.rt_ms for trial in trials if trial.rt_ms is not None]
    said = f"{len(trials)} trials"
    if answered:
        said += f", {sum(answered)} of {len(answered)} right ({sum(answered) / len(answered):.0%})"
    if times_ms:
        said += f", median reaction time {np.median(times_ms):.0f} ms"
    return said + "."


def latency_plot(ages_ms: NDArray[np.float64]) -> str:
    """Draw how old the newest sample was when each score was sent; the axis is logarithmic."""
    p50, p95 = np.percentile(ages_ms, [50.0, 95.0]).tolist()
    low, high = np.log10(max(0.01, ages_ms.min())), np.log10(max(0.1, ages_ms.max()))
    edges = np.logspace(np.floor(low), max(np.ceil(high), np.floor(low) + 1.0), 61)
    counts, _ = np.histogram(np.clip(ages_ms, edges[0], edges[-1]), edges)
    top, height, span = 34, 140, np.log10(edges[-1] / edges[0])

    def x(ms: float) -> float:
        return svg.LEFT + svg.COLUMNS * float(np.log10(max(ms, edges[0]) / edges[0]) / span)

    bars = "".join(
        f"<rect x='{x(begin):.1f}' y='{top + height * (1 - n / counts.max()):.1f}' "
        f"width='{x(end) - x(begin):.1f}' height='{height * n / counts.max():.1f}' fill='#1663a8'>"
        f"<title>{begin:.3g} to {end:.3g} ms: {n}</title></rect>"
        for begin, end, n in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        if n
    )
    marks = "".join(
        f"<line x1='{x(ms):.1f}' x2='{x(ms):.1f}' y1='{at}' y2='{top + height}' stroke='#a40000' "
        f"stroke-dasharray='4'/><text x='{x(ms) + 3:.1f}' y='{at + 8}'>{name}</text>"
        for name, ms, at in (("p50", p50, 4), ("p95", p95, 18))
    )
    decades = range(round(np.log10(edges[0])), round(np.log10(edges[-1])) + 1)
    ticks = "".join(
        f"<text x='{x(10.0**d):.1f}' y='{top + height + 16}' text-anchor='{anchor}'>{10.0**d:g} ms</text>"
        for d in decades
        for anchor in ("end" if d == decades[-1] else "middle",)
    )
    below = top + height
    base = f"<line x1='{svg.LEFT}' x2='{svg.LEFT + svg.COLUMNS}' y1='{below}' y2='{below}' stroke='#888'/>"
    told = f"From the newest sample to the sending of its score: p50 {p50:.2f} ms, p95 {p95:.2f} ms."
    caption = "How old the newest sample was when its score was sent."
    return f"<p>{told}</p>" + svg.figure(caption, below + svg.BELOW, bars + marks + base + ticks)


def table(summary: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Give a table that is folded away; empty where it has no line."""
    if not lines:
        return ""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines[:LISTED])
    more = f"<p>The first {LISTED} of {len(lines)}.</p>" if len(lines) > LISTED else ""
    return (
        f"<details><summary>{escape(summary)} ({len(lines)})</summary>"
        f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>{more}</details>"
    )


def _colour(trial: TrialMark) -> str:
    return {True: RIGHT_COLOUR, False: WRONG_COLOUR, None: UNKNOWN_COLOUR}[trial.correct]


def _said(trial: TrialMark, axis: svg.TimeAxis) -> str:
    answer = {True: "right", False: "wrong", None: "not told"}[trial.correct]
    parts = [svg.clock(trial.at_s - axis.start_s), trial.task, answer]
    parts += [f"{trial.rt_ms:.0f} ms"] if trial.rt_ms is not None else []
    return " ".join(parts)
