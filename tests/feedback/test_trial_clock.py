"""A client's clock on the LSL clock: true within the stated error, whatever delays the network adds."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from feedback.service.trial_clock import LEAST_PINGS, TrialClock

LSL_S = 90_000.0
delays = st.lists(st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.2)), min_size=LEAST_PINGS, max_size=40)


class Client:
    """A client whose clock started at another time and drifts."""

    def __init__(self, drift: float = 0.0) -> None:
        self.clock = TrialClock()
        self._drift = drift

    def ms(self, lsl_s: float) -> float:
        return (lsl_s - LSL_S) * (1.0 + self._drift) * 1e3 + 5000.0

    def ping(self, at_s: float, up_s: float, down_s: float, *, tell: bool = True) -> None:
        heard_s = at_s + up_s
        self.clock.ping(self.ms(at_s), heard_s, heard_s + 1e-4)
        if tell:
            self.clock.previous(self.ms(at_s), self.ms(heard_s + 1e-4 + down_s))


@given(delays)
def test_a_stamp_is_true_within_its_stated_error(ways: list[tuple[float, float]]) -> None:
    client = Client()
    for n, (up_s, down_s) in enumerate(ways):
        client.ping(LSL_S + n, up_s, down_s)
    happened_s = LSL_S + len(ways)
    stamp = client.clock.stamp(client.ms(happened_s), happened_s + 0.5)
    assert stamp.how == "client"
    assert stamp.uncertainty_s is not None
    assert abs(stamp.lsl_s - happened_s) <= stamp.uncertainty_s + 1e-6


def test_a_drifting_clock_is_followed() -> None:
    rng = random.Random(1)  # noqa: S311 - a network
    client = Client(drift=2e-4)
    for n in range(40):
        client.ping(LSL_S + 10.0 * n, 0.001 + rng.random() * 0.03, 0.001 + rng.random() * 0.03)
    happened_s = LSL_S + 400.0
    stamp = client.clock.stamp(client.ms(happened_s), happened_s + 0.01)
    assert stamp.uncertainty_s is not None
    assert abs(stamp.lsl_s - happened_s) < 0.01
    assert stamp.uncertainty_s < 0.02


def test_the_shortest_round_trips_count() -> None:
    client = Client()
    for n in range(16):
        client.ping(LSL_S + n, 0.002 if n % 4 == 0 else 0.4, 0.002 if n % 4 == 0 else 0.0)
    stamp = client.clock.stamp(client.ms(LSL_S + 16), LSL_S + 16.1)
    assert abs(stamp.lsl_s - (LSL_S + 16)) < 1e-3
    assert stamp.uncertainty_s is not None
    assert stamp.uncertainty_s < 0.003


def test_before_five_pings_a_trial_is_stamped_on_arrival_and_marked_so() -> None:
    client = Client()
    for n in range(LEAST_PINGS - 1):
        client.ping(LSL_S + n, 0.001, 0.001)
    stamp = client.clock.stamp(client.ms(LSL_S + 4), LSL_S + 4.25)
    assert (stamp.lsl_s, stamp.uncertainty_s, stamp.how) == (LSL_S + 4.25, None, "arrival")
    client.ping(LSL_S + 4.5, 0.001, 0.001)
    assert client.clock.stamp(client.ms(LSL_S + 5), LSL_S + 5.25).how == "client"


def test_a_client_that_never_tells_of_pongs_is_taken_at_its_word() -> None:
    client = Client()
    for n in range(8):
        client.ping(LSL_S + n, 0.010 + 0.001 * n, 0.01, tell=False)
    stamp = client.clock.stamp(client.ms(LSL_S + 8), LSL_S + 8.1, 10.0)
    assert stamp.how == "client"
    assert stamp.uncertainty_s == 0.010
    assert abs(stamp.lsl_s - (LSL_S + 8)) <= 0.010
    assert client.clock.stamp(client.ms(LSL_S + 8), LSL_S + 8.1).how == "arrival"


@given(
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
    st.none() | st.floats(0.0, 1e12),
    st.lists(st.tuples(st.floats(allow_nan=True), st.floats(allow_nan=True)), max_size=40),
)
def test_nonsense_is_stamped_on_arrival(
    t_ms: float | None, uncertainty_ms: float | None, said: list[tuple[float, float]]
) -> None:
    clock = TrialClock()
    for n, (t0_ms, t3_ms) in enumerate(said):
        clock.ping(t0_ms, LSL_S + n, LSL_S + n)
        clock.previous(t0_ms, t3_ms)
    stamp = clock.stamp(t_ms, LSL_S + 50.0, uncertainty_ms)
    assert math.isfinite(stamp.lsl_s)
    assert stamp.how == "client" or stamp.lsl_s == LSL_S + 50.0
