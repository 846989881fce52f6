"""Raw samples and spectra for people who look: thinned out, and only made while somebody listens."""

from __future__ import annotations

from typing import Any

import numpy as np

from bci.clock import ClockAnchor
from bci.types import Chunk, StreamSpec
from streaming.ring import Ring

DISPLAY_HZ = 62.5
RAW_EVERY_S = 0.1
SPECTRUM_EVERY_S = 0.5
SPECTRUM_SPAN_S = 2.0
TOP_HZ = 60.0


class DisplayTap:
    """Gathers the last seconds of the EEG channels of one stream.

    Parameters
    ----------
    spec
        Of the source.
    """

    def __init__(self, spec: StreamSpec) -> None:
        self._columns = [i for i, c in enumerate(spec.channels) if c.kind == "eeg"]
        self._labels = [spec.channels[i].label for i in self._columns]
        self._rate_hz = spec.nominal_rate_hz
        self._stride = max(1, round(self._rate_hz / DISPLAY_HZ))
        self._recent: Ring | None = None
        """Made when somebody looks: of 64 streams few are looked at."""
        self._next_sample = 0
        self._pending: list[Chunk] = []
        self._raw_due_s = 0.0
        self._spectrum_due_s = 0.0

    def raw(self, chunk: Chunk, anchor: ClockAnchor) -> dict[str, Any] | None:
        """Take a chunk in; give the fields of a `raw` message ten times a second, None in between.

        Each value is the mean of `stride` samples, µV.
        """
        self._pending.append(chunk)
        newest = float(chunk.timestamps_s[-1])
        if 0.0 <= self._raw_due_s - newest <= RAW_EVERY_S:
            return None
        self._raw_due_s = newest + RAW_EVERY_S
        samples = np.concatenate([c.data[:, self._columns] for c in self._pending])
        self._pending.clear()
        stride = min(self._stride, len(samples))
        whole = len(samples) // stride * stride
        thin = samples[:whole].reshape(-1, stride, samples.shape[1]).mean(axis=1)
        return {
            "t_unix_s": anchor.to_unix(newest),
            "t_lsl_s": newest,
            "rate_hz": self._rate_hz / stride,
            "channels": self._labels,
            "uv": np.round(thin.T, 1).tolist(),
        }

    def spectrum(self, chunk: Chunk, anchor: ClockAnchor) -> dict[str, Any] | None:
        """Take a chunk in; give the fields of a `spectrum` message twice a second, None in between.

        Power spectral density of the last 2 s, Hann window, dB re 1 µV²/Hz, up to 60 Hz.
        """
        ring = self._recent
        if ring is None:
            ring = self._recent = Ring(max(8, round(self._rate_hz * SPECTRUM_SPAN_S)), len(self._columns))
        if chunk.first_sample != self._next_sample:
            ring.clear()  # samples were lost, or nobody has looked for a while
        self._next_sample = chunk.first_sample + len(chunk)
        ring.append(chunk.data[:, self._columns])
        newest = float(chunk.timestamps_s[-1])
        if len(ring) < ring.capacity or 0.0 <= self._spectrum_due_s - newest <= SPECTRUM_EVERY_S:
            return None
        self._spectrum_due_s = newest + SPECTRUM_EVERY_S
        recent = ring.newest(ring.capacity)
        taper = np.hanning(len(recent))
        centred = np.nan_to_num(recent - np.nanmean(recent, axis=0))
        power = np.abs(np.fft.rfft(centred * taper[:, None], axis=0)) ** 2
        density = 2.0 * power / (self._rate_hz * float((taper**2).sum()))
        hz = np.fft.rfftfreq(len(recent), 1.0 / self._rate_hz)
        shown = hz <= TOP_HZ
        return {
            "t_unix_s": anchor.to_unix(newest),
            "t_lsl_s": newest,
            "hz": np.round(hz[shown], 2).tolist(),
            "channels": self._labels,
            "db": np.round(10.0 * np.log10(density[shown].T + 1e-12), 1).tolist(),
        }
