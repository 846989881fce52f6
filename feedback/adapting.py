"""A certificate from recorded sessions: measured as a guided calibration is, and kept where the service looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bci.errors import CertificateRefusedError, ConfigError, FocusloopError
from feedback.baselines import BaselineStore
from feedback.certificates import CertificateStore
from feedback.sessions.catalogue import in_use
from inference.baseline import Baseline, Owner
from inference.bundle import DEFAULT_MODEL, ModelBundle, find_model
from inference.labels.recorded import LabelledSession, label_recording
from inference.labels.spans import Wish
from inference.offline import CHUNK_S, Mains
from inference.personal.certificate import Certificate, figure
from inference.personal.certifying import Reading, certify
from inference.personal.cued_recording import record_session
from inference.personal.cued_session import CuedSession
from inference.personal.recorded_pairs import Pair, balanced_pairs, drawn_pairs, joined
from streaming.recording.reading import RecordedSession

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of recorded sessions.

    Parameters
    ----------
    certificate
        Passed or not.
    caveat
        What a person has to know to judge it; None where the blocks were a guided calibration's.
    stored
        False where something newer was measured of the same person and headset, which counts.
    """

    certificate: Certificate
    caveat: str | None
    stored: bool


def adapt_from_sessions(
    paths: Sequence[Path],
    wish: Wish,
    data_dir: Path,
    tell: Tell,
    *,
    participant: str | None = None,
    model: str | None = None,
    models_dir: Path | None = None,
    mains: Mains = "auto",
) -> Adapted:
    """Measure how well focus can be read from a person, on what was recorded of them, and keep it.

    Parameters
    ----------
    paths
        Recordings of one participant.
    wish
        What is rest in them, and what is task.
    data_dir
        Of the service that is to use it.
    tell
        Takes a sentence for a person on what was used and left out.
    participant
        Who it has to be; None for whoever the recordings say.
    model
        `name` or `name@version`; None for the one that scored the newest of the sessions.
    models_dir
        Where models are looked for first.
    mains
        Line frequency, Hz, or `auto`.

    Raises
    ------
    ConfigError
        Sessions of several people, or one twice.
    NoLabelsError
        A session does not say when its person rested, or worked.
    CertificateRefusedError
        There is nothing to measure; its code says why.
    FocusloopError
        The disk does not take it.
    """
    person = _only_person(paths, participant)
    bundle = find_model(model or _newest_model(paths), models_dir)
    sessions = sorted(
        (label_recording(path, wish, bundle.card.window_s) for path in paths),
        key=lambda one: one.session.header.started_unix_s or 0.0,
    )
    for one in sessions:
        _tell_of(one, tell)
    pairs, caveat = _pairs(sessions)
    lengths_s = [block.stop_s - block.start_s for own in pairs for pair in own for block in pair]
    if lengths_s:
        tell(f"{len(lengths_s) // 2} pairs of neighbouring blocks of {float(np.median(lengths_s)):.0f} s each")
    recorded, reading = _recorded(sessions, person, bundle, mains)
    taken_unix_s = max((one.ended_unix_s or time.time() for one in sessions), default=time.time())
    store = CertificateStore(data_dir / "certificates")
    before = [one for one in store.history(reading.owner)[0] if one.taken_unix_s < taken_unix_s]
    certificate, baseline = certify(joined(recorded, pairs), reading, taken_unix_s, before[-1] if before else None)
    stored = _keep(certificate, baseline, reading.owner, store, BaselineStore(data_dir / "baselines"), tell)
    if stored and in_use(data_dir):
        tell(f"a service runs on {data_dir}: it uses this from its next start on, or once the stream is opened again")
    return Adapted(certificate, caveat, stored)


