from __future__ import annotations

import numpy as np
import pytest

from bci.montage import position_m
from inference.attribution import REGIONS, attribute, region_of
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


def test_a_band_as_at_rest_contributes_nothing(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session)
    x[:, :, 2] -= x[:, :, 2].mean(axis=1, keepdims=True)
    bands = list(attribute(tiny_session, x, POSITIONS, usable).bands.values())
    assert bands[2] == pytest.approx(0.0, abs=1e-5)
    assert max(abs(change) for change in bands) > 1e-3


def test_a_contribution_is_what_the_model_says_less_without_it(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 1)
    told = attribute(tiny_session, x, POSITIONS, usable)
    without = x.copy()
    without[:, :, 4] -= x[:, :, 4].mean(axis=1, keepdims=True)
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
    assert not alone.regions  # without its only region there is nothing left to score


def test_the_eyes_can_only_have_given_the_low_bands_of_the_front(tiny_session: FocusSession) -> None:
    x, usable = window(tiny_session, 4)
    x[:] = 0.0
    x[5:, :, :2] = 1.0  # theta, but at the back
    assert attribute(tiny_session, x, POSITIONS, usable).ocular == pytest.approx(0.0, abs=1e-6)
