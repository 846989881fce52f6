"""How often the state of the eyes is judged wrong, on people whose eyes are labelled.

`openbci-luab` (two frontal electrodes, counting) goes through the online pipeline, all seconds of a person in a state
averaged; `closed_vs_open.csv` holds band powers of the whole head at rest, of which the same index is made. The
thresholds were set by looking at these people, so this is no independent test.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from bci.files import read_recording
from benchmarks.table import Row, Setting
from benchmarks.valid_share import LUAB
from inference.eyes import AlphaIndex, contradicts, denies
from inference.normalise import relative_log_power
from inference.offline import HOP_S
from inference.types import EyeState
from inference.window_kernel import USABLE
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

Indices = dict[str, dict[EyeState, float]]
"""Alpha index by person and state."""


def rows(setting: Setting) -> list[Row]:
    if not setting.data_dir.is_dir():
        return [Row("state of the eyes on labelled people", "", "null", f"no {setting.data_dir}")]
    people = _band_powers(setting.data_dir / "eyes-features" / "closed_vs_open.csv")
    people |= _recordings(setting.data_dir / "openbci-luab")
    both = {name: found for name, found in people.items() if len(found) == 2}
    found: list[Row] = []
    for state, other in (("open", "closed"), ("closed", "open")):
        right = [index[state] for index in both.values()]
        wrong = [index[other] for index in both.values()]
        found.append(
            Row(
                f"baseline with eyes {state}: refused as `eye_state` though they were / taken though they were not",
                "",
                f"{sum(denies(index, state) for index in right)} / {sum(not denies(index, state) for index in wrong)}",
                f"of {len(both)} people",
            )
        )
        missed = sum(not contradicts(index[other], index[state], state) for index in both.values())
        found.append(
            Row(f"baseline {state}, then eyes {other}: mismatch missed", "", str(missed), f"of {len(both)} people")
        )
    return found


def _band_powers(path: Path) -> Indices:
    powers: dict[tuple[str, EyeState], list[float]] = defaultdict(list)
    if path.is_file():
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                theta, alpha, beta = (float(line[f"{band}_power"]) for band in ("theta", "alpha", "beta"))
                state: EyeState = "closed" if line["condition"] == "eyes_closed" else "open"
                powers[f"features {line['subject']}", state].append(math.log(alpha / (theta + alpha + beta)))
    return _by_person({key: float(np.mean(values)) for key, values in powers.items()})


def _recordings(folder: Path) -> Indices:
    columns = [i for i, (low, high) in enumerate(SCHEMA.bands_hz) if low >= 4.0 and high <= 30.0]
    alpha = AlphaIndex([SCHEMA.bands_hz[i] for i in columns])
    found: dict[tuple[str, EyeState], list[float]] = defaultdict(list)
    for path in sorted(folder.glob("*.txt")):
        state: EyeState = "closed" if "_closed_" in path.name else "open"
        recording = read_recording(path, montage=LUAB)
        pipeline = Pipeline(recording.spec, hop_s=HOP_S)
        for chunk in recording.chunks(round(recording.spec.nominal_rate_hz)):
            for frame in filter(lambda one: one.settled, pipeline.process(chunk)):
                index = alpha.of(relative_log_power(frame.values[:, columns]), frame.quality >= USABLE)
                if index is not None:
                    found[path.name.split("_")[0], state].append(index)
    return _by_person({key: float(np.mean(values)) for key, values in found.items()})


def _by_person(indices: dict[tuple[str, EyeState], float]) -> Indices:
    people: Indices = defaultdict(dict)
    for (name, state), index in indices.items():
        people[name][state] = index
    return dict(people)
