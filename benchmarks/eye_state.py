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

Parts = dict[tuple[str, EyeState], list[list[float]]]
"""Alpha indices of each stretch of a person in a state: a recording, or half of a table's windows."""


def rows(setting: Setting) -> list[Row]:
    if not setting.data_dir.is_dir():
        return [Row("state of the eyes on labelled people", "", "null", f"no {setting.data_dir}")]
    table = _band_powers(setting.data_dir / "eyes-features" / "closed_vs_open.csv")
    recordings = _recordings(setting.data_dir / "openbci-luab")
    people = _by_person(table | recordings)
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
    return [*found, _against_own("whole head at rest", table), _against_own("openbci-luab", recordings)]


def _against_own(name: str, parts: Parts) -> Row:
    """Judge closed eyes against another stretch of the same person's open ones."""
    wrongly: list[bool] = []
    missed: list[bool] = []
    for (person, state), stretches in parts.items():
        for i, stretch in enumerate(stretches):
            for j, opened in enumerate(parts.get((person, "open"), [])):
                if state == "open" and i == j:
                    continue
                denied = denies(float(np.mean(stretch)), "closed", float(np.mean(opened)))
                (wrongly if state == "closed" else missed).append(denied if state == "closed" else not denied)
    return Row(
        f"baseline with eyes closed, own open eyes known, {name}: refused though closed / taken though open",
        "",
        f"{sum(wrongly)} / {sum(missed)}",
        f"of {len(wrongly)} / {len(missed)} pairs of stretches",
    )


def _band_powers(path: Path) -> Parts:
    powers: dict[tuple[str, EyeState], list[float]] = defaultdict(list)
    if path.is_file():
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                theta, alpha, beta = (float(line[f"{band}_power"]) for band in ("theta", "alpha", "beta"))
                state: EyeState = "closed" if line["condition"] == "eyes_closed" else "open"
                powers[f"features {line['subject']}", state].append(math.log(alpha / (theta + alpha + beta)))
    return {key: [values[: len(values) // 2], values[len(values) // 2 :]] for key, values in powers.items()}


def _recordings(folder: Path) -> Parts:
    columns = [i for i, (low, high) in enumerate(SCHEMA.bands_hz) if low >= 4.0 and high <= 30.0]
    alpha = AlphaIndex([SCHEMA.bands_hz[i] for i in columns])
    found: Parts = defaultdict(list)
    for path in sorted(folder.glob("*.txt")):
        state: EyeState = "closed" if "_closed_" in path.name else "open"
        recording = read_recording(path, montage=LUAB)
        pipeline = Pipeline(recording.spec, hop_s=HOP_S)
        stretch: list[float] = []
        found[path.name.split("_")[0], state].append(stretch)
        for chunk in recording.chunks(round(recording.spec.nominal_rate_hz)):
            for frame in filter(lambda one: one.settled, pipeline.process(chunk)):
                index = alpha.of(relative_log_power(frame.values[:, columns]), frame.quality >= USABLE)
                if index is not None:
                    stretch.append(index)
    return dict(found)


def _by_person(parts: Parts) -> Indices:
    people: Indices = defaultdict(dict)
    for (name, state), stretches in parts.items():
        people[name][state] = float(np.mean([index for stretch in stretches for index in stretch]))
    return dict(people)
