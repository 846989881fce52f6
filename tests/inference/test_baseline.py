"""A baseline comes of clean rest; each refusal has its code and a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from made_eeg import chunk_of, made_uv, stream_spec

from bci.errors import BaselineRefusedError
from inference.baseline import Baseline, Owner, RestCollector, rebind
from inference.eyes import contradicts
from inference.noise import SpectralSlope
from inference.normalise import relative_log_power
from inference.window_kernel import USABLE
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

HOP_S = 0.1
BANDS = SCHEMA.bands_hz[:8]
OWNER = Owner("p01", "Test Headset", ("Fz", "Cz", "Pz", "Oz"), "tiny@1.0.0")
OPEN = np.log([0.45, 0.12, 0.09, 0.06, 0.08, 0.1, 0.06, 0.04]).astype(np.float32)
WIDE_OPEN = np.log([0.45, 0.13, 0.1, 0.03, 0.04, 0.14, 0.07, 0.04]).astype(np.float32)
CLOSED = np.log([0.2, 0.05, 0.05, 0.3, 0.3, 0.05, 0.03, 0.02]).astype(np.float32)


def rest(seconds: float, spectrum: np.ndarray = OPEN, bad_share: float = 0.0) -> RestCollector:
    collector = RestCollector(OWNER, HOP_S, BANDS, 4)
    random = np.random.default_rng(5)
    for number in range(round(seconds / HOP_S)):
        usable = np.full(4, (number % 100) >= bad_share * 100)
        collector.add((spectrum + random.normal(scale=0.1, size=(4, 8))).astype(np.float32), usable)
    return collector


def refused(
    collector: RestCollector, asked: Literal["open", "closed"] | None = "open", earlier: float | None = None
) -> str:
    with pytest.raises(BaselineRefusedError) as refusal:
        collector.finish(0.0, asked_eyes=asked, earlier_score=earlier)
    assert len(str(refusal.value)) > 30
    return refusal.value.code


def taken(spectrum: np.ndarray = OPEN, asked: Literal["open", "closed"] | None = "open") -> Baseline:
    return rest(30.0, spectrum).finish(1000.0, asked_eyes=asked)


def test_half_a_minute_of_clean_rest_is_a_baseline() -> None:
    baseline = taken()
    assert baseline.clean_s == pytest.approx(30.0)
    np.testing.assert_allclose(baseline.array(), np.tile(OPEN, (4, 1)), atol=0.03)
    assert baseline.age_s(1060.0) == 60.0


def test_each_refusal_has_its_code() -> None:
    assert refused(rest(3.0)) == "too_short"
    assert refused(rest(30.0, bad_share=0.7)) == "too_noisy"
    assert refused(rest(30.0, CLOSED)) == "eye_state"
    assert refused(rest(30.0, WIDE_OPEN), asked="closed") == "eye_state"
    assert refused(rest(30.0), earlier=0.9) == "looks_like_task"


@pytest.mark.parametrize("rate_hz", [125.0, 250.0, 256.0, 500.0])
@pytest.mark.parametrize(("level_uv", "mains_uv"), [(2.0, 0.0), (5.0, 0.0), (15.0, 0.0), (2.0, 30.0)])
def test_noise_is_no_rest(rate_hz: float, level_uv: float, mains_uv: float) -> None:
    random = np.random.default_rng(3)
    uv = random.normal(0.0, level_uv, (round(30.0 * rate_hz), len(OWNER.labels)))
    uv += mains_uv * np.sin(2.0 * np.pi * 50.0 * np.arange(len(uv)) / rate_hz)[:, None]
    collector = through_the_pipeline(uv, rate_hz)
    collector.check_clean()
    with pytest.raises(BaselineRefusedError, match=r"looks like noise.*put the headset on") as refusal:
        collector.finish(0.0, asked_eyes=None)
    assert refusal.value.code == "too_noisy"


def test_a_head_is_no_noise_with_little_or_much_alpha() -> None:
    eeg = made_uv(4, 30.0, 250.0)
    assert through_the_pipeline(eeg, 250.0).finish(0.0, asked_eyes=None).clean_s > 20.0
    slope = SpectralSlope(BANDS)
    assert slope.of(np.tile(CLOSED, (4, 1))) == pytest.approx(slope.of(np.tile(CLOSED, (1, 1))))
    less_alpha = CLOSED - np.array([0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0], np.float32)
    assert slope.of(less_alpha[None]) == pytest.approx(slope.of(CLOSED[None]))


def test_a_few_noisy_electrodes_do_not_make_noise_of_a_head() -> None:
    uv = made_uv(4, 30.0, 250.0)
    uv[:, 3] = np.random.default_rng(4).normal(0.0, 5.0, len(uv))
    assert through_the_pipeline(uv, 250.0).finish(0.0, asked_eyes=None).clean_s > 20.0


def through_the_pipeline(uv: np.ndarray, rate_hz: float) -> RestCollector:
    spec = stream_spec(OWNER.labels, rate_hz)
    pipeline = Pipeline(spec, hop_s=HOP_S)
    collector = RestCollector(OWNER, HOP_S, BANDS, 4)
    for frame in filter(lambda one: one.settled, pipeline.process(chunk_of(spec, uv))):
        collector.add(relative_log_power(frame.values[:, : len(BANDS)]), frame.quality >= USABLE)
    return collector


def test_a_baseline_of_other_bands_does_not_fit() -> None:
    baseline = taken()
    assert replace(OWNER, bands=8).fits(baseline)
    assert not replace(OWNER, bands=7).fits(baseline)


def test_a_model_trained_anew_under_its_old_name_takes_no_old_baseline() -> None:
    anew = replace(OWNER, model_sha256="b" * 64)
    assert not anew.fits(taken())  # of before the checksum was kept
    assert not anew.fits(taken().model_copy(update={"model_sha256": "a" * 64}))
    assert anew.fits(taken().model_copy(update={"model_sha256": "b" * 64}))


def test_closed_eyes_are_held_against_the_same_persons_open_ones() -> None:
    opened = taken(OPEN).alpha_index
    assert rest(30.0, CLOSED).finish(0.0, asked_eyes="closed", open_index=opened).eyes == "closed"
    for index in (opened, opened + 0.4, opened - 0.2):
        with pytest.raises(BaselineRefusedError, match="your own rest with open eyes") as refusal:
            rest(30.0, OPEN).finish(0.0, asked_eyes="closed", open_index=index)
        assert refusal.value.code == "eye_state"
    assert taken(OPEN, "closed").eyes == "closed", "nothing known of the person: seen with closed eyes, too"
    # Little alpha is no fault of closed eyes where there is still less with open ones.
    little = taken(WIDE_OPEN).alpha_index
    assert rest(30.0, WIDE_OPEN).finish(0.0, asked_eyes="closed", open_index=little - 0.3).eyes == "closed"


def test_only_clean_seconds_count() -> None:
    assert rest(30.0, bad_share=0.3).clean_s == pytest.approx(21.0)


def test_the_eyes_of_a_recording_are_judged() -> None:
    assert taken(CLOSED, None).eyes == "closed"
    assert taken(OPEN, None).eyes == "open"


def test_eyes_that_change_contradict_the_baseline_both_ways() -> None:
    closed, opened = taken(CLOSED, "closed"), taken(OPEN)
    assert contradicts(opened.alpha_index, closed.alpha_index, "closed")
    assert contradicts(closed.alpha_index, opened.alpha_index, "open")
    assert not contradicts(opened.alpha_index + 0.2, opened.alpha_index, "open")
    # More alpha than in a baseline of closed eyes is no opening of the eyes.
    assert not contradicts(closed.alpha_index + 0.7, closed.alpha_index, "closed")


def test_a_baseline_serves_fewer_electrodes_of_the_same_person() -> None:
    fewer = rebind(taken(), Owner("p01", "task.edf", ("Pz", "Fz"), "tiny@1.0.0"))
    assert fewer.labels == ("Pz", "Fz")
    assert fewer.mean == (taken().mean[2], taken().mean[0])


def test_a_baseline_of_another_headset_names_what_is_missing() -> None:
    with pytest.raises(BaselineRefusedError, match="AF7") as refusal:
        rebind(taken(), Owner("p01", "Muse 2", ("AF7", "AF8"), "tiny@1.0.0"))
    assert refusal.value.code == "other_headset"


@pytest.mark.parametrize(
    "other",
    [
        Owner("p02", "Test Headset", OWNER.labels, OWNER.model),
        Owner("p01", "Other", OWNER.labels, OWNER.model),
        Owner("p01", "Test Headset", ("Fz", "Cz", "Pz", "O1"), OWNER.model),
        Owner("p01", "Test Headset", OWNER.labels, "tiny@2.0.0"),
    ],
)
def test_a_baseline_fits_its_owner_only(other: Owner) -> None:
    assert OWNER.fits(taken())
    assert not other.fits(taken())
