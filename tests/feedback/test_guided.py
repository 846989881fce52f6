"""A guided calibration that goes wrong says what happened and what to do, and certifies nothing."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bci.errors import ConfigError
from bci.montage import eeg_channel
from bci.types import StreamSpec
from feedback.guided import GuidedRun, Measurement, Plan
from inference.bundle import find_model
from inference.personal.cue_windows import window_rows
from inference.personal.cued_session import STRIDE_S, CuedBlock, CuedSession, shortest_block_s
from inference.scorer import StreamScorer
from streaming.features import SCHEMA

SPEC = StreamSpec("cap", "cap", "EEG", 250.0, tuple(map(eeg_channel, ("Fp1", "Fp2", "O1", "O2"))), "cap")


def scorer(spec: StreamSpec = SPEC) -> StreamScorer:
    return StreamScorer("p01", spec, find_model(), SCHEMA, hop_s=0.04, group_delay_s=0.2)


def started() -> GuidedRun:
    run = GuidedRun(scorer(), Plan(16, 10.0), ("cross", "task") * 8, lambda _: Future[Measurement]())
    run.begin()
    return run


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(1, 30.0), "even number from 16"),
        (Plan(2, 30.0), "even number from 16"),
        (Plan(17, 10.0), "even number from 16"),
        (Plan(16, 5.0), "expected 6.4 to 60"),
        (Plan(16, 6.0), "expected 6.4 to 60"),
        (Plan(16, 6.39), "expected 6.4 to 60"),
        (Plan(16, 300.0), "expected 6.4 to 60"),
    ],
)
def test_a_plan_that_nothing_can_be_certified_with_is_refused(plan: Plan, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan.check(4.8)


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 256.0, 500.0])
def test_blocks_of_the_shortest_length_hold_a_window_each_whenever_they_begin(rate_hz: float) -> None:
    hop_s, token_s, tokens, blocks = 0.04, 0.8, 6, 16
    plan = Plan(blocks, shortest_block_s(tokens * token_s))
    plan.check(tokens * token_s)
    hop = np.arange(int((blocks + 2) * plan.block_s / hop_s))
    end_s = np.floor((hop + 1) * hop_s * rate_hz) / rate_hz  # a hop ends with a sample
    kept = hop % round(STRIDE_S / hop_s) == 0
    absent = np.zeros((kept.sum(), 0))
    for first in range(10):
        starts = [end_s[first]]  # as `GuidedRun` has it: a block begins at the hop that ends the one before
        for _ in range(blocks):
            starts.append(end_s[end_s - starts[-1] >= plan.block_s][0])
        cued = tuple(CuedBlock("cross", start, stop) for start, stop in pairwise(starts))
        scorable = np.ones(kept.sum(), np.bool_)
        session = CuedSession(absent, absent, absent, absent, end_s[kept], scorable, scorable, cued)
        _, block = window_rows(session, tokens, token_s)
        # The first blocks begin before a window has filled.
        assert set(block.tolist()) >= set(range(1, blocks))


def test_another_headset_meanwhile_ends_it_and_the_same_one_does_not() -> None:
    run = started()
    run.change_headset(scorer())
    assert run.state == "running"
    run.change_headset(scorer(replace(SPEC, channels=SPEC.channels[:2])))
    assert (run.state, run.code, run.certificate) == ("refused", "other_headset", None)
    assert "begin again" in run.message


def test_silence_and_a_person_who_leaves_end_it_as_broken_off() -> None:
    silent, left = started(), started()
    silent.starve()
    left.cancel()
    assert (silent.state, silent.code) == ("refused", "broken_off")
    assert (left.state, left.code) == ("cancelled", "broken_off")
    for run in (silent, left):
        assert "begin again" in run.message
        assert run.fields()["certificate"] is None