def _only_person(paths: Sequence[Path], participant: str | None) -> str:
    resolved = [path.resolve() for path in paths]
    twice = next((path for path in resolved if resolved.count(path) > 1), None)
    if twice is not None:
        msg = f"{twice.name} is given twice; its blocks would count twice"
        raise ConfigError(msg)
    of = {path.name: RecordedSession(path).header.participant for path in paths}
    people = sorted(set(of.values()))
    if len(people) > 1:
        listed = ", ".join(f"{name} of {person}" for name, person in of.items())
        msg = f"sessions of {len(people)} participants ({listed}); a certificate is of one person: take theirs alone"
        raise ConfigError(msg)
    if participant is not None and people != [participant]:
        msg = f"the sessions are of '{people[0]}', not of '{participant}'; leave the participant out, or take theirs"
        raise ConfigError(msg)
    return people[0]


def _newest_model(paths: Sequence[Path]) -> str:
    headers = sorted((RecordedSession(path).header for path in paths), key=lambda one: one.started_unix_s or 0.0)
    return headers[-1].model or DEFAULT_MODEL


def _tell_of(one: LabelledSession, tell: Tell) -> None:
    tell(f"{one.name}: {one.labels.how}")
    for note in (*one.session.damage, *one.labels.notes):
        tell(f"{one.name}: {note}")
    if one.stream.spec.origin != "live":
        tell(f"{one.name}: {one.stream.spec.origin.upper()}, no live headset")


def _pairs(sessions: Sequence[LabelledSession]) -> tuple[list[list[Pair]], str | None]:
    """Pair the blocks of each session; and say what a person has to know of their order."""
    told, caveat = balanced_pairs([one.labels.spans for one in sessions if not one.labels.drawn])
    others = iter(told)
    pairs = [drawn_pairs(one.labels.spans) if one.labels.drawn else next(others) for one in sessions]
    if caveat is None and any(not one.labels.drawn for one in sessions):
        caveat = "the order of rest and task was the program's, not drawn by us: it is right only if nobody could tell"
    return pairs, caveat


def _recorded(
    sessions: Sequence[LabelledSession], person: str, bundle: ModelBundle, mains: Mains
) -> tuple[list[CuedSession], Reading]:
    recorded: list[CuedSession] = []
    readings: list[Reading] = []
    for one in sessions:
        spec = one.stream.spec
        chunks = one.stream.chunks(max(1, round(CHUNK_S * spec.nominal_rate_hz)))
        cued, reading = record_session(person, spec, chunks, (), bundle, mains)
        if readings and reading.owner != readings[0].owner:
            listed = "; ".join(f"{r.owner.device} ({', '.join(r.owner.labels)})" for r in (readings[0], reading))
            msg = f"the sessions are of different headsets or electrodes ({listed}); take those of one"
            raise CertificateRefusedError("other_headset", msg)
        recorded.append(cued)
        readings.append(reading)
    return recorded, readings[0]


def _keep(
    certificate: Certificate,
    baseline: Baseline,
    owner: Owner,
    certificates: CertificateStore,
    baselines: BaselineStore,
    tell: Tell,
) -> bool:
    """Keep what was measured, as the service does after a guided calibration; False where something newer counts."""
    newest, note = certificates.newest(owner)
    if note is not None:
        tell(note)
    if newest is not None and newest.taken_unix_s > certificate.taken_unix_s:
        tell(
            f"not stored: what was measured after the end of these sessions counts ({newest.verdict}, "
            f"{figure(newest.brain.auc)}); to use this instead, forget that with DELETE "
            f"/v1/streams/{certificate.participant}/calibration?forget=true"
        )
        return False
    held, _ = baselines.find(owner)
    try:
        if certificate.passed and (held is None or held.eyes != "open" or held.taken_unix_s <= baseline.taken_unix_s):
            baselines.save(baseline)
        certificates.save(certificate)
    except OSError as error:
        msg = f"the certificate could not be stored ({error.strerror or error}); make room, or choose --data-dir"
        raise FocusloopError(msg) from error
    return True
