"""A stream gone through once, in blocks: coverage, spectrogram, bands; an hour of 64 channels needs no memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.types import Chunk, StreamSpec
from streaming.features import SCHEMA

BIN_S = 2.0
"""Of the coverage, and the length of a window of the spectrogram: 0.5 Hz between two lines."""

BRIDGED_S = 0.1
"""Of samples that were lost: a straight line for the spectrogram, as in the pipeline's timeline."""

LOW_HZ, HIGH_HZ = 1.0, 45.0
_DB = 10.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What a stream holds, for looking at.

    Parameters
    ----------
    spec
        Of the stream.
    labels
        Of the channels that were looked at: EEG, or all where there is none.
    samples, missing
        That came; that the device counted as lost.
    first_s, last_s
        Earliest and latest stamp, the clock of the chunks; NaN where no sample came.
    bins
        int64 (n,): numbers of the spans of `BIN_S` in which samples came; a span begins at its number times `BIN_S`.
    covered
        float32 (n, channels): share of the span's expected samples that came and are numbers, 0..1.
    windows_s
        float64 (w,): when each window of the spectrogram begins.
    frequencies_hz
        float64 (f,).
    spectrum_db
        float32 (w, f): dB re 1 µV²/Hz, the median of the channels; NaN where no channel is whole.
    bands_db
        float32 (channels, bands): mean over the windows of dB re 1 µV² in `SCHEMA.bands_hz`; NaN where there is none.
    """

    spec: StreamSpec
    labels: tuple[str, ...]
    samples: int
    missing: int
    first_s: float
    last_s: float
    bins: NDArray[np.int64]
    covered: NDArray[np.float32]
    windows_s: NDArray[np.float64]
    frequencies_hz: NDArray[np.float64]
    spectrum_db: NDArray[np.float32]
    bands_db: NDArray[np.float32]


def survey(spec: StreamSpec, chunks: Iterable[Chunk]) -> Survey:
    """Go through a stream once.

    Parameters
    ----------
    spec
        Of the stream.
    chunks
        In their order, each contiguous.

    Returns
    -------
    Survey
        It grows by some hundred bytes for each `BIN_S` of signal.
    """
    walk = _Walk(spec)
    for chunk in chunks:
        walk.take(chunk)
    return walk.finish()


class _Walk:
    def __init__(self, spec: StreamSpec) -> None:
        self._spec = spec
        eeg = [i for i, c in enumerate(spec.channels) if c.kind == "eeg"]
        self._columns = eeg or list(range(len(spec.channels)))
        rate_hz = spec.nominal_rate_hz
        self._width = round(BIN_S * rate_hz) if rate_hz >= 4.0 else 0
        hz = np.arange(self._width // 2 + 1, dtype=np.float64) * (rate_hz / max(self._width, 1))
        self._kept = (hz >= LOW_HZ) & (hz <= HIGH_HZ)
        self._hz: NDArray[np.float64] = hz[self._kept]
        self._taper = np.hanning(self._width)[:, None]
        n = len(self._columns)
        self._counts: dict[int, NDArray[np.int64]] = {}
        self._windows: list[float] = []
        self._spectra: list[NDArray[np.float32]] = []
        self._band_sums = np.zeros((n, len(SCHEMA.bands_hz)))
        self._band_counts = np.zeros((n, 1))
        self._rest: tuple[NDArray[np.float32], NDArray[np.float64]] | None = None
        self._next: int | None = None
        self._samples = self._missing = 0
        self._first_s, self._last_s = np.inf, -np.inf

    def take(self, chunk: Chunk) -> None:
        if not len(chunk):
            return
        samples, stamps_s = chunk.data[:, self._columns], chunk.timestamps_s
        gap = 0 if self._next is None else chunk.first_sample - self._next
        self._missing += max(0, gap)
        whole, whole_s = samples, stamps_s
        if self._rest is not None and len(self._rest[0]) and 0 <= gap <= BRIDGED_S * self._spec.nominal_rate_hz:
            rest, rest_s = self._rest
            whole = np.concatenate([rest, np.linspace(rest[-1], samples[0], gap + 2)[1:-1], samples])
            whole_s = np.concatenate([rest_s, np.linspace(rest_s[-1], stamps_s[0], gap + 2)[1:-1], stamps_s])
        self._next = chunk.first_sample + len(chunk)
        self._samples += len(chunk)
        self._first_s = min(self._first_s, float(stamps_s.min()))
        self._last_s = max(self._last_s, float(stamps_s.max()))
        self._count(samples, stamps_s)
        if self._width:
            n = len(whole) // self._width
            self._transform(whole[: n * self._width], whole_s[: n * self._width])
            self._rest = whole[n * self._width :].astype(np.float32), whole_s[n * self._width :]

    def _count(self, samples: NDArray[np.float32], stamps_s: NDArray[np.float64]) -> None:
        numbers, which = np.unique(np.floor(stamps_s / BIN_S).astype(np.int64), return_inverse=True)
        counts = np.zeros((len(numbers), samples.shape[1]), np.int64)
        np.add.at(counts, which, np.isfinite(samples))
        for number, count in zip(numbers.tolist(), counts, strict=True):
            self._counts[number] = self._counts[number] + count if number in self._counts else count

    def _transform(self, samples: NDArray[np.float32], stamps_s: NDArray[np.float64]) -> None:
        at_s = stamps_s.reshape(-1, self._width)
        took_s = at_s[:, -1] - at_s[:, 0]
        regular = np.abs(took_s / ((self._width - 1) / self._spec.nominal_rate_hz) - 1.0) < 0.1  # else a gap is within
        windows = samples.reshape(-1, self._width, samples.shape[1])
        for begin_s, window in zip(at_s[regular, 0], windows[regular], strict=True):
            self._add(float(begin_s), window.astype(np.float64))

    def _add(self, begin_s: float, window: NDArray[np.float64]) -> None:
        whole = np.isfinite(window).all(axis=0) & (np.ptp(window, axis=0) > 0.0)
        row = np.full(len(self._hz), np.nan, np.float32)
        if whole.any():
            kept = window[:, whole]
            lines = np.fft.rfft((kept - kept.mean(axis=0)) * self._taper, axis=0)[self._kept]
            density = 2.0 * np.abs(lines) ** 2 / (self._spec.nominal_rate_hz * np.sum(self._taper**2)) + 1e-12
            row = np.median(_DB * np.log10(density), axis=1).astype(np.float32)
            self._band_sums[whole] += np.stack(list(self._bands(density)), axis=1)
            self._band_counts[whole] += 1.0
        self._windows.append(begin_s)
        self._spectra.append(row)

    def _bands(self, density: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        for low, high in SCHEMA.bands_hz:
            within = (self._hz >= low) & (self._hz < high)
            power = density[within].sum(axis=0) / BIN_S
            yield _DB * np.log10(power) if within.any() else np.full(density.shape[1], np.nan)

    def finish(self) -> Survey:
        bins = np.array(sorted(self._counts), np.int64)
        n = len(self._columns)
        counts = np.array([self._counts[b] for b in bins.tolist()], np.float32).reshape(len(bins), n)
        expected = self._spec.nominal_rate_hz * BIN_S
        shares = np.minimum(counts / expected, 1.0) if expected else (counts > 0).astype(np.float32)
        if expected and len(bins):  # the first and the last span are not whole, and not to blame for it
            for edge in (0, -1):
                begin_s = max(float(bins[edge]) * BIN_S, self._first_s)
                end_s = min(float(bins[edge] + 1) * BIN_S, self._last_s)
                due = max(1.0, (end_s - begin_s) * self._spec.nominal_rate_hz)
                shares[edge] = np.minimum(counts[edge] / due, 1.0)
        none = self._band_counts == 0.0
        bands_db = np.where(none, np.nan, self._band_sums / np.where(none, 1.0, self._band_counts))
        return Survey(
            spec=self._spec,
            labels=tuple(self._spec.channels[i].label for i in self._columns),
            samples=self._samples,
            missing=self._missing,
            first_s=self._first_s if self._samples else float("nan"),
            last_s=self._last_s if self._samples else float("nan"),
            bins=bins,
            covered=shares.astype(np.float32),
            windows_s=np.array(self._windows, np.float64),
            frequencies_hz=self._hz,
            spectrum_db=np.array(self._spectra, np.float32).reshape(len(self._spectra), len(self._hz)),
            bands_db=bands_db.astype(np.float32),
        )
