"""What the signal was like: quality and coverage of each channel over time, spectrogram, bands."""

from __future__ import annotations

import numpy as np

from feedback.report import svg
from feedback.report.material import QualityTrack
from feedback.report.survey import BIN_S, HIGH_HZ, LOW_HZ, Survey
from streaming.features import SCHEMA

_TOP = 8
_ROW = 14
_TALLEST = 480
_SHARES, _POWERS = "RdYlGn", "viridis"


def quality_plot(quality: QualityTrack, axis: svg.TimeAxis) -> str:
    """Draw how usable each scored channel was."""
    numbers, usable = quality.usable()
    shown = svg.over_time(numbers, usable, BIN_S, axis)
    return _shares("Usable share of each scored channel over time.", shown, quality.labels, axis)


def coverage_plot(survey: Survey, axis: svg.TimeAxis) -> str:
    """Draw how much of each channel came; where nothing came it is 0, not unknown."""
    shown = svg.over_time(survey.bins, survey.covered, BIN_S, axis, holes_are_zero=True)
    return _shares(
        f"Coverage of {survey.spec.name}: share of the expected samples that came.", shown, survey.labels, axis
    )


def _shares(caption: str, shown: np.ndarray, labels: tuple[str, ...] | list[str], axis: svg.TimeAxis) -> str:
    row = min(_ROW, _TALLEST / len(labels))
    height = row * len(labels)
    names = svg.rows(labels if row >= 10 else ["" if k % 3 else name for k, name in enumerate(labels)], _TOP, row)
    content = svg.picture(shown, 0.0, 1.0, _SHARES, _TOP, height) + names + axis.below(_TOP + height)
    return svg.scale(_SHARES, "0 %", "100 %") + svg.figure(caption, _TOP + height + svg.BELOW, content)


def channel_table(quality: QualityTrack, surveys: tuple[Survey, ...]) -> str:
    """Say of each channel what came, how much of it was usable, and what was wrong with it."""
    _, usable = quality.usable()
    lines: list[str] = []
    for survey in surveys:
        whole = survey.covered.mean(axis=0) if len(survey.bins) else np.zeros(len(survey.labels))
        for k, label in enumerate(survey.labels):
            known = usable[:, quality.labels.index(label)] if label in quality.labels else np.empty(0)
            known = known[np.isfinite(known)]
            lines.append(
                f"<tr><td>{svg.escape(label)}</td><td>{whole[k]:.1%}</td>"
                f"<td>{f'{known.mean():.1%}' if known.size else 'not scored'}</td>"
                f"<td>{svg.escape(_troubles(quality, label))}</td></tr>"
            )
    heads = "<tr><th>channel</th><th>covered</th><th>usable</th><th>share of time with</th></tr>"
    return f"<details><summary>Each channel in numbers</summary><table>{heads}{''.join(lines)}</table></details>"


def _troubles(quality: QualityTrack, label: str) -> str:
    told = quality.told[label]
    found = [(name, n / told) for (of, name), n in quality.flags.most_common() if of == label and told]
    return ", ".join(f"{name} {share:.0%}" for name, share in found[:4] if share >= 0.005)


def spectrogram(survey: Survey, axis: svg.TimeAxis) -> str:
    """Draw the power of each frequency over time; where a window was not whole it is white."""
    height = 200
    numbers = np.floor(survey.windows_s / BIN_S).astype(np.int64)
    shown = svg.over_time(numbers, survey.spectrum_db, BIN_S, axis)[::-1]
    known = shown[np.isfinite(shown)]
    low, high = (float(v) for v in np.percentile(known, [2.0, 98.0])) if known.size else (0.0, 1.0)
    top_hz = float(survey.frequencies_hz[-1])
    labels = svg.grid([hz for hz in (1, 10, 20, 30, 40) if hz <= top_hz], LOW_HZ, top_hz, _TOP, height, " Hz")
    content = labels + svg.picture(shown, low, high, _POWERS, _TOP, height) + axis.below(_TOP + height)
    caption = (
        f"Spectrogram of {survey.spec.name}, {LOW_HZ:g} to {min(HIGH_HZ, top_hz):g} Hz: the median of its channels as "
        f"they came, without a filter, in windows of {BIN_S:g} s."
    )
    told = svg.scale(_POWERS, f"{low:.0f} dB", f"{high:.0f} dB re 1 µV²/Hz")
    return told + svg.figure(caption, _TOP + height + svg.BELOW, content)


def band_plot(survey: Survey) -> str:
    """Draw the mean power of each band in each channel."""
    n_bands, n = len(SCHEMA.bands_hz), len(survey.labels)
    row = min(18.0, _TALLEST / n)
    height, cell = row * n, svg.COLUMNS / n_bands
    known = survey.bands_db[np.isfinite(survey.bands_db)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    numbers = "".join(
        f"<text x='{svg.LEFT + cell * (b + 0.5):.1f}' y='{_TOP + row * (k + 0.5) + 4:.1f}' text-anchor='middle' "
        f"style='fill:{'#fff' if value < (low + high) / 2 else '#111'}'>{round(value)}</text>"
        for k, values in enumerate(survey.bands_db.tolist())
        for b, value in enumerate(values)
        if np.isfinite(value) and row >= 12
    )
    below = "".join(
        f"<text x='{svg.LEFT + cell * (b + 0.5):.1f}' y='{_TOP + height + 16:.1f}' text-anchor='middle'>"
        f"{low_hz:g}–{high_hz:g} Hz</text>"
        for b, (low_hz, high_hz) in enumerate(SCHEMA.bands_hz)
    )
    names = svg.rows(
        survey.labels if row >= 10 else ["" if k % 3 else s for k, s in enumerate(survey.labels)], _TOP, row
    )
    content = svg.picture(survey.bands_db.astype(float), low, high, _POWERS, _TOP, height) + numbers + below + names
    caption = f"Mean power of each band and channel of {survey.spec.name}, dB re 1 µV², over all whole windows."
    return svg.scale(_POWERS, f"{low:.0f} dB", f"{high:.0f} dB") + svg.figure(
        caption, _TOP + height + svg.BELOW, content
    )
