"""Calibrations of the running streams: begun, shown, cancelled, confirmed. The worker alone touches their scorers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bci.errors import ConflictError
from feedback.baselines import BaselineStore
from feedback.calibration import CalibrationRun, check_phases
from feedback.certificates import CertificateStore
from feedback.guided import GuidedRun, Plan
from feedback.participant import Participant, describe_certificate
from feedback.scoring import ScoringSink
from inference.personal.cued_session import random_order
from inference.scorer import StreamScorer

WORKER_WAIT_S = 2.0
"""The worker looks at what it was asked four times a second at least."""


class LiveCalibrations:
    """Implements `feedback.service.ports.Calibrations`. Its methods run on the event loop.

    Parameters
    ----------
    person
        Gives a participant by id, or raises `NoSuchStreamError`.
    sink
        Has things done on the worker's thread, and tells of them.
    store, certificates
        Where baselines and certificates are kept.
    """

    def __init__(
        self,
        person: Callable[[str], Participant],
        sink: ScoringSink,
        store: BaselineStore,
        certificates: CertificateStore,
    ) -> None:
        self._person = person
        self._sink = sink
        self._store = store
        self._certificates = certificates
        self._measurer = ThreadPoolExecutor(1, "certificate")

    def close(self) -> None:
        """Measure no certificate any more."""
        self._measurer.shutdown(wait=False, cancel_futures=True)

    async def start(self, stream: str, seconds: float, phases: Sequence[str]) -> dict[str, Any]:
        """Begin to gather rest."""
        person = self._person(stream)
        check_phases(seconds, phases)
        return self._begin(person, self._rest(person, seconds, phases))

    def _rest(self, person: Participant, seconds: float, phases: Sequence[str]) -> CalibrationRun:
        scorer = self._calibratable(person)
        return CalibrationRun(scorer, seconds, tuple(phases), self._open_index(scorer))

    async def start_certificate(self, stream: str, blocks: int, block_seconds: float) -> dict[str, Any]:
        """Begin a guided calibration: blocks of cross and task in an order drawn by lot."""
        person = self._person(stream)
        plan = Plan(blocks, block_seconds)
        plan.check(person.model.bundle.card.window_s)
        scorer = self._calibratable(person)
        earlier, _ = self._certificates.newest(scorer.owner)
        order = random_order(plan.blocks, np.random.default_rng())
        return self._begin(person, GuidedRun(scorer, plan, order, self._measurer.submit, earlier))

    def _calibratable(self, person: Participant) -> StreamScorer:
        if person.calibration is not None and person.calibration.state == "running":
            msg = f"a calibration of '{person.id}' is running; cancel it first (DELETE)"
            raise ConflictError(msg)
        if person.scorer is None or person.status.state != "streaming":
            msg = f"'{person.id}' has no signal to calibrate on ({person.status.state}: {person.status.detail})"
            raise ConflictError(msg)
        if person.scorer.unassigned:
            msg = f"nobody has said where the electrodes of '{person.id}' are; give a montage first"
            raise ConflictError(msg)
        return person.scorer

    def _begin(self, person: Participant, run: CalibrationRun | GuidedRun) -> dict[str, Any]:
        person.calibration = run
        self._sink.on_worker(person.id, run.begin)
        self._sink.tell_calibration(person.id, run)
        return run.fields()

    def _open_index(self, scorer: StreamScorer) -> float | None:
        """Find this person's alpha with open eyes: of the baseline in use, or of a stored one that fits."""
        known = (scorer.baseline, self._store.find(scorer.owner)[0])  # `find` gives open eyes first
        return next((one.alpha_index for one in known if one is not None and one.eyes == "open"), None)

    def view(self, stream: str) -> dict[str, Any]:
        """Show the running or last calibration, and the baseline in use."""
        person = self._person(stream)
        scorer = person.scorer
        state = person.calibration.fields() if person.calibration else {"state": "none"}
        now = time.time()
        baseline = scorer.baseline.describe(now) if scorer and scorer.baseline else None
        history = self._certificates.history(scorer.owner)[0] if scorer else ()
        return {
            **state,
            "baseline": baseline,
            "certificate": describe_certificate(scorer, now),
            "history": [certificate.describe(now) for certificate in history],
        }

    async def cancel(self, stream: str, *, forget: bool = False) -> None:
        """End a running calibration; with `forget` delete the baseline in use or ended, and what was certified, too."""
        person = self._person(stream)
        run, scorer = person.calibration, person.scorer
        if run is not None and run.state == "running":
            await self._acted(stream, lambda: self._end(stream, run))
        if not forget or scorer is None:
            return
        self._certificates.delete(scorer.owner)
        await self._acted(stream, lambda: scorer.use_certificate(None))
        if (scorer.baseline or scorer.ended_baseline) is not None:
            self._store.delete(scorer.owner)
            await self._acted(stream, lambda: scorer.use_baseline(None))

    def _end(self, stream: str, run: CalibrationRun | GuidedRun) -> None:
        if run.state == "running":  # it may have ended meanwhile
            run.cancel()
            self._sink.tell_calibration(stream, run)

    async def confirm_baseline(self, stream: str) -> None:
        """Use again the baseline that ended because the headset was off."""
        scorer = self._person(stream).scorer
        if scorer is None or scorer.ended_baseline is None:
            msg = f"'{stream}' has no baseline that ended because the headset was off"
            raise ConflictError(msg)
        await self._acted(stream, scorer.confirm_baseline)

    async def _acted(self, stream: str, work: Callable[[], None]) -> None:
        """Wait until the worker has done it, so that whoever asks next sees it."""
        done = asyncio.wrap_future(self._sink.on_worker(stream, work))
        await asyncio.wait([done], timeout=WORKER_WAIT_S)  # which leaves the work to be done, if it takes longer
        if not done.done():
            msg = f"'{stream}': scoring is busy, and this is not done yet; look again in some seconds"
            raise ConflictError(msg)
        done.result()
