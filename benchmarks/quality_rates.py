"""How often the quality rules miss and cry wolf, on real recordings.

    python -m benchmarks.quality_rates [--data ../shared/data] [--hop-s 0.1]

First a table per file: share of windows that can be scored (4 s, at least half of the channel-time usable, the rule of
`inference.validity`; channels listed in `BROKEN` are left out of it), and per channel the share of usable tokens with
the flags that were raised. Then the rates: for the channels in `BROKEN` the share of tokens that were *not* taken out,
for the other channels of the folders outside muse-bird (and without jp_confused1) the share that were. `BROKEN` was
written before the first run of the rules, from the notes of the data sets and a table of each channel's band
amplitudes, extremes and hum.

Last, known faults put into stretches of real recordings. The stretches are chosen by the rules themselves (no flag in
any channel), so this part measures misses and says nothing about false alarms.

What these figures are not: an independent test. No label of a task or an eye state was used, but after looking at these
recordings four rules were changed: hum counts as a fault from 1 mV only (well-fitted openbci-luab has up to 0.76 mV),
pops are looked for below 20 Hz (a harmonic of that hum had tripped them), MUSCLE begins at 10 in place of 15 µV (six of
54 injected bursts were missed), CONTACT asks for half of two seconds in place of a tenth (one pop had set it).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

from bci.files import read_recording
from bci.files.recording import Recording
from bci.types import Chunk, StreamSpec
from benchmarks.table import Row, Setting
from inference.training.datasets import data_root
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame, Flag

USABLE = 0.5
TOKENS = 5
LUAB = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
BROKEN = {
    "subjecta-concentrating-1.csv": {"AF8"},
    "subjectd-concentrating-2.csv": {"AF8"},
    "jp_confused1.csv": {"AF8"},
}
NOT_WELL_FITTED = {"jp_confused1.csv"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_root())
    parser.add_argument("--hop-s", type=float, default=0.1)
    parser.add_argument("--eegmat", type=int, default=6, help="files of eegmat to add")
    options = parser.parse_args()
    missed, alarms = rates(options.data, options.eegmat, options.hop_s)
    print()
    for group, used in missed.items():
        print(f"broken, {group}: {used.mean():.1%} of {len(used)} tokens missed")
    for folder, taken in alarms.items():
        print(f"{folder}: {taken.mean():.1%} of {len(taken)} tokens of fitted channels taken out")
    injected(options.data, options.hop_s)


def rows(setting: Setting) -> list[Row]:
    if not setting.data_dir.is_dir():
        return [Row("miss and false-alarm rates of the quality rules", "", "null", f"no {setting.data_dir}")]
    with redirect_stdout(StringIO()):
        missed, alarms = rates(setting.data_dir, 1 if setting.quick else 6, 0.1)
    return [
        *(
            Row(f"quality rules, missed: {group}", "", f"{used.mean():.1%}", f"of {len(used)} tokens")
            for group, used in missed.items()
        ),
        *(
            Row(f"quality rules, false alarms: {folder}", "", f"{taken.mean():.1%}", f"of {len(taken)} fitted tokens")
            for folder, taken in alarms.items()
        ),
    ]


def rates(data: Path, n_eegmat: int, hop_s: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Print a line for each file; give the tokens of broken channels that were used, those of good ones taken out."""
    missed: dict[str, list[np.ndarray]] = {}
    alarms: dict[str, list[np.ndarray]] = {}
    print(f"{'file':<36} {'s':>4} {'valid':>6}  usable share and flags per channel")
    for path, recording, broken in recordings(data, n_eegmat):
        frames = list(run(recording.spec, chunks(recording), hop_s))
        labels = [recording.spec.channels[i].label for i in recording.spec.scored]
        quality, flags = stacked(frames, len(labels))
        if len(quality) == 0:
            print(f"{path.name:<36} {recording_s(recording):>4.0f}      -  too short for a settled token")
            continue
        usable = quality >= USABLE
        fitted = [i for i, label in enumerate(labels) if label not in broken]
        lost = [i for i, label in enumerate(labels) if label in broken]
        share = valid_share(usable[:, fitted], round(0.8 / hop_s))
        print(
            f"{path.name:<36} {recording_s(recording):>4.0f} {percent(share)}  "
            + "  ".join(f"{label} {usable[:, i].mean():.2f}{named(flags[:, i])}" for i, label in enumerate(labels))
        )
        if lost:
            group = "openbci-luab rails" if path.parent.name == "openbci-luab" else f"{path.name} {labels[lost[0]]}"
            missed.setdefault(group, []).append(usable[:, lost].ravel())
        if path.name not in NOT_WELL_FITTED and path.parent.name != "muse-bird":
            alarms.setdefault(path.parent.name, []).append(~usable[:, fitted].ravel())
    return (
        {group: np.concatenate(used) for group, used in missed.items()},
        {folder: np.concatenate(taken) for folder, taken in alarms.items()},
    )


