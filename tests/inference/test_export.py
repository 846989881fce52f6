from __future__ import annotations

import errno
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from bci.errors import ModelError
from inference.bundle import PlattScaling, load_bundle
from inference.session import FocusSession
from inference.training.config import TrainingConfig, load_config
from inference.training.evaluate import FocusReport, Row
from inference.training.export import Measured, export, verify
from inference.training.graph import build_graph
from inference.training.metrics import Figure
from inference.training.network import FocusNetwork, NetworkShape
from streaming.features import SCHEMA

REST = PlattScaling(0.6, 0.15, scale_slope=0.2, shift_slope=0.3, fewest=4, most=19)
NONE = PlattScaling(0.4, -0.1, scale_slope=0.1, shift_slope=0.5, fewest=4, most=19)


def network(seed: int = 0, members: int = 8, width: int = 16) -> FocusNetwork:
    torch.manual_seed(seed)
    net = FocusNetwork(NetworkShape(members=members, width=width)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3)
    x, position = torch.randn(300, 9, 6, 8) * 0.4, torch.randn(300, 9, 3) * 0.06
    net.set_scales(x, position, torch.rand(300, 9, 6) > 0.9)
    net.set_distribution(net.paths(x, position, torch.zeros(300, 9, 6, dtype=torch.bool)).summary)
    net.calibrate(REST.scale, REST.shift)
    return net


def measured() -> Measured:
    figure = Figure(0.8, 0.7, 0.9)
    row = Row(
        "baseline",
        "19",
        *[figure] * 6,
        0.7,
        0.6,
        0.7,
        0.65,
        0.04,
        Figure(0.03, 0.01, 0.06),
        0.05,
        0.99,
        ("Subject05 0.31",),
    )
    return Measured(
        report=FocusReport([row], Figure(0.5, 0.4, 0.6), 24),
        ood_limit=4.0,
        ood_limit_uncalibrated=5.0,
        calibrations={"baseline": REST, "none": NONE},
        margin=(0.0, 0.5),
        accuracy=(0.5, 0.9),
        accuracy_uncalibrated=(0.5, 0.8),
        response_s=3.2,
        population=(-2.0,) * 8,
        prior_s=120.0,
        time_constant_s=300.0,
    )


@pytest.mark.parametrize(("members", "width"), [(1, 4), (8, 16)])
def test_onnx_computes_what_torch_does_over_random_montages_and_masks(members: int, width: int) -> None:
    net = network(members=members, width=width)
    assert verify(net, build_graph(net), rounds=60) <= 1e-4


def test_verification_notices_a_graph_of_another_network() -> None:
    with pytest.raises(ModelError, match="differs from the trained network"):
        verify(network(1), build_graph(network(2)), rounds=3)


def test_a_fully_masked_item_is_finite_in_the_graph() -> None:
    session = ort.InferenceSession(build_graph(network()).SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.full((2, 4, 6, 8), 50.0, np.float32)
    said = session.run(None, {"x": x, "position_m": np.zeros((2, 4, 3), np.float32), "mask": np.ones((2, 4, 6), bool)})
    assert all(np.isfinite(np.asarray(one)).all() for one in said)


def test_an_exported_folder_is_a_model_that_the_service_loads(tmp_path: Path) -> None:
    net = network()
    folder = export(net, measured(), TrainingConfig(seed=7), tmp_path)
    assert folder == tmp_path / "focus-attention" / "1.0.0"
    bundle = load_bundle(folder)
    assert bundle.card.feature_schema == SCHEMA.id
    assert bundle.card.tokens == 6
    assert (folder / "model.onnx").stat().st_size < 250_000
    session = FocusSession(bundle)
    x, position, mask = session.inputs(2, 8)
    x[:] = np.random.default_rng(0).normal(0, 0.5, x.shape)
    position[:] = 0.05
    mask[:] = False
    said = session.run(x, position, mask)
    with torch.no_grad():
        logit, spread, ood = net(torch.from_numpy(x), torch.from_numpy(position), torch.from_numpy(mask))
    for ours, theirs in ((said.logit, logit), (said.spread, spread), (said.ood, ood)):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)


def test_a_disk_that_fills_leaves_the_model_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = export(network(), measured(), TrainingConfig(seed=7), tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write = Path.write_bytes

    def fail_at_the_card(path: Path, content: bytes) -> int:
        if path.name.startswith("CARD"):
            write(path, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail_at_the_card)
    with pytest.raises(ModelError, match=r"1\.0\.0: the model cannot be written \(No space left on device\)"):
        export(network(seed=1), measured(), TrainingConfig(seed=8), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("electrodes", [2, 4, 9, 19, 64])
def test_the_graph_and_its_contract_together_calibrate_as_was_fitted(tmp_path: Path, electrodes: int) -> None:
    net = network()
    bundle = load_bundle(export(net, measured(), TrainingConfig(), tmp_path))
    session = FocusSession(bundle)
    x, position, mask = session.inputs(1, 4)
    x[:], position[:], mask[:] = np.random.default_rng(0).normal(0, 0.5, x.shape), 0.05, False
    graph = float(session.run(x, position, mask).logit[0])
    plain = (graph - REST.shift) / REST.scale
    for fitted, calibrated in ((REST, True), (NONE, False)):
        scale, shift = bundle.card.calibration.of(calibrated).at(electrodes)
        wanted_scale, wanted_shift = fitted.at(electrodes)
        assert scale * graph + shift == pytest.approx(wanted_scale * plain + wanted_shift, abs=2e-3)


def test_the_card_says_whose_data_and_what_it_does_not_mean(tmp_path: Path) -> None:
    folder = export(network(), measured(), TrainingConfig(), tmp_path)
    card = (folder / "CARD.md").read_text("utf-8")
    for said in ("10.13026/C2JQ1P", "Open Data Commons Attribution", "mental arithmetic", "closed", "not a diagnosis"):
        assert said in card
    assert "{" not in card
    assert "(Subject00 to Subject23)" in card
    assert "each by a network of all the others" in card
    assert "| Left out | Nobody contradicts" in card


def test_the_card_of_another_recipe_says_what_was_done(tmp_path: Path) -> None:
    config = TrainingConfig(people=(0, 2, 3, 5, 4), folds=2, baseline_s=20.0)
    folder = export(network(), replace(measured(), aside=("Subject02",)), config, tmp_path)
    card = (folder / "CARD.md").read_text("utf-8")
    assert "(Subject00, Subject02, Subject03, Subject05, Subject04)" in card
    assert "in 2 groups, each by a network of all the other groups" in card
    assert "| Left out | Subject02: a coin tells their labels better" in card
    assert "30 s" not in card
    assert "| 20 s of rest | 19 |" in card
    assert "rest_20s_19ch" in load_bundle(folder).card.metrics


def test_the_recipe_beside_a_model_can_be_read_again(tmp_path: Path) -> None:
    config = TrainingConfig(seed=7, steps=11, baseline_starts_s=(0.0, 20.0))
    folder = export(network(), measured(), config, tmp_path)
    assert load_config(folder / "recipe.toml") == config
    assert tomllib.loads((folder / "model.toml").read_text("utf-8"))["metrics"]["rest_30s_19ch"]["auc_pooled"] == 0.8
