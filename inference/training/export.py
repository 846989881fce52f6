"""A trained network becomes a model folder: graph, contract and card; nothing is written that was not verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

from bci.errors import ModelError
from inference.bundle import (
    USUAL_ELECTRODES,
    Calibration,
    Confidence,
    ModelCard,
    Normalisation,
    OutOfDistribution,
    PlattScaling,
    TensorSpec,
)
from inference.training.card import card_text
from inference.training.config import TrainingConfig
from inference.training.corpus import MODEL_BANDS
from inference.training.evaluate import FocusReport
from inference.training.graph import OPSET, build_graph
from inference.training.network import FocusNetwork
from inference.training.trained_on import EEGMAT, TrainedOn
from inference.training.windows import TOKENS, WINDOW_S, Reference
from streaming.features import SCHEMA

LIVE_HOP_S = 0.04
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a model, beside its weights.

    Parameters
    ----------
    report
        Out-of-fold figures.
    ood_limit, ood_limit_uncalibrated
        Of the graph's `ood` output.
    calibrations
        By reference, of the logit before any; that against a baseline is in the network, but for its slopes.
    margin, accuracy, accuracy_uncalibrated
        Expected accuracy against |p - 0.5|, out of fold.
    response_s
        Time to 63 % of a step.
    population, prior_s, time_constant_s
        Of the running mean.
    aside
        Ids of the people who contradict the others and were given no weight.
    """

    report: FocusReport
    ood_limit: float
    ood_limit_uncalibrated: float
    calibrations: Mapping[Reference, PlattScaling]
    margin: tuple[float, ...]
    accuracy: tuple[float, ...]
    accuracy_uncalibrated: tuple[float, ...]
    response_s: float
    population: tuple[float, ...]
    prior_s: float
    time_constant_s: float
    aside: tuple[str, ...] = ()


