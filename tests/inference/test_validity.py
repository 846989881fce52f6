"""The rules of validity: the first reason that holds, and none where all is well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inference.eyes import AlphaIndex
from inference.history import FrameHistory, Window
from inference.noise import SpectralSlope
from inference.validity import judge
from streaming.features import SCHEMA
from streaming.types import FeatureFrame, Flag

CHANNELS, TOKENS = 8, 5
ALWAYS = range(TOKENS)


def window(
    bad: int = 0,
    flag: Flag = Flag.NONE,
    tokens: range = ALWAYS,
    *,
    of: int = CHANNELS,
    settled_from: int = 0,
    values: Sequence[float] = (0.0,) * 10,
) -> Window:
    """Five tokens in which `bad` of the channels show `flag` during `tokens`."""
    ring = FrameHistory(
        of, np.arange(1, 8), AlphaIndex(SCHEMA.bands_hz[1:8]), SpectralSlope(SCHEMA.bands_hz[1:8]), TOKENS, 1
    )
    for token in range(TOKENS):
        is_bad = (np.arange(of) < bad) & (token in tokens)
        last = ring.push(
            FeatureFrame(
                values=np.tile(np.float32(values), (of, 1)),
                quality=np.where(is_bad, 0.0, 1.0).astype(np.float32),
                flags=np.where(is_bad, int(flag), 0).astype(np.uint8),
                end_s=token * 0.8,
                schema_id="test",
                hop=token,
                generation=0,
                settled=token >= settled_from,
                bridged=0.0,
            )
        )
    return last


def test_a_clean_window_is_scored() -> None:
    assert judge(window()) is None


@pytest.mark.parametrize("flag", [Flag.RAILED, Flag.FLAT, Flag.LINE, Flag.CONTACT])
@pytest.mark.parametrize(("of", "off"), [(1, 1), (2, 2), (4, 4), (8, 7), (19, 16)])
def test_a_headset_off_the_head_is_not_worn(flag: Flag, of: int, off: int) -> None:
    assert judge(window(off, flag, of=of)) == "not_worn"
    assert judge(window(off, flag, range(TOKENS - 1, TOKENS), of=of)) == "not_worn"


def test_more_than_half_without_contact_is_poor_contact() -> None:
    assert judge(window(5, Flag.CONTACT)) == "poor_contact"
    assert judge(window(3, Flag.CONTACT, of=4)) == "poor_contact"
    assert judge(window(4, Flag.CONTACT)) is None


def test_muscle_all_over_is_an_artifact_and_not_contact() -> None:
    assert judge(window(8, Flag.MUSCLE)) == "artifact"
    assert judge(window(3, Flag.MUSCLE)) is None


def test_a_young_window_warms_up() -> None:
    assert judge(window(settled_from=3)) == "warming_up"


def test_filters_that_still_ring_lift_no_electrode() -> None:
    assert judge(window(8, Flag.CONTACT | Flag.POP, settled_from=TOKENS)) == "warming_up"


def test_contact_comes_before_artifact_and_artifact_before_warming_up() -> None:
    assert judge(window(8, Flag.CONTACT, settled_from=3)) == "not_worn"
    assert judge(window(6, Flag.MUSCLE, settled_from=3)) == "artifact"


def test_power_that_does_not_fall_with_frequency_is_of_no_head() -> None:
    low, high = np.array(SCHEMA.bands_hz).T
    white = np.log(high - low)
    assert judge(window(values=white.tolist())) == "out_of_distribution"
    assert judge(window(values=(white - 0.3 * np.log(low * high)).tolist())) is None  # density as f^-0.6
    assert judge(window(8, Flag.MUSCLE, values=white.tolist())) == "artifact"  # what is nearer comes first
