"""A fault that is set by hand on `simulator:manual` becomes the contract's reason by its samples alone."""

from __future__ import annotations

import numpy as np
import pytest

from bci.sources.simulator import ManualSimulator
from bci.uri import parse_uri
from inference.eyes import AlphaIndex
from inference.history import FrameHistory
from inference.noise import SpectralSlope
from inference.types import Reason
from inference.validity import judge
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

HOP_S = 0.1


def judgements(
    manual: ManualSimulator, seconds: float, history: FrameHistory, pipeline: Pipeline
) -> list[Reason | None]:
    """Play so many seconds and judge each window."""
    reasons: list[Reason | None] = []
    left = seconds * manual.spec.nominal_rate_hz
    while left > 0:
        chunk = manual.read(25, 1.0)
        assert chunk is not None
        left -= len(chunk)
        reasons += [judge(history.push(frame)) for frame in pipeline.process(chunk)]
    return reasons


@pytest.mark.parametrize("reason", ["not_worn", "poor_contact", "artifact", "warming_up"])
def test_a_fault_becomes_its_reason_and_goes_again(reason: Reason) -> None:
    manual = ManualSimulator(parse_uri("simulator:manual?speed=0"))
    pipeline = Pipeline(manual.open(), hop_s=HOP_S)
    history = FrameHistory(
        8, np.arange(1, 8), AlphaIndex(SCHEMA.bands_hz[1:8]), SpectralSlope(SCHEMA.bands_hz[1:8]), 5, 8
    )
    before = judgements(manual, 12, history, pipeline)[80:]
    manual.set_fault(reason)
    during = judgements(manual, 12, history, pipeline)[60:]
    manual.set_fault(None)
    after = judgements(manual, 16, history, pipeline)[120:]
    assert before.count(None) > 0.9 * len(before)
    assert during.count(reason) > 0.9 * len(during)
    assert after.count(None) > 0.9 * len(after)
