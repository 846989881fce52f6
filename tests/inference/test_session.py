"""ONNX Runtime behind one door: providers that are probed, and batches that do not change a score."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bci.errors import ModelError
from inference.bundle import ModelBundle
from inference.session import FocusSession, channel_bucket, choose_providers


def _nothing_loads(name: str) -> object:
    raise OSError(name)


def test_without_gpu_libraries_the_cpu_is_used_and_a_wish_is_answered() -> None:
    choice = choose_providers(("tensorrt", "cuda", "cpu"), load=_nothing_loads)
    assert choice.providers == ("cpu",)
    assert len(choice.fallbacks) == 2
    assert all("using cpu" in fallback for fallback in choice.fallbacks)


def test_nobody_is_told_of_a_gpu_that_nobody_asked_for() -> None:
    assert choose_providers(load=_nothing_loads).fallbacks == ()


def test_a_gpu_that_is_there_and_cannot_be_used_is_told_to_who_asked_for_nothing() -> None:
    def load(name: str) -> object:
        if "cudnn" in name:
            raise OSError(name)
        return name

    choice = choose_providers(load=load)
    if "build of ONNX Runtime" in "".join(choice.fallbacks):
        pytest.skip("this build of ONNX Runtime knows no CUDA")
    assert choice.providers == ("cpu",)
    assert any("cudnn" in fallback and "using cpu" in fallback for fallback in choice.fallbacks)


def test_a_gpu_whose_libraries_load_is_asked_for_first() -> None:
    choice = choose_providers(("cuda", "cpu"), load=lambda name: name)
    if "build of ONNX Runtime" in "".join(choice.fallbacks):
        pytest.skip("this build of ONNX Runtime knows no CUDA")
    assert choice.providers == ("cuda", "cpu")
    assert choice.fallbacks == ()


def test_tensorrt_without_its_library_leaves_cuda() -> None:
    def load(name: str) -> object:
        if "nvinfer" in name:
            raise OSError(name)
        return name

    choice = choose_providers(("tensorrt", "cuda", "cpu"), load=load)
    if "build of ONNX Runtime" in "".join(choice.fallbacks):
        pytest.skip("this build of ONNX Runtime knows no TensorRT")
    assert choice.providers == ("cuda", "cpu")
    assert "using cuda" in choice.fallbacks[0]


def test_a_session_without_gpu_runs_on_the_cpu_and_says_so(tiny: ModelBundle) -> None:
    choice = choose_providers(("cuda",), load=_nothing_loads)
    session = FocusSession(tiny, choice)
    assert session.provider == "cpu"
    assert len(session.fallbacks) == 1


def test_an_unknown_provider_lists_the_known() -> None:
    with pytest.raises(ModelError, match="tensorrt, cuda, cpu"):
        choose_providers(("abacus",))  # type: ignore[arg-type] - what a configuration file could hold


def test_a_graph_of_another_contract_is_refused(tiny: ModelBundle) -> None:
    fewer = tiny.card.model_copy(update={"inputs": tiny.card.inputs[:2]})
    with pytest.raises(ModelError, match=r"model\.toml says"):
        FocusSession(dataclasses.replace(tiny, card=fewer))


@pytest.mark.parametrize("channels", [1, 2, 8, 19])
def test_batch_and_padding_change_no_score(tiny_session: FocusSession, channels: int) -> None:
    random = np.random.default_rng(3)
    items = [
        (
            random.normal(size=(channels, 6, 8)),
            random.normal(size=(channels, 3)) * 0.08,
            random.random((channels, 6)) < 0.3,
        )
        for _ in range(16)
    ]

    def score(chosen: list[int], width: int) -> np.ndarray:
        x, where, mask = tiny_session.inputs(len(chosen), width)
        x[:], where[:], mask[:] = 0.0, 0.0, True
        for row, index in enumerate(chosen):
            x[row, :channels], where[row, :channels], mask[row, :channels] = items[index]
            mask[row, 0, 0] = False
        return tiny_session.run(x, where, mask).logit

    bucket = channel_bucket(channels)
    alone = np.concatenate([score([index], bucket) for index in range(16)])
    np.testing.assert_allclose(score(list(range(16)), bucket), alone, atol=1e-5)
    np.testing.assert_allclose(score([0], bucket + 8), alone[:1], atol=1e-5)
