"""What data a model can be trained on; everything else is refused with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bci.errors import ConfigError
from bci.files.recording import Recording
from inference.training.corpus import HOP_S, Person
from inference.training.windows import WINDOW_S, ends_of

LEAST_PEOPLE = 4
"""Fewer people cannot say anything about a person whom training has not seen."""

UNIT_RATIO = 30.0
"""EEG of two recordings of one person differs by a few times in amplitude; µV and mV differ by a thousand."""

USUAL_UV = (0.5, 500.0)
"""Median amplitude (above 1 Hz or so) of scalp EEG, with room; V or mV taken for µV lie outside."""


def check_pair(name: str, rest: Recording, task: Recording) -> None:
    """Refuse a person whose two recordings cannot be compared.

    Raises
    ------
    ConfigError
        Other rates, electrodes without a position, values that are none, or other units.
    """
    rates = (rest.spec.nominal_rate_hz, task.spec.nominal_rate_hz)
    if rates[0] != rates[1]:
        msg = (
            f"{name}: rest at {rates[0]:g} Hz, task at {rates[1]:g} Hz; the rate alone would tell them apart: resample "
            "both to one rate with the same filter, or leave the person out"
        )
        raise ConfigError(msg)
    for recording in (rest, task):
        if not recording.spec.scored:
            named = ", ".join(channel.label for channel in recording.spec.channels)
            msg = (
                f"{name}: {recording.spec.device}: none of its channels ({named}) is an electrode of the 10-20 system; "
                "name them so in the file (Fp1, Cz, …), or leave the person out"
            )
            raise ConfigError(msg)
        check_values(name, recording)
    if _labels(rest) != _labels(task):
        odd = sorted(set(_labels(rest)) ^ set(_labels(task))) or ["their order"]
        msg = f"{name}: rest and task differ in {', '.join(odd)}; both need the same electrodes in the same order"
        raise ConfigError(msg)
    sizes = [_amplitude_uv(recording) for recording in (rest, task)]
    if not min(sizes) > 0.0:
        what = "rest" if sizes[0] <= 0.0 else "task"
        msg = f"{name}: the {what} stands still in most channels; nothing was recorded there: leave the person out"
        raise ConfigError(msg)
    if not 1.0 / UNIT_RATIO < sizes[0] / sizes[1] < UNIT_RATIO:
        msg = (
            f"{name}: rest has {sizes[0]:.3g} µV, task {sizes[1]:.3g} µV (median amplitude): one of them is in another "
            "unit; write both in µV"
        )
        raise ConfigError(msg)
    if not USUAL_UV[0] <= sizes[0] <= USUAL_UV[1]:
        msg = f"{name}: a median amplitude of {sizes[0]:.3g} µV is no scalp EEG; is the unit of the file µV?"
        raise ConfigError(msg)


def check_values(name: str, recording: Recording) -> None:
    """Refuse a recording in which values are missing.

    Raises
    ------
    ConfigError
        Naming the electrode that lacks most.
    """
    scored = list(recording.spec.scored)
    absent = ~np.isfinite(recording.samples[:, scored])
    if not absent.any():
        return
    worst = int(absent.sum(0).argmax())
    label = recording.spec.channels[scored[worst]].label
    msg = (
        f"{name}: {recording.spec.device}: {int(absent.sum())} values are missing (NaN), most of them in {label}; a "
        "hole that only one condition has would tell it apart: cut it from both, or leave the person out"
    )
    raise ConfigError(msg)


def _labels(recording: Recording) -> list[str]:
    return [recording.spec.channels[i].label for i in recording.spec.scored]


def _amplitude_uv(recording: Recording) -> float:
    """Median over channels of the median step over 50 ms: indifferent to offsets and drifts."""
    lag = max(1, round(0.05 * recording.spec.nominal_rate_hz))
    samples = recording.samples[:, list(recording.spec.scored)].astype(np.float64)
    return float(np.median(np.median(np.abs(samples[lag:] - samples[:-lag]), axis=0)))


def check_corpus(people: Sequence[Person]) -> None:
    """Refuse a set of people that nothing can be learned from.

    Raises
    ------
    ConfigError
        Too few people, one listed twice, or a person without a window of a condition.
    """
    if len(people) < LEAST_PEOPLE:
        msg = (
            f"{len(people)} {'person' if len(people) == 1 else 'people'}; a model is judged on people whom it has not "
            f"seen, so at least {LEAST_PEOPLE} are needed: list more in the recipe"
        )
        raise ConfigError(msg)
    names = [person.id for person in people]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"{', '.join(twice)} listed twice: the same person would be trained on and judged by"
        raise ConfigError(msg)
    for person in people:
        for series, what in ((person.rest, "rest"), (person.task, "task")):
            if not len(series) or not series.usable.any():
                msg = f"{person.id}: nothing of the {what} is usable; both conditions are needed: leave the person out"
                raise ConfigError(msg)
            if not len(ends_of(series, 0, 1)):
                msg = (
                    f"{person.id}: {len(series) * HOP_S:.1f} s of {what}, a window alone is {WINDOW_S:g} s: leave the "
                    "person out, or record more"
                )
                raise ConfigError(msg)
