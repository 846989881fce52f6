from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.training.network import FocusNetwork, NetworkShape

Window = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def network(seed: int = 0) -> FocusNetwork:
    torch.manual_seed(seed)
    net = FocusNetwork(NetworkShape(members=3, width=4)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.4)
    net.set_distribution(torch.randn(400, net.shape.summaries))
    net.calibrate(0.7, -0.2)
    return net


def windows(seed: int, items: int, channels: int) -> Window:
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 1, (items, channels, 6, 8)).astype(np.float32)
    direction = generator.normal(0, 1, (items, channels, 3))
    position = (0.09 * direction / np.linalg.norm(direction, axis=2, keepdims=True)).astype(np.float32)
    mask = generator.random((items, channels, 6)) < 0.3
    mask[:, 0, 0] = False
    return torch.from_numpy(x), torch.from_numpy(position), torch.from_numpy(mask)


@given(st.integers(0, 2**31), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_the_order_of_electrodes_does_not_matter(seed: int, channels: int) -> None:
    x, position, mask = windows(seed, 2, channels)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(channels))
    with torch.no_grad():
        one = network()(x, position, mask)
        other = network()(x[:, order], position[:, order], mask[:, order])
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_masked_electrodes_are_as_if_they_were_not_there(seed: int, channels: int, extra: int) -> None:
    x, position, mask = windows(seed, 2, channels)
    more_x, more_position, _ = windows(seed + 1, 2, extra)
    with torch.no_grad():
        alone = network()(x, position, mask)
        padded = network()(
            torch.cat([x, 1e3 * more_x], 1),
            torch.cat([position, more_position], 1),
            torch.cat([mask, torch.ones(2, extra, 6, dtype=torch.bool)], 1),
        )
    for a, b in zip(alone, padded, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_a_fully_masked_item_gives_finite_numbers_and_leaves_the_others_alone() -> None:
    x, position, mask = windows(1, 3, 6)
    net = network()
    with torch.no_grad():
        before = net(x, position, mask)
        mask[1] = True
        after = net(x, position, mask)
    for a, b in zip(before, after, strict=True):
        assert torch.isfinite(b).all()
        torch.testing.assert_close(a[[0, 2]], b[[0, 2]])


def test_summary_is_mean_and_slopes_of_the_usable_electrodes() -> None:
    x, position, mask = windows(2, 1, 12)
    net = FocusNetwork(NetworkShape(slope_ridge=1e-9))
    with torch.no_grad():
        summary = net.paths(x, position, mask).summary.numpy().reshape(4, 8)
    rows = (~mask[0]).numpy()
    values = (x - x.mean(3, keepdim=True))[0].numpy()[rows]
    place = np.repeat(position[0].numpy()[:, None] / 0.09, 6, axis=1)[rows]
    np.testing.assert_allclose(summary[0], values.mean(0), atol=1e-5)
    for row, axis in ((1, 0), (2, 1)):
        slope = np.polyfit(place[:, axis], values, 1)[0]
        np.testing.assert_allclose(summary[row], slope, atol=1e-4)


def test_ood_is_about_one_for_usual_windows_and_large_for_strange_ones() -> None:
    net = FocusNetwork()
    x, position, _ = windows(3, 600, 8)
    mask = torch.zeros(600, 8, 6, dtype=torch.bool)
    with torch.no_grad():
        net.set_distribution(net.paths(x[:500], position[:500], mask[:500]).summary)
        usual = net(x[500:], position[500:], mask[500:])[2]
        strange = net(x[500:] + 6.0 * torch.eye(8)[2], position[500:], mask[500:])[2]
    assert float(usual.mean()) == pytest.approx(1.0, abs=0.25)
    assert float(strange.min()) > 5 * float(usual.max())


def test_spread_is_the_disagreement_of_the_members() -> None:
    net = network()
    x, position, mask = windows(4, 5, 8)
    with torch.no_grad():
        free, by_place = net.logits(net.paths(x, position, mask))
        logit, spread, _ = net(x, position, mask)
    members = 0.5 * (free + by_place) * 0.7
    torch.testing.assert_close(spread, members.std(1, unbiased=False))
    torch.testing.assert_close(logit, members.mean(1) - 0.2)


def test_weights_vary_with_the_number_of_electrodes_between_two_and_nineteen_and_not_beyond() -> None:
    net = network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.calibrate(1.0, 0.0)
        net.moment_head.weight[:, -1] = 1.0  # the swing of the last band, times the logarithm of how many there are

    def logit(channels: int, seen: int) -> float:
        x = torch.zeros(1, channels, 6, 8)
        x[0, :, ::2, -1] = 1.0
        mask = torch.arange(channels)[None, :, None].expand(1, channels, 6) >= seen
        with torch.no_grad():
            return float(net(x, torch.zeros(1, channels, 3), mask)[0])

    counts = (1, 2, 4, 9, 19, 64)
    by_count = [logit(count, count) for count in counts]
    assert by_count[0] == by_count[1] < by_count[2] < by_count[3] < by_count[4] == by_count[5]
    assert by_count[3] == pytest.approx(0.0, abs=1e-6)
    assert logit(19, 4) == pytest.approx(by_count[2])  # a masked electrode does not count
