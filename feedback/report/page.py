"""A session as one page: it loads nothing from anywhere, and a plot stands where people would rather look."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from bci.errors import FocusloopError
from feedback.private_files import write_private
from feedback.report import svg
from feedback.report.material import ReportMaterial
from feedback.report.score_plot import invalid_s, score_plot
from feedback.report.signal_plots import band_plot, channel_table, coverage_plot, quality_plot, spectrogram
from feedback.report.trial_plots import event_plot, latency_plot, trial_plot

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
  overflow-wrap: anywhere }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid #d5d5d5; padding: .25rem .6rem; text-align: left; vertical-align: top }
.simulated { background: #fff3cd; border: 2px solid #b58900; padding: .5rem .8rem; font-weight: 600 }
.note { border-left: 4px solid #a40000; padding-left: .6rem }
th { overflow-wrap: normal; word-break: keep-all }
figure { margin: .5rem 0 1.5rem }
figcaption { color: #555 }
.wide { overflow-x: auto }
svg { display: block }
svg text { font: 11px system-ui, sans-serif; fill: #444 }
.key span { display: inline-block; margin-right: 1rem }
.key i { display: inline-block; width: .9em; height: .9em; margin-right: .35em; vertical-align: -.1em }
.key i.scale { width: 8em }
"""

_ORIGINS = {
    "live": "",
    "simulator": "SIMULATED: this was made by a simulated participant, not by a person. It shows the loop, not the "
    "validity of the score.",
    "file": "SIMULATED live: the signal comes from a recording; nobody sat at the headset while it was scored.",
}

_FIRST = ("participant", "started", "recorded", "device", "model", "baseline")
"""Of the facts, on top of the page."""

_MEANING = """<h2>What the score means, and what it does not</h2>
<p>The score estimates engagement as the training data of its model defined it: mental arithmetic against rest. With a
baseline of one's own rest it says “more engaged than at your rest”, and no more; without one it says less. It is not
attention in general, it does not compare people, and one session proves nothing about a person. <strong>It is no
diagnosis; it is for research and play, not for patients.</strong> Where it is not valid there is no score, whatever the
signal looks like. Blinks, jaw and neck move the same bands as the brain does.</p>"""


class ReportError(FocusloopError):
    """A report cannot be written."""


def report_page(material: ReportMaterial) -> str:
    """Write the page of a session or of a scored recording.

    Parameters
    ----------
    material
        Whatever there is of it; what is lacking is said in a sentence in its place.

    Returns
    -------
    HTML that asks for nothing outside itself, and runs no script.
    """
    axis = svg.TimeAxis(*material.span_s())
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
        f"<title>focusloop: {escape(material.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(material.title)}</h1>",
        _origin(material.origin),
        *(f"<p class='note'>{escape(note)}</p>" for note in material.notes),
        f"<p>{escape(_who(material))}</p>",
        f"<p>{escape(_summary(material, axis))}</p>",
        _MEANING,
        "<h2>Score</h2>",
        score_plot(material.scores, axis) if len(material.scores) else "<p>There is no score.</p>",
        "<h2>Trials and difficulty</h2>",
        trial_plot(material.trials, material.levels, axis) if material.trials else "<p>There was no trial.</p>",
        "<h2>Events</h2>",
        event_plot(material.events, axis) if material.events else "<p>Nothing was noted.</p>",
        *_signal(material, axis),
        "<h2>Latency</h2>",
        latency_plot(material.ages_ms) if material.ages_ms.size else "<p>No age of a score is known.</p>",
        "<h2>Loss</h2>",
        f"<p>{escape(_loss(material))}</p>",
        "<h2>What it was</h2>",
        _facts(material),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def check_place(path: Path) -> None:
    """See whether a page may come to lie there, before what takes its time.

    Raises
    ------
    ReportError
        If not.
    """
    if path.exists() and not path.is_file():
        msg = f"{path} is no file; give the page a name that ends in .html"
        raise ReportError(msg)
    if not path.absolute().parent.is_dir():
        msg = f"{path.absolute().parent} is no folder; make it, or choose another place for the page"
        raise ReportError(msg)


def write_report(path: Path, material: ReportMaterial) -> None:
    """Write the page, readable by its owner alone, whole or not at all.

    Raises
    ------
    ReportError
        If it cannot be written there.
    """
    check_place(path)
    try:
        write_private(path, report_page(material))
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror or error}); choose another place for the page"
        raise ReportError(msg) from error


def _origin(origin: str) -> str:
    said = _ORIGINS.get(origin, "SIMULATED or not: the recording does not say where its signal came from.")
    return f"<p class='simulated'>{escape(said)}</p>" if said else ""


def _who(material: ReportMaterial) -> str:
    """Say on top what matters most of what it was; all of it stands at the end."""
    return " · ".join(f"{name} {text}" for name, text in material.facts if name in _FIRST)


def _summary(material: ReportMaterial, axis: svg.TimeAxis) -> str:
    length_s = axis.stop_s - axis.start_s
    scores = material.scores
    said = f"{svg.clock(length_s)} long. "
    if not len(scores):
        return said + "It was not scored."
    valid = sum(reason is None for reason in scores.reasons) / len(scores)
    said += f"{valid:.1%} of {len(scores)} scores are valid; {scores.calibrated.mean():.1%} were made with a baseline. "
    longest = invalid_s(scores)[:3]
    if longest:
        said += "Not valid for " + ", ".join(f"{svg.clock(s)} ({reason})" for reason, s in longest) + "."
    return said


def _signal(material: ReportMaterial, axis: svg.TimeAxis) -> list[str]:
    surveys = tuple(one for one in material.surveys if one.samples)
    parts = ["<h2>Quality and coverage</h2>"]
    parts.append(quality_plot(material.quality, axis) if material.quality.labels else "<p>No quality was told.</p>")
    if not surveys:
        return [*parts, "<p>No sample came, so there is no spectrogram and no band.</p>"]
    parts += [coverage_plot(one, axis) for one in surveys]
    parts.append(channel_table(material.quality, surveys))
    parts.append("<h2>Spectrogram</h2>")
    for one in surveys:
        whole = bool(len(one.windows_s)) and len(one.frequencies_hz) > 0
        parts.append(spectrogram(one, axis) if whole else f"<p>{escape(one.spec.name)} has no whole window.</p>")
    parts.append("<h2>Bands</h2>")
    parts += [band_plot(one) for one in surveys if len(one.windows_s)] or ["<p>There is no whole window.</p>"]
    return parts


def _loss(material: ReportMaterial) -> str:
    samples = sum(one.samples for one in material.surveys)
    if not samples:
        return "No sample came."
    missing = sum(one.missing for one in material.surveys)
    lost = max(missing, material.lost or 0)
    share = lost / (samples + lost)
    shares = [float(one.covered.mean()) for one in material.surveys if one.samples]
    covered = min((share for share in shares if math.isfinite(share)), default=0.0)
    return (
        f"{samples} samples came, {lost} were counted as lost ({share:.2%}). In the spans of two seconds in which "
        f"anything came, {covered:.1%} of the expected values are there."
    )


def _facts(material: ReportMaterial) -> str:
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in material.facts)
    return f"<table>{lines}</table>"
