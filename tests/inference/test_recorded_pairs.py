"""Pairs of blocks of recorded sessions: neighbours, in balance, and never over a seam."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cued_people import recorded

from bci.errors import CertificateRefusedError
from inference.labels.span import Span
from inference.personal.certifying import certify
from inference.personal.cue_windows import window_rows
from inference.personal.recorded_pairs import balanced_pairs, drawn_pairs, joined


def spans(order: str, *, drawn: bool = False, every_s: float = 10.0) -> list[Span]:
    """`c` is the cross, `t` the task, `.` a block that is lost."""
    return [
        Span("cross" if kind == "c" else "task", i * every_s, i * every_s + 10.0, "made", (1, i + 1) if drawn else None)
        for i, kind in enumerate(order)
        if kind != "."
    ]


def firsts(pairs: list) -> str:
    return "".join(pair[0].condition[0] for pair in pairs)


def test_drawn_blocks_are_paired_as_they_were_drawn_where_one_is_lost() -> None:
    pairs = drawn_pairs(spans("ct.ctcct", drawn=True))
    assert [(one.start_s, two.start_s) for one, two in pairs] == [(0.0, 10.0), (40.0, 50.0), (60.0, 70.0)]


@pytest.mark.parametrize(("order", "kept"), [("ct" * 15, 10), ("tc" * 15, 10)])
def test_fixed_turns_are_thinned_until_either_comes_first_as_often(order: str, kept: int) -> None:
    (pairs,), note = balanced_pairs([spans(order)])
    assert note is not None
    assert firsts(pairs) == "ct" * (kept // 2)
    assert all(one.stop_s <= two.start_s for one, two in pairwise([block for pair in pairs for block in pair]))


def test_a_long_block_is_cut_to_its_neighbour_and_to_the_usual_length() -> None:
    at_s, made = 0.0, []
    for kind, length_s in zip("cttccttc" * 2, [10.0, 60.0] * 6 + [50.0, 60.0] * 2, strict=True):
        made.append(Span("cross" if kind == "c" else "task", at_s, at_s + length_s, "made"))
        at_s += length_s
    (pairs,), _ = balanced_pairs([made])
    assert {round(block.stop_s - block.start_s, 6) for pair in pairs for block in pair} == {10.0}
    assert all(one.stop_s == two.start_s for one, two in pairs)


def test_an_order_in_balance_keeps_all_its_pairs() -> None:
    (pairs,), note = balanced_pairs([spans("cttccttc" * 2)])
    assert (len(pairs), note) == (8, None)


def test_too_few_pairs_in_balance_are_refused_with_what_to_do() -> None:
    with pytest.raises(CertificateRefusedError, match=r"6 of 9 pairs are left.*at least 24 in fixed turns"):
        balanced_pairs([spans("ct" * 9)])


def test_blocks_far_apart_and_of_different_sessions_are_no_pair() -> None:
    assert balanced_pairs([spans("cttc", every_s=71.0)])[0] == [[]]
    assert balanced_pairs([spans("c"), spans("t")])[0] == [[], []]


def test_turns_go_on_over_sessions() -> None:
    pairs, _ = balanced_pairs([spans("ct")] * 3 + [spans("tct")] * 8)
    assert firsts([pair for own in pairs for pair in own])[:4] == "ctct"


def test_no_window_reaches_over_a_seam_whatever_the_clocks_say() -> None:
    one, reading = recorded("readable", 300)
    other = replace(one, end_s=one.end_s - 50.0, blocks=tuple(
        replace(b, start_s=b.start_s - 50.0, stop_s=b.stop_s - 50.0) for b in one.blocks))  # fmt: skip
    pairs = [list(zip(s.blocks[::2], s.blocks[1::2], strict=True))[:5] for s in (one, other)]
    whole = joined([one, other], pairs)
    assert (np.diff(whole.end_s) > 0).all()
    rows, block = window_rows(whole, reading.tokens, reading.token_s)
    assert len(rows) == 2 * len(window_rows(replace(one, blocks=one.blocks[:10]), reading.tokens, reading.token_s)[0])
    assert ((rows < len(one.end_s)).all(axis=1) == (block < 10)).all()
    certificate, _ = certify(whole, reading, 0.0)
    assert (certificate.pairs, certificate.verdict) == (10, "passed")


def test_too_few_pairs_in_all_are_refused_as_live() -> None:
    one, _ = recorded("readable", 300)
    with pytest.raises(CertificateRefusedError, match="at least 8 pairs"):
        joined([one], [[(one.blocks[0], one.blocks[1])]])
