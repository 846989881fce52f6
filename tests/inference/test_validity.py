"""The rules of validity: the first reason that holds, and none where all is well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.history import Window
from inference.validity import judge
from streaming.types import Flag

CHANNELS, TOKENS = 8, 5
YOUNG = np.array([False, False, False, True, True])


def clean(channels: int = CHANNELS) -> Window:
    shape = (channels, TOKENS)
    return Window(
        relative=np.zeros((*shape, 8), np.float32),
        usable=np.ones(shape, np.bool_),
        quality=np.ones(shape, np.float32),
        flags=np.zeros(shape, np.uint8),
        bridged=0.0,
        settled=np.ones(TOKENS, np.bool_),
    )


def flagged(channels: int, flag: Flag, tokens: slice = slice(None), of: int = CHANNELS) -> Window:
    window = clean(of)
    flags, usable = window.flags.copy(), window.usable.copy()
    flags[:channels, tokens] = int(flag)
    usable[:channels, tokens] = False
    return replace(window, flags=flags, usable=usable)


def test_a_clean_window_is_scored() -> None:
    assert judge(clean()) is None


@pytest.mark.parametrize("flag", [Flag.RAILED, Flag.FLAT, Flag.LINE, Flag.CONTACT])
@pytest.mark.parametrize(("of", "off"), [(1, 1), (2, 2), (4, 4), (8, 7), (19, 16)])
def test_a_headset_off_the_head_is_not_worn(flag: Flag, of: int, off: int) -> None:
    assert judge(flagged(off, flag, of=of)) == "not_worn"
    assert judge(flagged(off, flag, slice(TOKENS - 1, None), of=of)) == "not_worn"


def test_more_than_half_without_contact_is_poor_contact() -> None:
    assert judge(flagged(5, Flag.CONTACT)) == "poor_contact"
    assert judge(flagged(3, Flag.CONTACT, of=4)) == "poor_contact"
    assert judge(flagged(4, Flag.CONTACT)) is None


def test_muscle_all_over_is_an_artifact_and_not_contact() -> None:
    assert judge(flagged(8, Flag.MUSCLE)) == "artifact"
    assert judge(flagged(3, Flag.MUSCLE)) is None


def test_a_young_window_warms_up() -> None:
    window = clean()
    usable = window.usable.copy()
    usable[:, :3] = False
    assert judge(replace(window, usable=usable, settled=YOUNG)) == "warming_up"


def test_filters_that_still_ring_lift_no_electrode() -> None:
    window = flagged(8, Flag.CONTACT | Flag.POP)
    assert judge(replace(window, settled=np.zeros(TOKENS, np.bool_))) == "warming_up"


def test_contact_comes_before_artifact_and_artifact_before_warming_up() -> None:
    assert judge(replace(flagged(8, Flag.CONTACT), settled=YOUNG)) == "not_worn"
    assert judge(replace(flagged(6, Flag.MUSCLE), settled=YOUNG)) == "artifact"