def verify(network: FocusNetwork, model: onnx.ModelProto, *, rounds: int = 200, seed: int = 0) -> float:
    """Run torch and ONNX Runtime side by side over random montages and masks.

    Batches of 1 to 16 windows, 1 to 70 electrodes anywhere on the head, from no token masked to all; fully masked items
    have to give finite numbers.

    Returns
    -------
    Largest difference, relative to 1 + |value|.

    Raises
    ------
    ModelError
        If it exceeds 1e-4, or a number is not finite.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(seed)
    worst = 0.0
    for _ in range(rounds):
        items, channels = int(generator.integers(1, 17)), int(generator.integers(1, 71))
        x = generator.normal(0, 1, (items, channels, TOKENS, network.shape.bands)).astype(np.float32)
        direction = generator.normal(0, 1, (items, channels, 3))
        position = (0.095 * direction / np.linalg.norm(direction, axis=2, keepdims=True)).astype(np.float32)
        mask = generator.random((items, channels, TOKENS)) < generator.random()
        mask[generator.random(items) < 0.1] = True
        ours = session.run(None, {"x": x, "position_m": position, "mask": mask})
        with torch.no_grad():
            theirs = network(torch.from_numpy(x), torch.from_numpy(position), torch.from_numpy(mask))
        for name, one, other in zip(("logit", "spread", "ood"), ours, theirs, strict=True):
            one = np.asarray(one)
            if one.shape != (items,) or not np.isfinite(one).all():
                msg = f"exported graph: {name} of shape {one.shape} holds {one}, expected {items} finite numbers"
                raise ModelError(msg)
            worst = max(worst, float((np.abs(one - other.numpy()) / (1.0 + np.abs(one))).max()))
    if worst > TOLERANCE:
        msg = f"exported graph differs from the trained network by {worst:.2g}, at most {TOLERANCE:g} is allowed"
        raise ModelError(msg)
    return worst


def export(
    network: FocusNetwork, measured: Measured, config: TrainingConfig, out: Path, trained_on: TrainedOn = EEGMAT
) -> Path:
    """Write `model.onnx`, `model.toml`, `CARD.md` and `recipe.toml`.

    Parameters
    ----------
    network
        Calibrated.
    measured
        What the card says of it.
    config
        The recipe.
    out
        Folder of models.
    trained_on
        What contract and card say of the data.

    Returns
    -------
    The model's folder, `out/<name>/<version>`.

    Raises
    ------
    ModelError
        If the graph does not compute what the network does, or the disk refuses; a model that was there stays then.
    """
    model = build_graph(network)
    difference = verify(network, model)
    graph = model.SerializeToString()
    card = _card(network, measured, config, graph, difference, trained_on)
    folder = out / config.name / config.version
    texts = {
        "model.toml": card_toml(card),
        "CARD.md": card_text(card, measured.report, config, measured.aside, trained_on),
        "recipe.toml": config.to_toml(),
    }
    _write(folder, {"model.onnx": graph, **{name: text.encode() for name, text in texts.items()}})
    return folder


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all of a model's files before the first takes the place of another's."""
    partial = {name: folder / f"{name}.part" for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            partial[name].write_bytes(content)
        for name, path in partial.items():
            path.replace(folder / name)
    except OSError as error:
        for path in partial.values():
            path.unlink(missing_ok=True)
        msg = (
            f"{folder}: the model cannot be written ({error.strerror or error}); mend that and train again, with the "
            "same --keep if there was one: it has the fits"
        )
        raise ModelError(msg) from error


def _card(
    network: FocusNetwork,
    measured: Measured,
    config: TrainingConfig,
    graph: bytes,
    difference: float,
    trained_on: TrainedOn,
) -> ModelCard:
    bands = network.shape.bands
    return ModelCard(
        kind="focus-eeg",
        name=config.name,
        version=config.version,
        sha256=hashlib.sha256(graph).hexdigest(),
        opset=OPSET,
        feature_schema=SCHEMA.id,
        bands_hz=MODEL_BANDS,
        token_s=SCHEMA.token_s,
        window_s=WINDOW_S,
        hop_s=LIVE_HOP_S,
        response_s=round(measured.response_s, 2),
        licence=trained_on.licence,
        inputs=(
            TensorSpec(name="x", shape=("b", "c", "t", bands), dtype="float32"),
            TensorSpec(name="position_m", shape=("b", "c", 3), dtype="float32"),
            TensorSpec(name="mask", shape=("b", "c", "t"), dtype="bool"),
        ),
        outputs=tuple(TensorSpec(name=name, shape=("b",), dtype="float32") for name in ("logit", "spread", "ood")),
        normalisation=Normalisation(
            population=_rounded(measured.population),
            prior_s=measured.prior_s,
            time_constant_s=measured.time_constant_s,
        ),
        ood=OutOfDistribution(
            threshold=round(measured.ood_limit, 3),
            threshold_uncalibrated=round(measured.ood_limit_uncalibrated, 3),
            meaning=(
                "squared Mahalanobis distance of the montage-free features over their number; the limit is 1.5 times "
                "the 99th percentile of windows of people held out, whatever their label"
            ),
        ),
        calibration=_calibration(measured.calibrations["baseline"], measured.calibrations["none"]),
        confidence=Confidence(
            margin=measured.margin,
            accuracy=_rounded(measured.accuracy),
            accuracy_uncalibrated=_rounded(measured.accuracy_uncalibrated),
            meaning=(
                "share of held-out people's windows on the right side of 0.5 (rest and task count the same) against "
                "|p - 0.5|, p drawn towards 0.5 by the spread (MacKay 1992), made monotone; calibrated = against "
                f"{config.baseline_s:g} s of own rest"
            ),
        ),
        metrics=_metrics(measured.report, config, difference, trained_on),
    )


def _calibration(rest: PlattScaling, none: PlattScaling) -> Calibration:
    # of what the graph gives, which is calibrated against rest but for the slopes
    scale = none.scale / rest.scale
    return Calibration(
        scale_slope=round(rest.scale_slope, 4),
        shift_slope=round(rest.shift_slope, 4),
        scale_uncalibrated=round(scale, 4),
        shift_uncalibrated=round(none.shift - scale * rest.shift, 4),
        scale_slope_uncalibrated=round(none.scale_slope, 4),
        shift_slope_uncalibrated=round(none.shift_slope, 4),
        fewest=rest.fewest,
        most=rest.most,
        meaning=(
            f"g * (scale * logit + shift + shift_slope * m), m = ln(electrodes / {USUAL_ELECTRODES}) and "
            "g = exp(scale_slope * m), electrodes from fewest to most (Platt 1999; scale 1 and shift 0 against own "
            "rest): fitted to what a client gets of people held out, windows smoothed over 1 s, all montages of the "
            "table"
        ),
    )


def _metrics(
    report: FocusReport, config: TrainingConfig, difference: float, trained_on: TrainedOn
) -> dict[str, dict[str, float | int | str | list[float]]]:
    metrics: dict[str, dict[str, float | int | str | list[float]]] = {
        "evaluation": {
            "command": trained_on.command,
            "data": f"{trained_on.told}, out of fold by person; intervals are 95 % over people",
            "people": report.people,
            "shuffled_labels_auc": round(report.shuffled_auc.value, 3),
            "torch_against_onnx": float(f"{difference:.1e}"),
        }
    }
    if asked := [null for null in report.nulls if not np.isnan(null.value)]:
        metrics["nulls"] = {_key(null.name): round(null.value, 3) for null in asked}
    for row in report.rows:
        reference = f"rest_{config.baseline_s:g}s" if row.reference == "baseline" else "no_baseline"
        name = f"{_key(reference)}_{_key(row.montage)}"
        metrics[name] = {
            "auc_pooled": round(row.pooled.value, 3),
            "auc_pooled_interval": [round(row.pooled.low, 3), round(row.pooled.high, 3)],
            "auc_within": round(row.within.value, 3),
            "auc_within_interval": [round(row.within.low, 3), round(row.within.high, 3)],
            "auc_pooled_value": round(row.value_pooled.value, 3),
            "auc_within_value": round(row.value_within.value, 3),
            "auc_pooled_20s_mean": round(row.steady_pooled.value, 3),
            "auc_within_20s_mean": round(row.steady_within.value, 3),
            "balanced_accuracy": round(row.balanced_accuracy, 3),
            "precision": round(row.precision, 3),
            "recall": round(row.recall, 3),
            "f1": round(row.f1, 3),
            "ece": round(row.calibration_error, 3),
            "ece_by_chance": round(row.error_by_chance.value, 3),
            "ece_by_chance_interval": [round(row.error_by_chance.low, 3), round(row.error_by_chance.high, 3)],
            "ece_value": round(row.value_calibration_error, 3),
            "coverage": round(row.coverage, 3),
        }
    return metrics


def _key(text: str) -> str:
    return f"{text}ch" if text.isdigit() else re.sub(r"\W+", "_", text.lower()).strip("_")


def card_toml(card: ModelCard) -> str:
    """Write a model card as TOML, tables last."""
    values = card.model_dump(mode="json")
    flat = [key for key, value in values.items() if not isinstance(value, dict) and key not in ("inputs", "outputs")]
    lines = [f"{key} = {_toml(values[key])}" for key in flat]
    for key in ("inputs", "outputs"):
        for tensor in values[key]:
            lines += ["", f"[[{key}]]", *(f"{name} = {_toml(value)}" for name, value in tensor.items())]
    for key in ("normalisation", "ood", "calibration", "confidence"):
        lines += ["", f"[{key}]", *(f"{name} = {_toml(value)}" for name, value in values[key].items())]
    for name, table in values["metrics"].items():
        lines += ["", f"[metrics.{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
