"""Other looks at a recording, made of its samples before any filter: another reference, nothing above 30 Hz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from bci.files.recording import Recording

FOUR = ("Fp1", "Fp2", "T7", "T8")
"""Near the places of a Muse's electrodes; no figure of them is called Muse until a Muse recording gave it."""

_LOWPASS_ORDER = 8


def re_referenced(recording: Recording, keep: Sequence[str] = FOUR, to: Sequence[str] = ("Fp1", "Fp2")) -> Recording:
    """Keep some electrodes, against the mean of others.

    Parameters
    ----------
    recording
        µV, against any common reference.
    keep, to
        Electrodes, all of them in the recording.
    """
    labels = [channel.label for channel in recording.spec.channels]
    columns = [labels.index(label) for label in keep]
    common = recording.samples[:, [labels.index(label) for label in to]].mean(axis=1, dtype=np.float64)
    samples = recording.samples[:, columns] - common[:, None]
    channels = tuple(recording.spec.channels[i] for i in columns)
    spec = replace(recording.spec, channels=channels, rails_uv=None)
    return replace(recording, spec=spec, samples=samples.astype(np.float32))


def low_passed(recording: Recording, corner_hz: float = 30.0) -> Recording:
    """Take away what is above a frequency (Butterworth, 48 dB an octave, causal)."""
    sections = butter(_LOWPASS_ORDER, corner_hz, "lowpass", fs=recording.spec.nominal_rate_hz, output="sos")
    samples = recording.samples.astype(np.float64)
    filtered = cast("NDArray[np.float64]", sosfilt(sections, samples - samples[:1], axis=0))
    return replace(recording, samples=filtered.astype(np.float32))