def recordings(data: Path, n_eegmat: int) -> Iterator[tuple[Path, Recording, set[str]]]:
    """Give every recording with the channels known to be broken."""
    for folder in ("muse-biohack", "muse-bird"):
        for path in sorted((data / folder).glob("*.csv*")):
            yield path, read_recording(path), BROKEN.get(path.name, set())
    for path in sorted((data / "openbci-luab").glob("*.txt*")):
        yield path, read_recording(path, montage=LUAB, keep_railed=True), set(LUAB[2:])
    for path in sorted((data / "eegmat").glob("*.edf"))[:n_eegmat]:
        yield path, read_recording(path), set()


def chunks(recording: Recording) -> Iterator[Chunk]:
    """Give a recording in chunks of 10 s."""
    yield from recording.chunks(round(10.0 * recording.spec.nominal_rate_hz))


def run(spec: StreamSpec, pieces: Iterator[Chunk], hop_s: float) -> Iterator[FeatureFrame]:
    """Give the settled frames of a stream."""
    pipeline = Pipeline(spec, hop_s=hop_s)
    for chunk in pieces:
        yield from (frame for frame in pipeline.process(chunk) if frame.settled)


def stacked(frames: list[FeatureFrame], n_channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Give quality and flags, (frames, channels)."""
    if not frames:
        return np.zeros((0, n_channels)), np.zeros((0, n_channels), np.uint8)
    return np.stack([f.quality for f in frames]), np.stack([f.flags for f in frames])


def valid_share(usable: np.ndarray, hops_a_token: int) -> float:
    """Give the share of windows with at least half of the channel-time usable; NaN without a window."""
    span = (TOKENS - 1) * hops_a_token
    if len(usable) <= span:
        return float("nan")
    windows = sum(usable[i * hops_a_token : len(usable) - span + i * hops_a_token] for i in range(TOKENS)) / TOKENS
    return float((windows.mean(axis=1) >= 0.5).mean())


def percent(share: float) -> str:
    return "     -" if np.isnan(share) else f"{share:>6.1%}"


def named(flags: np.ndarray) -> str:
    """Name the flags raised in at least 5 % of the tokens."""
    found = [
        f"{flag.name.lower()} {share:.2f}" for flag in Flag if flag and (share := ((flags & flag) != 0).mean()) >= 0.05
    ]
    return f" ({', '.join(found)})" if found else ""


def recording_s(recording: Recording) -> float:
    return len(recording) / recording.spec.nominal_rate_hz


Fault = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], None]


def injected(data: Path, hop_s: float) -> None:
    """Put known faults into one channel of clean stretches, and count trials in which the right flag never comes.

    Of faults that last the whole trial also the share of tokens that were used all the same.
    """
    sources = [p for p in (data / "eegmat").glob("Subject0[0-7]_1.edf")]
    sources += [data / "muse-biohack" / "CooperControl.csv"]
    print(f"\n{'fault put in':<34} {'trials':>6} {'unnamed':>8} {'tokens used':>12}")
    rng = np.random.default_rng(7)
    stretches = [s for path in sorted(sources) if path.exists() for s in clean_stretches(read_recording(path), hop_s)]
    for name, (fault, flag, frontal_only, lasting) in FAULTS.items():
        missed = trials = 0
        used: list[np.ndarray] = []
        for spec, uv, rate in stretches:
            columns = [
                c for c in spec.scored if not frontal_only or spec.channels[c].label in ("Fp1", "Fp2", "AF7", "AF8")
            ]
            column = int(rng.choice(columns))
            spoiled = uv.copy()
            fault(spoiled[:, column], np.arange(len(uv)) / rate, rate, rng)
            stamps = np.arange(len(uv)) / rate
            frames = list(run(spec, iter([Chunk(spec, spoiled.astype(np.float32), stamps, 0)]), hop_s))
            quality, flags = stacked(frames, len(spec.scored))
            at = spec.scored.index(column)
            hit = ((flags[:, at] & flag) != 0) & (quality[:, at] < 0.999)
            trials += 1
            missed += not hit.any()
            if lasting:
                used.append(quality[:, at] >= USABLE)
        kept = f"{np.concatenate(used).mean():>12.1%}" if used else f"{'-':>12}"
        print(f"{name:<34} {trials:>6} {missed / trials:>8.1%} {kept}")


def clean_stretches(
    recording: Recording, hop_s: float, length_s: float = 8.0
) -> list[tuple[StreamSpec, np.ndarray, float]]:
    """Cut stretches without any flag in any channel (blinks aside)."""
    spec, rate = recording.spec, recording.spec.nominal_rate_hz
    n = round(length_s * rate)
    found: list[tuple[StreamSpec, np.ndarray, float]] = []
    for start in range(0, len(recording) - n, n):
        uv = recording.samples[start : start + n].astype(np.float64)
        if np.isnan(uv).any():
            continue
        chunk = Chunk(spec, uv.astype(np.float32), np.arange(n) / rate, 0)
        _, flags = stacked(list(run(spec, iter([chunk]), hop_s)), len(spec.scored))
        if not flags.any():
            found.append((spec, uv, rate))
        if len(found) == 6:
            break
    return found


def _rail(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x += 900.0 * np.sin(2 * np.pi * 1.3 * t)
    np.clip(x, -800.0, 800.0, out=x)


def _stuck(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x[t > 4.0] = -187500.0


def _dead(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x[:] = rng.normal(0.0, 0.3, len(x))


def _air(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    sway = 1.0 + 0.5 * np.cumsum(rng.normal(0.0, 1.0 / np.sqrt(rate), len(x)))
    x += 300.0 * sway * np.sin(2 * np.pi * 50.0 * t + np.cumsum(rng.normal(0.0, 3.0 / np.sqrt(rate), len(x))))


def _hum(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x += 2000.0 * np.sin(2 * np.pi * 50.0 * t)


def _emg(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    from scipy.signal import butter, sosfilt

    burst = sosfilt(
        butter(4, [20.0, min(200.0, 0.45 * rate)], "bandpass", fs=rate, output="sos"), rng.normal(size=len(x))
    )
    x += np.where((t > 4.0) & (t < 5.5), 40.0 * burst / burst.std(), 0.0)


def _blink(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    height = rng.uniform(120.0, 350.0)
    x += height * np.exp(-0.5 * ((t - 4.0) / np.where(t < 4.0, 0.05, 0.08)) ** 2)


def _pop(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x += rng.choice([-1.0, 1.0]) * rng.uniform(250.0, 5000.0) * (t > 4.0)


def _sway(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x += 800.0 * np.sin(2 * np.pi * 1.1 * t + rng.uniform(0.0, 6.0))


def _noise(x: np.ndarray, t: np.ndarray, rate: float, rng: np.random.Generator) -> None:
    x += rng.normal(0.0, 150.0, len(x))


FAULTS: dict[str, tuple[Fault, Flag, bool, bool]] = {
    "clipped at ±800 µV (rails unknown)": (_rail, Flag.RAILED, False, True),
    "stuck at -187500 µV": (_stuck, Flag.RAILED, False, False),
    "shorted input, 0.3 µV": (_dead, Flag.FLAT, False, True),
    "in the air: swaying hum, 300 µV": (_air, Flag.LINE, False, True),
    "open electrode: steady hum, 2 mV": (_hum, Flag.LINE, False, True),
    "EMG burst, 40 µV rms, 1.5 s": (_emg, Flag.MUSCLE, False, False),
    "blink, 120-350 µV (frontal)": (_blink, Flag.BLINK, True, False),
    "pop, 0.25-5 mV": (_pop, Flag.POP, False, False),
    "loose: 800 µV sway": (_sway, Flag.CONTACT | Flag.POP, False, True),
    "loose: 150 µV white noise": (_noise, Flag.CONTACT | Flag.MUSCLE | Flag.POP, False, True),
}


if __name__ == "__main__":
    main()
