"""Is the certificate right? Simulated people, samples to certificate through the real pipeline; and EEGMAT, cut up.

The recipe was chosen on seeds 1000 to 1039; these begin at 0. Each sits through five minutes: 30 blocks of 10 s. Right
means: passed, for one who can be read, whichever way round; not passed, for one who cannot be, or whom only blinks or
muscle betray.

EEGMAT has one block of each condition, rest first. Cut into eight pieces each and paired, rest and task look like a
calibration; the labels still changed once only. So a low p there says that two stretches of a recording differ, not
that focus does: the second against the third minute of the same rest shows how often they differ anyway.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bci.errors import CertificateRefusedError
from bci.files import read_recording
from bci.montage import position_m
from bci.simulator.cued import cued_chunks, cued_spec
from bci.simulator.head import SPANNING_LABELS
from bci.simulator.participant import Person
from benchmarks.table import Row, Setting
from inference.bundle import DEFAULT_MODEL, ModelBundle, find_model
from inference.personal.certificate import ALPHA, ALPHA_WITHOUT_ARTEFACTS
from inference.personal.certifying import Reading, certify, without
from inference.personal.cross_validation import measure
from inference.personal.cue_windows import cue_windows
from inference.personal.cued_recording import record_session
from inference.personal.cued_session import Condition, CuedBlock, CuedSession, random_order
from inference.personal.head import HeadReader, PersonalHead
from inference.personal.regions import regions_of

SHARE = 0.95
SEEDS, QUICK_SEEDS = 200, 5
BLOCKS, BLOCK_S, LEAD_S = 30, 10.0, 8.0
LABELS = SPANNING_LABELS[:8]

KINDS: dict[str, tuple[bool, dict[str, Any]]] = {
    "readable": (True, {}),
    "inverted": (True, {"coupling": -1.0}),
    "unreadable": (False, {"coupling": 0.0}),
    "readable only by blinks": (False, {"coupling": 0.0, "blink_effect": 0.5}),
    "readable only by muscle": (False, {"coupling": 0.0, "muscle_effect_uv": 15.0}),
}
"""Whether a person of the kind should pass, and what they are made of."""

PIECES, PIECE_S = 8, 7.2
"""Of EEGMAT's minute of task; the last seconds of its files are padding."""


def rows(setting: Setting) -> list[Row]:
    bundle = find_model(DEFAULT_MODEL, setting.models_dir)
    seeds = range(QUICK_SEEDS if setting.quick else SEEDS)
    found = [_kind(kind, seeds, bundle) for kind in KINDS]
    return [*found, _head(), *_eegmat(setting, bundle)]


def _kind(kind: str, seeds: range, bundle: ModelBundle) -> Row:
    should_pass, fields = KINDS[kind]
    verdicts: Counter[str] = Counter()
    aucs: list[float] = []
    begun = time.perf_counter()
    for seed in seeds:
        try:
            certificate, _ = certify(*_simulated(seed, fields, bundle), 0.0)
        except CertificateRefusedError as refusal:
            verdicts[refusal.code] += 1
            continue
        verdicts[certificate.verdict] += 1
        aucs.append(certificate.brain.auc)
    took = time.perf_counter() - begun
    right = verdicts["passed"] if should_pass else verdicts.total() - verdicts["passed"]
    named = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.most_common())
    return Row(
        f"certificate, {kind}: {'passed' if should_pass else 'not passed'}",
        f"≥ {SHARE:.0%} of seeds",
        f"{right} of {len(seeds)}",
        f"{named}; median AUC {np.median(aucs):.2f}; {took / len(seeds):.2f} s a person",
        right >= SHARE * len(seeds),
    )


def _simulated(seed: int, fields: dict[str, Any], bundle: ModelBundle) -> tuple[CuedSession, Reading]:
    person = Person(seed, LABELS, np.array([position_m(label) for label in LABELS]), 250.0, **fields)
    order = random_order(BLOCKS, np.random.default_rng(seed))
    blocks = [
        CuedBlock(condition, LEAD_S + i * BLOCK_S, LEAD_S + (i + 1) * BLOCK_S) for i, condition in enumerate(order)
    ]
    tasks = [(block.start_s, block.condition == "task") for block in blocks]
    chunks = cued_chunks(person, tasks, blocks[-1].stop_s + 1.0)
    return record_session("simulated", cued_spec(person), chunks, blocks, bundle, mains=50)


