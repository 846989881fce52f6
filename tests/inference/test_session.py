"""ONNX Runtime behind one door: providers that are probed, and batches that do not change a score."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from bci.errors import ModelError
from inference.bundle import DEFAULT_MODEL, ModelBundle, load_bundle
from inference.listing import list_models
from inference.session import MAX_BATCH, FocusSession, channel_bucket, choose_providers


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


Change = Callable[[onnx.ModelProto], None]


def _rename(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.input[:] = ["where_m" if name == "position_m" else name for name in node.input]
    model.graph.input[1].name = "where_m"


def _widen(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 10


def _fix_the_batch(model: onnx.ModelProto) -> None:
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 1


def _drop_an_output(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def changed(tiny: ModelBundle, folder: Path, change: Change) -> ModelBundle:
    """Copy a model with another graph, to whose checksum model.toml holds."""
    model = onnx.load(tiny.graph)
    change(model)
    return with_graph(tiny, folder, model.SerializeToString())


def with_graph(tiny: ModelBundle, folder: Path, graph: bytes, **figures: object) -> ModelBundle:
    copy = folder / "tiny" / "1.0.0"
    copy.mkdir(parents=True)
    (copy / "model.onnx").write_bytes(graph)
    text = tiny.folder.joinpath("model.toml").read_text("utf-8")
    text = text.replace(tiny.card.sha256, hashlib.sha256(graph).hexdigest())
    for name, value in figures.items():
        text = re.sub(rf"^{name} = .*", f"{name} = {value}", text, flags=re.MULTILINE)
    (copy / "model.toml").write_text(text, "utf-8")
    return load_bundle(copy)


def problem_of(model_id: str, models_dir: Path) -> str | None:
    (listed,) = [model for model in list_models(models_dir) if model["id"] == model_id]
    assert listed["usable"] == (listed["problem"] is None)
    return listed["problem"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_rename, r"inputs .*where_m float32 \(b, c, 3\).*expected .*position_m"),
        (_widen, "can load"),
        (_fix_the_batch, r"inputs .*\(1, c, t\).*expected .*\(b, c, 6\)"),
        (_drop_an_output, "outputs logit .*; expected .*spread"),
    ],
)
def test_a_graph_off_the_contract_is_refused_and_not_listed_as_usable(
    tiny: ModelBundle, tmp_path: Path, change: Change, says: str
) -> None:
    bundle = changed(tiny, tmp_path, change)
    with pytest.raises(ModelError, match=rf"model\.onnx .*({says}).*focusloop train"):
        FocusSession(bundle)
    assert problem_of("tiny@1.0.0", tmp_path) is not None


def test_bytes_that_are_no_graph_are_refused_without_codes_of_the_runtime(tiny: ModelBundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no graph that ONNX Runtime can load.*focusloop train") as refusal:
        FocusSession(with_graph(tiny, tmp_path, b"nonsense" * 100))
    assert "[ONNXRuntimeError]" not in str(refusal.value)


def test_an_opset_that_is_not_the_graphs_is_refused(tiny: ModelBundle, tmp_path: Path) -> None:
    bundle = with_graph(tiny, tmp_path, tiny.graph.read_bytes(), opset=99)
    with pytest.raises(ModelError, match=r"of opset 20, model\.toml says 99; .*focusloop train"):
        FocusSession(bundle)
    assert "opset" in (problem_of("tiny@1.0.0", tmp_path) or "")


def test_tokens_of_another_length_than_the_features_are_refused(tiny: ModelBundle, tmp_path: Path) -> None:
    with_graph(tiny, tmp_path, tiny.graph.read_bytes(), token_s=0.4, window_s=2.4)
    assert "tokens of 0.4 s, the features 0.8 s" in (problem_of("tiny@1.0.0", tmp_path) or "")


def test_the_shipped_model_is_usable(tmp_path: Path) -> None:
    assert problem_of(DEFAULT_MODEL, tmp_path) is None


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


def test_batches_of_one_channel_count_share_their_arrays(tiny_session: FocusSession) -> None:
    few, many = tiny_session.inputs(1, 8), tiny_session.inputs(MAX_BATCH, 8)
    assert all(np.shares_memory(one, other) for one, other in zip(few, many, strict=True))
    random = np.random.default_rng(5)
    more = tiny_session.inputs(MAX_BATCH + 1, 8)
    more[0][:], more[1][:], more[2][:] = random.normal(size=more[0].shape), 0.05, False
    logits = tiny_session.run(*more).logit
    for mine, theirs in zip(few, more, strict=True):
        mine[:] = theirs[:1]
    np.testing.assert_allclose(tiny_session.run(*few).logit, logits[:1], atol=1e-5)
