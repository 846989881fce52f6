"""A model of the real contract with random weights: what tests of everything but its accuracy need."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from inference.bundle import ModelBundle, load_bundle
from streaming.features import SCHEMA

_MANIFEST = """\
kind = "focus-eeg"
name = "tiny"
version = "{version}"
sha256 = "{sha256}"
opset = 20
feature_schema = "{schema}"
bands_hz = {bands}
token_s = 0.8
window_s = 4.8
hop_s = 0.04
response_s = 3.0
licence = "none: random weights"
inputs = [
  {{ name = "x", shape = ["b", "c", "t", "f"], dtype = "float32" }},
  {{ name = "position_m", shape = ["b", "c", 3], dtype = "float32" }},
  {{ name = "mask", shape = ["b", "c", "t"], dtype = "bool" }},
]
outputs = [
  {{ name = "logit", shape = ["b"], dtype = "float32" }},
  {{ name = "spread", shape = ["b"], dtype = "float32" }},
  {{ name = "ood", shape = ["b"], dtype = "float32" }},
]

[normalisation]
population = {population}
prior_s = 120.0
time_constant_s = 300.0

[ood]
threshold = {ood}
threshold_uncalibrated = {ood}
meaning = "none"

[calibration]
scale_slope = 0.2
shift_slope = 0.3
scale_uncalibrated = 0.6
shift_uncalibrated = 0.1
scale_slope_uncalibrated = 0.1
shift_slope_uncalibrated = 0.4
fewest = 4
most = 19
meaning = "none"

[confidence]
margin = [0.0, 0.5]
accuracy = [0.5, 0.9]
accuracy_uncalibrated = [0.5, 0.7]
meaning = "none"

[metrics]
"""


def write_tiny_model(
    root: Path, *, version: str = "1.0.0", schema: str = SCHEMA.id, ood_threshold: float = 1e9
) -> ModelBundle:
    """Write `root/tiny/<version>` and load it."""
    import torch

    from inference.training.graph import build_graph
    from inference.training.network import FocusNetwork, NetworkShape

    torch.manual_seed(7)
    network = FocusNetwork(NetworkShape()).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    folder = root / "tiny" / version
    folder.mkdir(parents=True)
    graph = build_graph(network).SerializeToString()
    (folder / "model.onnx").write_bytes(graph)
    bands = SCHEMA.bands_hz[1:9]
    usual = np.log([0.2, 0.15, 0.15, 0.2, 0.14, 0.09, 0.04, 0.03]).round(3).tolist()
    (folder / "model.toml").write_text(
        _MANIFEST.format(
            version=version,
            sha256=hashlib.sha256(graph).hexdigest(),
            schema=schema,
            bands=[list(band) for band in bands],
            population=usual,
            ood=ood_threshold,
        ),
        "utf-8",
    )
    return load_bundle(folder)
