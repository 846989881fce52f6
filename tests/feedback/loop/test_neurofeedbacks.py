"""A protocol rests, then rewards what rises above rest; nothing is rewarded without a valid moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.config import NeurofeedbackConfig
from bci.errors import ConfigError
from feedback.difficulty.band_power import BandPower
from feedback.loop.neurofeedbacks import Neurofeedbacks
from streaming.features import SCHEMA
from streaming.types import FeatureFrame, Flag

HOP_S = 0.04
LABELS = ["O1", "O2", "Fz"]
ALPHA = NeurofeedbackConfig.model_validate(
    {"criteria": [{"band_hz": [8, 13], "channels": ["o1", "O2"]}], "rest_s": 5.0, "dwell_s": 0.2}
)


class Head:
    """A stream whose alpha is set by hand; keeps what was told."""

    def __init__(self, settings: NeurofeedbackConfig = ALPHA, seed: int = 1) -> None:
        self.labels = list(LABELS)
        self.published: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.all = Neurofeedbacks(self._publish, self._tell, lambda _: self.labels, HOP_S)
        self.all.set("p01", settings)
        self._random = np.random.default_rng(seed)
        self.hop = 0

    def _publish(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        assert (stream, topic) == ("p01", "neurofeedback")
        self.published.append(dict(fields))

    def _tell(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        self._publish(stream, topic, fields)
        self.events.append(dict(fields))

    def live(
        self,
        seconds: float,
        alpha_db: float = 0.0,
        *,
        reason: str | None = None,
        value: float = 0.5,
        quality: tuple[float, ...] = (1.0, 1.0, 1.0),
        flags: Flag = Flag.NONE,
        steady: bool = False,
    ) -> list[dict[str, Any]]:
        """Let time pass with alpha so far above what is usual; gives what was told."""
        before = len(self.published)
        for _ in range(round(seconds / HOP_S)):
            spread = np.zeros((3, SCHEMA.n_bands)) if steady else self._random.normal(0.0, 0.5, (3, SCHEMA.n_bands))
            values = spread + np.array([[3.0], [0.0], [1.0]])
            values[:2, 3:5] += alpha_db * np.log(10.0) / 10.0
            self.hop += 1
            end_s = 100.0 + self.hop * HOP_S
            frame = FeatureFrame(
                values.astype(np.float32),
                np.array(quality, np.float32),
                np.full(3, int(flags), np.uint8),
                end_s,
                SCHEMA.id,
                self.hop,
                0,
                True,
                0.0,
            )
            self.all.frames("p01", [frame])
            score = {"t_lsl_s": end_s, "reason": reason, "value": None if reason else value, "origin": "simulator"}
            self.all.on_score("p01", score)
        return self.published[before:]


def test_rest_makes_the_threshold_and_more_of_the_rhythm_is_rewarded() -> None:
    head = Head()
    rest = head.live(5.0)
    assert {one["state"] for one in rest[:-1]} == {"rest"}
    assert not any(one["rewarded"] or one["valid"] for one in rest)
    usual, high = head.live(20.0), head.live(20.0, 6.0)
    assert usual[0]["predicted"] == pytest.approx(0.7, abs=0.01)
    assert sum(one["criteria"][0]["met"] for one in usual) / len(usual) == pytest.approx(0.7, abs=0.1)
    assert sum(one["criteria"][0]["met"] for one in high) / len(high) > 0.95
    assert sum(one["rewarded"] for one in high) == pytest.approx(20, abs=2)  # dwell and refractory time: one a second
    assert high[-1]["rewards"] == sum(one["rewarded"] for one in (*usual, *high))
    assert not any(one["rewarded"] for one in head.live(10.0, -20.0))


def test_rewards_and_changes_are_events_too_and_nothing_else_is() -> None:
    head = Head()
    head.live(5.0)
    said = [(one["state"], one["rewarded"]) for one in head.events]
    assert said == [("rest", False), ("running", False)]
    high = head.live(10.0, 6.0)
    assert head.events[2:] == [one for one in high if one["rewarded"]]


@pytest.mark.parametrize("reason", ["not_worn", "artifact", "stale", "paused", "out_of_distribution"])
def test_nothing_is_rewarded_without_a_score_and_dwelling_starts_anew(reason: str) -> None:
    head = Head()
    head.live(5.0)
    head.live(2.0, 20.0)
    unread = head.live(3.0, 20.0, reason=reason)
    assert {(one["valid"], one["rewarded"], one["reason"]) for one in unread} == {(False, False, reason)}
    assert not any(one["rewarded"] for one in head.live(ALPHA.dwell_s - HOP_S, 20.0))


def test_rest_counts_clean_seconds_only() -> None:
    head = Head()
    assert head.live(60.0, reason="artifact")[-1]["progress"] == 0.0
    assert head.live(4.9)[-1]["state"] == "rest"
    assert head.live(0.2)[-1]["state"] == "running"


def test_eyes_that_do_not_fit_the_baseline_are_no_reason_for_band_power_but_for_the_focus() -> None:
    bands, focus = Head(), Head(NeurofeedbackConfig.model_validate({"criteria": [{}], "rest_s": 5.0}))
    for head in (bands, focus):
        head.live(5.0)
    assert bands.live(1.0, reason="baseline_mismatch")[-1]["valid"] is True
    assert focus.live(1.0, reason="baseline_mismatch")[-1]["reason"] == "baseline_mismatch"


def test_silence_is_told_with_its_reason() -> None:
    head = Head()
    head.live(6.0)
    head.all.on_score("p01", {"t_lsl_s": None, "reason": "no_data", "value": None, "origin": "live"})
    assert (head.published[-1]["valid"], head.published[-1]["reason"]) == (False, "no_data")


def test_a_masked_electrode_does_not_shift_the_reading() -> None:
    head = Head()
    head.live(5.0, steady=True)
    both = head.live(0.2, 3.0, steady=True)[-1]["criteria"][0]["reading"]
    one = head.live(0.2, 3.0, steady=True, quality=(1.0, 0.0, 1.0))[-1]["criteria"][0]["reading"]
    assert both == pytest.approx(3.0, abs=2e-3)
    assert one == pytest.approx(both, abs=2e-3)  # though O1 has 13 dB more than O2
    neither = head.live(0.2, 3.0, steady=True, quality=(0.0, 0.0, 1.0), flags=Flag.CONTACT)[-1]
    assert (neither["valid"], neither["reason"]) == (False, "poor_contact")
    assert head.live(0.2, quality=(0.0, 0.0, 1.0), flags=Flag.BLINK)[-1]["reason"] == "artifact"


def test_another_headset_rests_anew_and_one_without_the_electrodes_fails_with_a_sentence() -> None:
    head = Head()
    head.live(6.0)
    head.labels = ["O1", "O2", "Cz"]
    again = head.live(0.2)[-1]
    assert again["state"] == "rest"
    assert "measured anew" in again["detail"]
    head.labels = ["C3", "C4", "Cz"]
    failed = head.live(0.2)[-1]
    assert (failed["state"], failed["valid"]) == ("failed", False)
    assert "no electrode o1, O2 is scored here; there are C3, C4, Cz" in failed["detail"]


def test_blocks_move_the_threshold_and_say_so() -> None:
    asked = {"criteria": [{"band_hz": [8, 13], "threshold": "block"}], "rest_s": 5.0, "block_s": 10.0}
    head = Head(NeurofeedbackConfig.model_validate(asked))
    before = head.live(6.0)[-1]["criteria"][0]["threshold"]
    after = head.live(11.0, 6.0)[-1]
    assert after["criteria"][0]["threshold"] > before
    assert "moved from" in after["detail"]


@given(place=st.integers(0, SCHEMA.n_bands - 1), n=st.integers(1, SCHEMA.n_bands), level=st.floats(-3.0, 6.0))
def test_power_of_joined_bands_is_the_sum_of_theirs(place: int, n: int, level: float) -> None:
    bands = SCHEMA.bands_hz[place : place + n]
    power = BandPower((bands[0][0], bands[-1][1]), SCHEMA.bands_hz)
    values = np.full((2, SCHEMA.n_bands), level, np.float32)
    levels = power.levels_db(values, np.ones(2, np.float32), [0, 1])
    assert levels == pytest.approx(10.0 * np.log10(len(bands) * np.exp(level)), abs=1e-5)


@pytest.mark.parametrize("edges", [(13.0, 8.0), (7.0, 13.0), (8.0, 8.0), (45.0, 60.0)])
def test_edges_that_are_none_are_refused(edges: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="expected two of the edges 1, 4, 6, 8, 10, 13"):
        BandPower(edges, SCHEMA.bands_hz)


def test_a_protocol_that_cannot_be_leaves_the_one_that_runs() -> None:
    head = Head()
    head.live(6.0)
    with pytest.raises(ConfigError, match="no electrode Q1"):
        head.all.set(
            "p01", NeurofeedbackConfig.model_validate({"criteria": [{"band_hz": [8, 13], "channels": ["Q1"]}]})
        )
    assert head.all.view("p01")["state"] == "running"
    head.all.end("p01")
    assert head.all.view("p01") == {"state": "none"}
    assert head.live(1.0) == []
