"""A guided calibration without a service: of a source that this process reads, or of a recording with markers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bci.clock import lsl_now_s
from bci.errors import CertificateRefusedError, SourceEndedError
from bci.files import Recording
from bci.source import Source
from bci.sources.simulator import ManualSimulator
from feedback.assembly import HOP_S
from feedback.baselines import BaselineStore
from feedback.certificates import CertificateStore
from feedback.guided import GuidedRun, Plan
from inference.bundle import ModelBundle
from inference.certificate import Certificate
from inference.certifying import certify
from inference.cued_recording import record_session
from inference.cued_session import Condition, CuedBlock, random_order
from inference.offline import Mains
from inference.scorer import StreamScorer
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

STARVED_S = 10.0
AT_REST, AT_WORK = 0.1, 0.9
"""Where the slider of `simulator:manual` goes at the cross and in the task."""

Show = Callable[[Mapping[str, Any]], None]
"""Told the fields of each `calibration` message."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where what was measured is kept: the data directory of the service, so that it uses it from its next start.

    Parameters
    ----------
    data_dir
        As `serve --data-dir`.
    """

    data_dir: Path

    @property
    def certificates(self) -> CertificateStore:
        """Those of all people."""
        return CertificateStore(self.data_dir / "certificates")

    @property
    def baselines(self) -> BaselineStore:
        """Those of all people."""
        return BaselineStore(self.data_dir / "baselines")


def adapt_source(
    source: Source, participant: str, bundle: ModelBundle, plan: Plan, shelf: Shelf, mains: Mains, show: Show
) -> Certificate:
    """Guide a person through a calibration and measure it.

    A `simulator:manual` follows the cues, as the person whom it stands for would.

    Parameters
    ----------
    source
        Not open yet; it is closed in the end.
    participant
        Id under which the service will know this person.
    bundle
        The model that the head is for.
    plan
        Blocks.
    shelf
        Where to keep it.
    mains
        Line frequency.
    show
        Shows cues.

    Raises
    ------
    CertificateRefusedError
        Why there is nothing to measure.
    SourceError
        If the source cannot be opened or fails.
    """
    try:
        spec = source.open()
        pipeline = Pipeline(spec, hop_s=HOP_S, mains=mains)
        scorer = StreamScorer(participant, spec, bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
        if scorer.unassigned:
            msg = f"{spec.device}: nobody has said where its electrodes are; give `montage=` in the URI"
            raise CertificateRefusedError("other_headset", msg)
        earlier, _ = shelf.certificates.newest(scorer.owner)
        run = GuidedRun(scorer, plan, random_order(plan.blocks, np.random.default_rng()), _at_once, earlier)
        run.begin()
        _follow(source, pipeline, run, show)
    finally:
        source.close()
    if run.certificate is None:
        raise CertificateRefusedError(run.code or "broken_off", run.message)
    if run.baseline is not None:
        shelf.baselines.save(run.baseline)
    shelf.certificates.save(run.certificate)
    return run.certificate


def _follow(source: Source, pipeline: Pipeline, run: GuidedRun, show: Show) -> None:
    person = source if isinstance(source, ManualSimulator) else None
    heard_s, told = lsl_now_s(), ""
    while run.state == "running":
        try:
            chunk = source.read(pipeline.samples_to_next_hop, 0.2)
        except SourceEndedError:
            run.starve()
            break
        if chunk is None:
            if lsl_now_s() - heard_s > STARVED_S:
                run.starve()
            continue
        heard_s = lsl_now_s()
        for frame in pipeline.process(chunk):
            changed = run.step(run.scorer.prepare(frame), None, time.time())
            if changed or frame.hop % 12 == 0:
                show(run.fields())
            if person is not None and run.phase != told:
                told = run.phase
                person.set_attention({"cross": AT_REST, "task": AT_WORK}.get(told, 0.5))
    show(run.fields())


def _at_once(work: Callable[[], _Result]) -> Future[_Result]:
    done: Future[_Result] = Future()
    try:
        done.set_result(work())
    except CertificateRefusedError as refusal:
        done.set_exception(refusal)
    return done


def adapt_recording(
    recording: Recording,
    participant: str,
    bundle: ModelBundle,
    shelf: Shelf,
    labels: Mapping[Condition, str],
    *,
    device: str | None = None,
    mains: Mains = "auto",
) -> Certificate:
    """Measure a calibration that was recorded with markers.

    Parameters
    ----------
    recording
        With a marker at the start of each block; a block ends with its marker's duration, or at the next marker.
    participant
        Id under which the service knows this person.
    bundle
        The model that the head is for.
    shelf
        Where to keep it.
    labels
        What the markers of cross and task are called; case does not count.
    device
        Name of the headset, as the service shows it; else the certificate belongs to the file.
    mains
        Line frequency.

    Raises
    ------
    CertificateRefusedError
        Why there is nothing to measure.
    """
    spec = replace(recording.spec, device=device) if device else recording.spec
    if spec.unassigned:
        msg = f"{recording.spec.device}: nobody has said where its electrodes are; give --montage"
        raise CertificateRefusedError("other_headset", msg)
    blocks = marked_blocks(recording, labels)
    chunks = (replace(chunk, spec=spec) for chunk in recording.chunks(max(1, round(6.4 * spec.nominal_rate_hz))))
    session, reading = record_session(participant, spec, chunks, blocks, bundle, mains)
    earlier, _ = shelf.certificates.newest(reading.owner)
    certificate, baseline = certify(session, reading, recording.started_unix_s or time.time(), earlier)
    if certificate.passed:
        shelf.baselines.save(baseline)
    shelf.certificates.save(certificate)
    return certificate


def marked_blocks(recording: Recording, labels: Mapping[Condition, str]) -> list[CuedBlock]:
    """Read blocks from a recording's markers.

    Raises
    ------
    CertificateRefusedError
        `too_few_blocks`, where no marker is one of them; the message lists those that there are.
    """
    names = {label.strip().casefold(): condition for condition, label in labels.items()}
    begin_s = float(recording.stamps_s[0]) if len(recording) else 0.0
    end_s = begin_s + recording.duration_s
    blocks: list[CuedBlock] = []
    for number, marker in enumerate(recording.markers):
        condition = names.get(marker.label.strip().casefold())
        if condition is None:
            continue
        later = [other.at_s for other in recording.markers[number + 1 :] if other.at_s > marker.at_s]
        stop_s = marker.at_s + marker.duration_s if marker.duration_s > 0.0 else min([*later, end_s])
        blocks.append(CuedBlock(condition, begin_s + marker.at_s, begin_s + stop_s))
    if not blocks:
        there = sorted({marker.label for marker in recording.markers})[:12]
        wanted = " and ".join(f"'{label}'" for label in labels.values())
        msg = (
            f"{recording.spec.device} has no markers {wanted}; it has {', '.join(there) or 'none'}. Name them with "
            "--cross and --task"
        )
        raise CertificateRefusedError("too_few_blocks", msg)
    return blocks
