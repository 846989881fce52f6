"""How many samples a reader waits for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.reader import Demand


@given(
    handed_on=st.lists(st.integers(1, 40), max_size=20),
    lag=st.integers(0, 20),
    hop=st.sampled_from([10, 10.24, 20.48, 1]),
)
def test_demand_never_asks_beyond_the_next_hop(handed_on: list[int], lag: int, hop: float) -> None:
    rate_hz = 250.0
    demand = Demand(hop / rate_hz)
    total = 0
    edges = [int(k * hop + 0.5) for k in range(1, 2000)]

    def short(position: int) -> int:
        return next(e for e in edges if e > position) - position

    positions = [0]
    for n_samples in handed_on:
        demand.hand_on(n_samples)
        total += n_samples
        positions.append(total)
        processed = positions[max(0, len(positions) - 1 - lag)]
        if processed:
            demand.met(processed, short(processed))
        asked = demand.samples(rate_hz)
        assert asked >= 1
        if lag == 0:
            assert asked == short(total)
        else:
            assert asked <= max(1, int(hop))


def test_demand_of_an_irregular_stream_is_one_sample() -> None:
    assert Demand(0.04).samples(0.0) == 1
