"""Labelled spans of recorded sessions become the pairs of blocks that a certificate rests on.

Its permutation test holds where the order within a pair says nothing of the condition. A guided calibration draws that
order by lot. A program that always asks for rest first does not: whatever drifts would then look like focus. So of such
sessions pairs are taken in turn with rest first and with the task first; a drift then adds to as many pairs as it takes
from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from bci.errors import CertificateRefusedError
from inference.labels.span import Span
from inference.personal.certifying import MIN_PAIRS, check_blocks
from inference.personal.cued_session import Condition, CuedBlock, CuedSession

APART_S = 60.0
"""Blocks further apart are no neighbours: too much else has changed."""

EVEN_SHARE = 0.3
"""Of the pairs at least this share has to begin with either condition; else they are taken in turn."""

_SEAM_S = 1000.0

Pair = tuple[CuedBlock, CuedBlock]


def drawn_pairs(spans: Sequence[Span]) -> list[Pair]:
    """Pair the blocks of guided calibrations as they were drawn: the first with the second, the third with the fourth.

    Parameters
    ----------
    spans
        Blocks of one session, with their numbers.
    """
    by_number = {span.block: span for span in spans if span.block is not None}
    pairs: list[Pair] = []
    for (run, number), span in sorted(by_number.items()):
        other = by_number.get((run, number + 1))
        if number % 2 and other is not None and other.condition != span.condition:
            pairs.append((_block(span), _block(other)))
    return pairs


def balanced_pairs(sessions: Sequence[Sequence[Span]]) -> tuple[list[list[Pair]], str | None]:
    """Pair neighbouring blocks, within each session, so that neither condition always comes first.

    Blocks of a program's own last as long as they last. So of each pair the two are cut to the shorter one, and to the
    median of all pairs, next to each other: a long one shall not outweigh the others, nor reach further into a drift.

    Parameters
    ----------
    sessions
        Spans of each session, in the order of time.

    Returns
    -------
    Pairs of each session; and a sentence where blocks were left out for it.

    Raises
    ------
    CertificateRefusedError
        `too_few_blocks`, where too few pairs are left then.
    """
    near = [_neighbours(spans, None) for spans in sessions]
    first = [pair[0].condition for pairs in near for pair in pairs]
    crosses = first.count("cross")
    if min(crosses, len(first) - crosses) >= EVEN_SHARE * len(first):
        return _of_like_length(near), None
    turned: list[list[Pair]] = []
    turn: Condition = "cross"
    for spans in sessions:
        pairs = _neighbours(spans, turn)
        if pairs:
            turn = "task" if pairs[-1][0].condition == "cross" else "cross"
        turned.append(pairs)
    kept = sum(map(len, turned))
    always = "rest nearly always came before the task" if crosses * 2 > len(first) else "the task came before the rest"
    if kept < MIN_PAIRS <= len(first):
        msg = (
            f"{always}, and what drifts over a minute could be learnt instead of focus; taken in turn with rest first "
            f"and with the task first, {kept} of {len(first)} pairs are left, and at least {MIN_PAIRS} are needed: "
            "record more blocks (at least 24 in fixed turns, better 46), or draw by lot which of two comes first"
        )
        raise CertificateRefusedError("too_few_blocks", msg)
    note = (
        f"{always}: so that the order cannot be learnt, pairs were taken in turn with rest first and with the task "
        f"first, {kept} instead of {len(first)}; people knew what came next, which a guided calibration avoids"
    )
    return _of_like_length(turned), note


def joined(sessions: Sequence[CuedSession], pairs: Sequence[Sequence[Pair]]) -> CuedSession:
    """Put sessions one behind the other: no window and no pair of blocks reaches over a seam.

    Parameters
    ----------
    sessions
        As recorded; their clocks may have nothing to do with each other.
    pairs
        Of each session; their blocks become those of the whole.

    Raises
    ------
    CertificateRefusedError
        `too_few_blocks`.
    """
    check_blocks([block.condition for own in pairs for pair in own for block in pair])
    blocks: list[CuedBlock] = []
    ends: list[np.ndarray] = []
    next_s = 0.0
    for session, own in zip(sessions, pairs, strict=True):
        shift_s = next_s - float(session.end_s[0])
        ends.append(session.end_s + shift_s)
        blocks += [
            replace(block, start_s=block.start_s + shift_s, stop_s=block.stop_s + shift_s)
            for pair in own
            for block in pair
        ]
        next_s = float(ends[-1].max()) + _SEAM_S
    return CuedSession(
        relative=np.concatenate([session.relative for session in sessions]),
        usable=np.concatenate([session.usable for session in sessions]),
        log_power=np.concatenate([session.log_power for session in sessions]),
        flags=np.concatenate([session.flags for session in sessions]),
        end_s=np.concatenate(ends),
        scorable=np.concatenate([session.scorable for session in sessions]),
        alpha=np.concatenate([session.alpha for session in sessions]),
        blocks=tuple(blocks),
    )


def _of_like_length(sessions: Sequence[Sequence[Pair]]) -> list[list[Pair]]:
    lengths_s = [min(one.stop_s - one.start_s, two.stop_s - two.start_s) for own in sessions for one, two in own]
    usual_s = float(np.median(lengths_s)) if lengths_s else 0.0
    return [[_cut(one, two, usual_s) for one, two in own] for own in sessions]


def _cut(one: CuedBlock, two: CuedBlock, longest_s: float) -> Pair:
    length_s = min(one.stop_s - one.start_s, two.stop_s - two.start_s, longest_s)
    return replace(one, start_s=one.stop_s - length_s), replace(two, stop_s=two.start_s + length_s)


def _block(span: Span) -> CuedBlock:
    return CuedBlock(span.condition, span.start_s, span.stop_s)


def _neighbours(spans: Sequence[Span], turn: Condition | None) -> list[Pair]:
    """Pair neighbours, each block once; with a turn, those that begin with it, and then with the other."""
    pairs: list[Pair] = []
    used: Span | None = None
    for one, two in pairwise(spans):
        if one is used or one.condition == two.condition or two.start_s - one.stop_s > APART_S:
            continue
        if turn is not None and one.condition != turn:
            continue
        pairs.append((_block(one), _block(two)))
        used = two
        turn = None if turn is None else two.condition
    return pairs
