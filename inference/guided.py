"""A guided calibration from what a scorer prepares: blocks in, the person's baseline and certificate out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bci.errors import BaselineRefusedError, CertificateRefusedError
from inference.baseline import Baseline, RestCollector
from inference.blocks import SWITCH_S, BlockCollector, Phase
from inference.certificate import certify, check_measurable
from inference.readability import Certificate
from streaming.features import SCHEMA

if TYPE_CHECKING:
    from inference.scorer import Due, StreamScorer


class GuidedCalibration:
    """Gathers blocks of one person; live and from a recording alike. Used by one thread, `result` by any afterwards.

    Parameters
    ----------
    scorer
        Whose windows they are.
    block_s
        Length of a block, s.
    """

    def __init__(self, scorer: StreamScorer, block_s: float) -> None:
        card = scorer.card
        self._owner, self._positions_m, self._bands_hz = scorer.owner, scorer.positions_m, card.bands_hz
        self._block_s = block_s
        self._collector = BlockCollector(
            scorer.positions_m, SCHEMA, scorer.index, hop_s=scorer.hop_s, window_s=card.window_s, block_s=block_s
        )
        self._rest = RestCollector(scorer.owner, scorer.hop_s, scorer.index, len(scorer.labels), len(card.bands_hz))
        self._skip = round(SWITCH_S / scorer.hop_s)
        self._phase: Phase = "rest"
        self._frames = 0

    def begin(self, phase: Phase) -> None:
        """Start the next block."""
        self._phase, self._frames = phase, 0
        self._collector.begin(phase)

    def add(self, due: Due) -> None:
        """Take in one frame of the running block."""
        self._frames += 1
        self._collector.add(due)
        if self._phase == "rest" and self._frames > self._skip and due.frame.settled:
            self._rest.add(due.window.relative[:, -1], due.window.usable[:, -1])

    def result(self, now_unix_s: float, *, complete: bool = True) -> tuple[Baseline, Certificate]:
        """Measure. Takes a second or two of one core.

        Parameters
        ----------
        now_unix_s
            When the calibration ended, Unix time.
        complete
            False where it was broken off.

        Raises
        ------
        CertificateRefusedError
            Where nothing could be measured.
        """
        windows = self._collector.gathered(complete=complete)
        check_measurable(windows, self._owner.labels)
        try:
            baseline = self._rest.finish(now_unix_s, asked_eyes="open")
        except BaselineRefusedError as refusal:
            raise CertificateRefusedError(refusal.code, str(refusal)) from refusal
        certificate = certify(
            windows,
            baseline,
            self._positions_m,
            self._bands_hz,
            owner=self._owner,
            block_s=self._block_s,
            now_unix_s=now_unix_s,
        )
        return baseline, certificate