def _head() -> Row:
    positions = np.array([position_m(label) for label in LABELS], np.float32)
    regions = regions_of(positions)
    weights = tuple((0.1,) * 7 for _ in regions.names)
    reader = HeadReader(PersonalHead(regions=regions.names, weights=weights, offset=0.0, gain=1.0), positions)
    x, usable = np.ones((8, 5, 7), np.float32), np.ones((8, 5), np.bool_)
    times: list[float] = []
    for _ in range(2000):
        begun = time.perf_counter()
        reader.logit(x, usable)
        times.append(time.perf_counter() - begun)
    median = 1e6 * float(np.median(times))
    return Row("personal head, one score of 8 electrodes", "≤ 10 µs", f"{median:.1f} µs", "", median <= 10.0)


def _eegmat(setting: Setting, bundle: ModelBundle) -> list[Row]:
    folder = setting.data_dir / "eegmat"
    people = sorted(path.name.removesuffix("_1.edf") for path in folder.glob("Subject*_1.edf"))
    if not people:
        return [Row("EEGMAT cut into blocks", "", "null", f"no {folder}")]
    people = people[:2] if setting.quick else people
    task: list[tuple[float, bool]] = []
    null: list[tuple[float, bool]] = []
    for person in people:
        rest, work = (folder / f"{person}_{part}.edf" for part in (1, 2))
        task.append(_two_stretches((rest, 120.0), (work, 0.0), bundle))
        null.append(_two_stretches((rest, 60.0), (rest, 120.0), bundle))
    return [
        _stretches("rest (third minute) against task", task),
        _stretches("null: second against third minute of rest", null),
    ]


def _stretches(what: str, found: list[tuple[float, bool]]) -> Row:
    aucs = np.array([auc for auc, _ in found])
    low, middle, high = np.percentile(aucs, [25, 50, 75])
    clear = sum(passed for _, passed in found)
    return Row(
        f"EEGMAT cut into blocks, {what}",
        "",
        f"{clear} of {len(found)} would pass",
        f"AUC {middle:.2f}, quartiles {low:.2f} and {high:.2f}; one block a condition: no certificate (see the docs)",
    )


def _two_stretches(first: tuple[Path, float], second: tuple[Path, float], bundle: ModelBundle) -> tuple[float, bool]:
    """AUC between two stretches of a minute, in pieces, and whether both gates of a certificate would open."""
    parts: list[CuedSession] = []
    reading: Reading | None = None
    both: tuple[tuple[Condition, Path, float], ...] = (("cross", *first), ("task", *second))
    for condition, path, start_s in both:
        recording = read_recording(path)
        starts = [start_s + 0.4 + piece * PIECE_S for piece in range(PIECES)]
        blocks = [CuedBlock(condition, start, start + PIECE_S) for start in starts]
        chunks = recording.chunks(round(6.4 * recording.spec.nominal_rate_hz))
        session, reading = record_session("eegmat", recording.spec, chunks, blocks, bundle)
        parts.append(session)
    assert reading is not None
    session = _joined(*parts)
    regions = regions_of(reading.positions_m)
    baseline = session.relative[session.inside("cross")].mean(axis=0)
    windows = cue_windows(session, baseline, regions, reading.bands_hz, reading.tokens, reading.token_s)
    whole = measure(windows.brain)
    artefacts = np.hstack([windows.ocular.features, windows.muscular.features])
    rest = measure(without(windows.brain, artefacts))
    clear = whole.p_value <= ALPHA and whole.low > 0.5 and rest.p_value <= ALPHA_WITHOUT_ARTEFACTS
    return whole.auc, clear


def _joined(first: CuedSession, second: CuedSession) -> CuedSession:
    """Two recordings as one session, their pieces in turn: the pairs that a design would have made."""
    shift_s = float(first.end_s[-1]) + 60.0
    moved = [replace(b, start_s=b.start_s + shift_s, stop_s=b.stop_s + shift_s) for b in second.blocks]
    turns = [block for pair in zip(first.blocks, moved, strict=True) for block in pair]
    arrays = ("relative", "usable", "log_power", "flags", "scorable", "alpha")
    together = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in arrays}
    end_s = np.concatenate([first.end_s, second.end_s + shift_s])
    return CuedSession(**together, end_s=end_s, blocks=tuple(turns))
