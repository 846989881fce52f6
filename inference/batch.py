"""Windows of many people into few model calls; one that cannot be scored costs nobody else a score."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from inference.scorer import Due
from inference.session import MAX_BATCH, FocusSession, channel_bucket
from inference.types import FocusScore

log = logging.getLogger(__name__)

Answer = tuple[float, float, float]
"""What the graph says of a window: logit, spread and ood."""


class BatchScorer:
    """Scores the windows of many streams in as few model calls as their channel counts allow.

    Parameters
    ----------
    session
        The loaded model; all scorers share it.
    """

    def __init__(self, session: FocusSession) -> None:
        self.session = session
        self.calls = 0
        self._told = False

    def score(self, dues: Sequence[Due]) -> list[FocusScore]:
        """Score windows; the order of one stream's windows is the order of time.

        Returns
        -------
        One score for each window, in the order given.
        """
        answers = self._ask(dues)
        return [_conclude(due, answers.get(position)) for position, due in enumerate(dues)]

    def score_each(self, dues: Sequence[Due]) -> list[FocusScore | Exception]:
        """Score windows of many people: an error costs the window that it belongs to its score, and no other.

        Returns
        -------
        For each window, in the order given, its score, or the error that kept it from one.
        """
        answers: Mapping[int, Answer | Exception]
        try:
            answers = self._ask(dues)
        except Exception as error:
            answers = self._ask_one_by_one(dues, error)
        outcomes: list[FocusScore | Exception] = []
        for position, due in enumerate(dues):
            answer = answers.get(position)
            try:
                outcomes.append(answer if isinstance(answer, Exception) else _conclude(due, answer))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def rehearse(self, due: Due) -> None:
        """Ask the model about a window once more, and forget what it said."""
        if due.x is not None:
            self._run([due], [0], channel_bucket(due.x.shape[0]), {})

    def _ask_one_by_one(self, dues: Sequence[Due], whole: Exception) -> dict[int, Answer | Exception]:
        """Find out whose window broke the batch; to ask changes nothing that a stream remembers."""
        answers: dict[int, Answer | Exception] = {}
        for position, due in enumerate(dues):
            if due.x is None:
                continue
            try:
                answers[position] = self._ask((due,))[0]
            except Exception as error:
                answers[position] = error
        if not self._told and not any(isinstance(answer, Exception) for answer in answers.values()):
            self._told = True  # once: it may be so 25 times a second
            log.warning("windows that the model refused as a batch were scored one by one", exc_info=whole)
        return answers

    def _ask(self, dues: Sequence[Due]) -> dict[int, Answer]:
        groups: dict[int, list[int]] = {}
        for position, due in enumerate(dues):
            if due.x is not None:
                groups.setdefault(channel_bucket(due.x.shape[0]), []).append(position)
        answers: dict[int, Answer] = {}
        for bucket, positions in groups.items():
            for start in range(0, len(positions), MAX_BATCH):
                self._run(dues, positions[start : start + MAX_BATCH], bucket, answers)
                self.calls += 1
        return answers

    def _run(self, dues: Sequence[Due], positions: Sequence[int], bucket: int, answers: dict[int, Answer]) -> None:
        x, where, mask = self.session.inputs(len(positions), bucket)
        for row, position in enumerate(positions):
            due = dues[position]
            assert due.x is not None  # noqa: S101 - only windows with x are grouped
            channels = due.x.shape[0]
            x[row, :channels] = due.x
            where[row, :channels] = due.scorer.positions_m
            mask[row, :channels] = due.hidden
            if channels < bucket:
                x[row, channels:] = 0.0
                where[row, channels:] = 0.0
                mask[row, channels:] = True
        output = self.session.run(x, where, mask)
        said = zip(output.logit.tolist(), output.spread.tolist(), output.ood.tolist(), strict=True)
        answers.update(zip(positions, said, strict=True))


def _conclude(due: Due, answer: Answer | None) -> FocusScore:
    if due.reason is not None:
        return due.scorer.refuse(due, due.reason)
    assert answer is not None  # noqa: S101 - whoever has no reason was asked for
    return due.scorer.finish(due, *answer)
