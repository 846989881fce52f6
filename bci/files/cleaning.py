"""What is done to every recording whatever its format: cut, drop, count; and say so."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bci.errors import FileFormatError, UnsupportedStreamError
from bci.files.recording import Recording

PADDING_S = 0.25
"""Constant on all channels for longer than this is padding: no amplifier repeats itself on several channels."""

RAILED_SHARE = 0.99
"""A channel that is at the rail for this share of its samples was never connected."""

OFFSET_UV = 10_000.0
"""DC offsets are kept; from here on they are worth a note."""


def clean(recording: Recording, *, keep_railed: bool = False) -> Recording:
    """Clean a recording and note what was done.

    Raises
    ------
    FileFormatError
        There is no sample.
    UnsupportedStreamError
        Every EEG channel is at the rail.
    """
    if not len(recording):
        msg = f"{recording.spec.device}: holds no samples; was the recording stopped at once?"
        raise FileFormatError(msg)
    cleaned = _cut_padding(_mark_missing(recording))
    if not keep_railed:
        cleaned = _drop_railed(cleaned)
    return _note_offsets(_note_stamps(cleaned))


def _with(recording: Recording, *notes: str, **changes: object) -> Recording:
    return dataclasses.replace(recording, notes=(*recording.notes, *notes), **changes)


def _eeg(recording: Recording) -> NDArray[np.intp]:
    return np.array([i for i, c in enumerate(recording.spec.channels) if c.kind == "eeg"], dtype=np.intp)


def _mark_missing(recording: Recording) -> Recording:
    finite = np.isfinite(recording.samples)
    if finite.all():
        return recording
    samples = np.where(finite, recording.samples, np.float32(np.nan))
    missing, touched = int(finite.size - finite.sum()), int((~finite).any(axis=1).sum())
    return _with(
        recording,
        f"{missing} values in {touched} samples are missing or not finite: NaN",
        samples=samples,
        repaired_samples=recording.repaired_samples + touched,
    )


def _cut_padding(recording: Recording) -> Recording:
    """Cut the constant end that a recorder pads its last block with."""
    samples, rate_hz = recording.samples, recording.spec.nominal_rate_hz
    # A channel that is dead throughout says nothing about where the recording ends.
    alive = [i for i in _eeg(recording) if np.nanmin(samples[:, i]) < np.nanmax(samples[:, i])] if len(samples) else []
    if not alive or rate_hz <= 0.0:
        return recording
    changes = np.flatnonzero((samples[1:, alive] != samples[:-1, alive]).any(axis=1)) + 1
    shortest = PADDING_S * rate_hz
    end = len(samples)
    for change in changes[::-1]:
        if end - change <= shortest:
            break
        end = int(change)  # a recorder may pad twice, with one step between (EEGMAT): look at what was before
    padding = len(samples) - end
    if not padding:
        return recording
    last_s = float(recording.stamps_s[end - 1])
    return _with(
        recording,
        f"{padding} samples ({padding / rate_hz:.2f} s) of constant padding at the end cut",
        samples=samples[:end],
        stamps_s=recording.stamps_s[:end],
        sample_numbers=recording.sample_numbers[:end],
        markers=tuple(m for m in recording.markers if m.at_s <= last_s),
    )


def _drop_railed(recording: Recording) -> Recording:
    spec, rails_uv = recording.spec, recording.spec.rails_uv
    if rails_uv is None:
        return recording
    eeg = _eeg(recording)
    low, high = rails_uv
    margin = 1e-6 * (high - low)
    values = recording.samples[:, eeg]
    at_rail = (values <= low + margin) | (values >= high - margin)
    share = at_rail.mean(axis=0)
    railed = {int(i) for i in eeg[share >= RAILED_SHARE]}
    names = [spec.channels[i].label for i in sorted(railed)]
    if len(railed) == eeg.size:
        msg = f"{spec.device}: all {eeg.size} EEG channels are at the rail throughout; were the electrodes connected?"
        raise UnsupportedStreamError(msg)
    notes = [
        f"{spec.channels[i].label}: {100 * s:.1f} % of its samples at the rail; kept"
        for i, s in zip(eeg, share, strict=True)
        if 0.0 < s < RAILED_SHARE
    ]
    if not railed:
        return _with(recording, *notes)
    kept = [i for i in range(len(spec.channels)) if i not in railed]
    return _with(
        recording,
        f"{len(railed)} channels at the rail throughout dropped: {', '.join(names)}",
        *notes,
        spec=dataclasses.replace(spec, channels=tuple(spec.channels[i] for i in kept)),
        samples=np.ascontiguousarray(recording.samples[:, kept]),
    )


def _note_stamps(recording: Recording) -> Recording:
    steps = np.diff(recording.stamps_s)
    rate_hz = recording.spec.nominal_rate_hz
    notes: list[str] = []
    if repeated := int((steps == 0.0).sum()):
        notes.append(f"{repeated} stamps repeat the one before; kept")
    if backward := int((steps < 0.0).sum()):
        notes.append(f"{backward} stamps go back, by up to {-steps.min():.3g} s; kept")
    if rate_hz > 0.0:
        gaps = steps[steps > max(0.1, 3.0 / rate_hz)]
        if gaps.size:
            notes.append(f"{gaps.size} gaps in the stamps, the longest {gaps.max():.3g} s")
    return _with(recording, *notes)


def _note_offsets(recording: Recording) -> Recording:
    eeg = _eeg(recording)
    values = recording.samples[:, eeg]
    with_values = np.isfinite(values).any(axis=0)
    notes: list[str] = []
    offsets = {recording.spec.channels[i].label: float(np.nanmedian(recording.samples[:, i])) for i in eeg[with_values]}
    large = [f"{label} {offset / 1000:.1f} mV" for label, offset in offsets.items() if abs(offset) >= OFFSET_UV]
    if large:
        notes.append(f"DC offset kept: {', '.join(large)}")
    if empty := [recording.spec.channels[i].label for i in eeg[~with_values]]:
        notes.append(f"no value at all in {', '.join(empty)}")
    flat = [recording.spec.channels[i].label for i in eeg[with_values] if _is_flat(recording, int(i))]
    if flat:
        notes.append(f"flat throughout: {', '.join(flat)}")
    return _with(recording, *notes)


def _is_flat(recording: Recording, channel: int) -> bool:
    values = recording.samples[:, channel]
    return bool(np.nanmin(values) == np.nanmax(values))
