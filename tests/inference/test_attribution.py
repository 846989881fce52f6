from __future__ import annotations

import numpy as np
import pytest

from bci.montage import position_m
from inference.attribution import REGIONS, attribute, region_of, shares
from inference.session import FocusSession

LABELS = ("Fp1", "Fp2", "T7", "T8", "Cz", "P3", "O2")
POSITIONS = np.array([position_m(label) for label in LABELS], np.float32)


def window(session: FocusSession, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    card = session.bundle.card
    x = np.random.default_rng(seed).normal(0, 0.5, (len(LABELS), card.tokens, len(card.bands_hz)))
    return x.astype(np.float32), np.ones((len(LABELS), card.tokens), bool)


def test_each_electrode_has_the_region_that_its_name_says() -> None:
    found = {
        label: region_of(position_m(label) or (0.0, 0.0, 0.0))
        for label in ("Fz", "F7", "T7", "T8", "C3", "Cz", "Pz", "O1")
    }
    assert found == {
        "Fz": "front",
        "F7": "front",
        "T7": "left",
        "T8": "right",
        "C3": "centre",
        "Cz": "centre",
        "Pz": "back",
        "O1": "back",
    }


def level(x: np.ndarray) -> np.ndarray:
    mean = x.mean(axis=1)
    return mean - np.median(mean, axis=1, keepdims=True)


def test_a_band_as_at_rest_contributes_nothing(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session)
    x[:, :, :] -= x.mean(axis=1, keepdims=True)
    x[:, :, 5:7] += 0.4
    x[:, :, 3] -= 0.3
    bands = list(attribute(tiny_session, x, POSITIONS, usable).bands.values())
    assert bands[2] == pytest.approx(0.0, abs=1e-5)
    assert max(abs(change) for change in bands) > 1e-3


def test_a_contribution_is_what_the_model_says_less_without_it(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 1)
    told = attribute(tiny_session, x, POSITIONS, usable)
    without = x.copy()
    without[:, :, 4] -= level(x)[:, None, 4]
    band = tiny_session.bundle.card.bands_hz[4]
    assert told.bands[band] == pytest.approx(
        told.logit - attribute(tiny_session, without, POSITIONS, usable).logit, abs=1e-4
    )


def test_unusable_tokens_do_not_matter(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 2)
    usable[2, :3] = False
    other = x.copy()
    other[2, :3] = 40.0
    one, two = (attribute(tiny_session, some, POSITIONS, usable) for some in (x, other))
    assert one.logit == pytest.approx(two.logit, abs=1e-4)
    np.testing.assert_allclose(list(one.bands.values()), list(two.bands.values()), atol=1e-3)


def test_every_region_with_electrodes_is_named_and_shares_are_shares(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 3)
    told = attribute(tiny_session, x, POSITIONS, usable)
    assert set(told.regions) == set(REGIONS)
    assert 0.0 <= told.ocular <= 1.0
    assert 0.0 <= told.muscular <= 1.0
    alone = attribute(tiny_session, x[:2], POSITIONS[:2], usable[:2])
    assert set(alone.regions) == {"front"}


def test_a_region_contributes_what_its_electrodes_less_their_own_level_would_not_say(
    tiny_session: FocusSession,
) -> None:
    x, usable = window(tiny_session, 5)
    without = x.copy()
    without[5:] -= level(x)[5:, None, :]
    told, less = (attribute(tiny_session, some, POSITIONS, usable) for some in (x, without))
    assert told.regions["back"] == pytest.approx(told.logit - less.logit, abs=1e-4)


def test_what_all_bands_do_together_is_no_band_of_its_own(tiny_session: FocusSession) -> None:
    """Power is told in shares: one band that rises lowers all others, and only that one is named."""
    x, usable = window(tiny_session, 6)
    x -= x.mean(axis=1, keepdims=True)
    x[:, :, 7] += 0.9
    bands = list(attribute(tiny_session, x, POSITIONS, usable).bands.values())
    lowered = list(attribute(tiny_session, x - 0.3, POSITIONS, usable).bands.values())
    np.testing.assert_allclose(lowered, bands, atol=1e-4)
    assert shares(bands)[7] == pytest.approx(1.0, abs=1e-3)


def test_shares_of_nothing_are_zero() -> None:
    assert shares([0.0, 0.0]) == [0.0, 0.0]
    assert shares([-3.0, 1.0]) == [0.75, 0.25]


def test_the_eyes_can_only_have_given_the_low_bands_of_the_front(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 4)
    x[:] = 0.0
    x[5:, :, :2] = 1.0  # theta, but at the back
    assert attribute(tiny_session, x, POSITIONS, usable).ocular == pytest.approx(0.0, abs=1e-6)


def test_without_a_baseline_contributions_count_as_little_as_the_logit_does(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 2)
    against_rest = attribute(tiny_session, x, POSITIONS, usable)
    alone = attribute(tiny_session, x, POSITIONS, usable, calibrated=False)
    calibration = tiny_session.bundle.card.calibration
    (scale_rest, shift_rest), (scale, shift) = (calibration.of(calibrated).at(len(x)) for calibrated in (True, False))
    assert scale < scale_rest
    graph = (against_rest.logit - shift_rest) / scale_rest
    assert alone.logit == pytest.approx(scale * graph + shift, abs=1e-5)
    for band, change in against_rest.bands.items():
        assert alone.bands[band] == pytest.approx(scale / scale_rest * change, abs=1e-5)
