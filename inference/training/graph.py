"""The trained network as an ONNX graph, its constants folded together and written out by hand.

A window is so small that ONNX Runtime spends its time on nodes, not on numbers: this graph has half as many as what
torch's exporter makes of the same network, and takes half the time. That both compute the same is verified at each
export (`inference.training.export.verify`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser

from inference.training.network import (
    FEWEST_SEEN,
    HEAD_RADIUS_M,
    LEAST_ATTENTION,
    LEAST_SWING,
    MOST_SEEN,
    PLACES,
    SCORE_LIMIT,
    USUAL_SEEN,
    FocusNetwork,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

OPSET = 20
IR_VERSION = 10

_GRAPH = """
<ir_version: {ir}, opset_import: ["": {opset}]>
focus_attention (float[b, c, t, {bands}] x, float[b, c, 3] position_m, bool[b, c, t] mask)
    => (float[b] logit, float[b] spread, float[b] ood)
{{
    usable = Where (mask, zero, one)
    square = Mul (position_m, position_m)
    five = Concat <axis = 2> (position_m, square)
    place = Pad (five, pad_last, one)
    place_t = Transpose <perm = [0, 2, 1]> (place)
    usable4 = Unsqueeze (usable, axis2)
    weight = ReduceSum <keepdims = 1> (usable, axis2)
    known = Clip (weight, one)
    centred = MatMul (x, centre)
    centred_square = Mul (centred, centred)
    both = Concat <axis = 3> (centred, centred_square)
    both_sum4 = MatMul (usable4, both)
    both_sum = Squeeze (both_sum4, axis2)
    both_mean = Div (both_sum, known)
    level, level_square = Split <axis = 2, num_outputs = 2> (both_mean)
    square_level = Mul (level, level)
    swing_any = Sub (level_square, square_level)
    swing_some = Clip (swing_any, least_swing)
    swing = Sqrt (swing_some)
    seen = Concat <axis = 2> (level, swing)
    seen_one = Pad (seen, pad_last, one)
    columns = Mul (seen_one, weight)
    sums = MatMul (place_t, columns)
    total = Slice (sums, total_from, total_to, total_axes)
    count = Clip (total, one)
    means = Div (sums, count)
    moments, swings, places = Split <axis = 2> (means, split_moments)
    slope_x, other_x, mean = Split <axis = 1> (moments, split_moments_rows)
    other_swing, swing_mean = Split <axis = 1> (swings, split_swings_rows)
    at, z, at_square, other = Split <axis = 1> (places, split_places_rows)
    at_mean = Mul (at, mean)
    rise = Sub (slope_x, at_mean)
    at_at = Mul (at, at)
    variance = Sub (at_square, at_at)
    run = Add (variance, ridge)
    slope = Div (rise, run)
    summary3 = Concat <axis = 1> (mean, slope, swing_mean)
    summary = Reshape (summary3, flat)
    moments3 = Concat <axis = 1> (moments, swing_mean)
    moments_flat = Reshape (moments3, flat)
    speaking = Clip (total, fewest_seen, most_seen)
    plenty3 = Log (speaking)
    plenty = Reshape (plenty3, flat)
    moments_plenty = Mul (moments_flat, plenty)

    gates = MatMul (place, place_in)
    gates4 = Unsqueeze (gates, axis2)
    gate, offset = Split <axis = 3, num_outputs = 2> (gates4)
    embedded = MatMul (x, band_in)
    gated = Mul (embedded, gate)
    tokens4 = Add (gated, offset)
    tokens = Reshape (tokens4, flat_tokens)
    usable_row = Reshape (usable, row)
    usable_column = Reshape (usable, column)
    audible = Mul (tokens, usable_column)
    audible1 = Concat <axis = 2> (audible, usable_column)
    query = MatMul (tokens, query_in)
    tokens_t = Transpose <perm = [0, 2, 1]> (tokens)
    score = MatMul (query, tokens_t)
    bounded = Clip (score, lowest_score, highest_score)
    attention = Exp (bounded)
    heard1 = MatMul (attention, audible1)
    heard_sum, attended = Split <axis = 2> (heard1, split_heard)
    attended_some = Add (attended, least)
    heard = Div (heard_sum, attended_some)
    told = MatMul (heard, value_in)
    sum_tokens = Add (tokens, told)
    mixed = Relu (sum_tokens)
    pooled_sum = MatMul (usable_row, mixed)
    pooled3 = Div (pooled_sum, count)
    pooled = Reshape (pooled3, flat)

    features = Concat <axis = 1> (summary, moments_flat, moments_plenty, pooled)
    heads = Gemm (features, head_weight, head_bias)
    logit_column, deviations = Split <axis = 1> (heads, split_heads)
    logit = Reshape (logit_column, row1)
    spread = ReduceL2 <keepdims = 0> (deviations, axis1)
    distance = Gemm (summary, whiten, whiten_bias)
    ood = ReduceSumSquare <keepdims = 0> (distance, axis1)
}}
"""


def build_graph(network: FocusNetwork) -> onnx.ModelProto:
    """Write the network as ONNX.

    Parameters
    ----------
    network
        Trained, calibrated, on the CPU.

    Returns
    -------
    A checked model with free axes b (items), c (channels) and t (tokens).
    """
    text = _GRAPH.format(ir=IR_VERSION, opset=OPSET, bands=network.shape.bands)
    model = onnx.parser.parse_model(text)
    model.producer_name = "focusloop"
    for name, array in {**_constants(network), **_weights(network)}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.checker.check_model(model, full_check=True)
    return model


def _constants(network: FocusNetwork) -> dict[str, NDArray[Any]]:
    bands = network.shape.bands
    integers: dict[str, list[int]] = {
        "axis1": [1],
        "axis2": [2],
        "pad_last": [0, 0, 0, 0, 0, 1],
        "total_from": [PLACES - 1, 2 * bands],
        "total_to": [PLACES, 2 * bands + 1],
        "total_axes": [1, 2],
        "split_moments": [bands, bands, 1],
        "split_moments_rows": [2, PLACES - 3, 1],
        "split_swings_rows": [PLACES - 1, 1],
        "split_places_rows": [2, 1, 2, PLACES - 5],
        "split_heads": [1, network.shape.members],
        "flat": [0, -1],
        "flat_tokens": [0, -1, network.shape.width],
        "row": [0, 1, -1],
        "column": [0, -1, 1],
        "split_heard": [network.shape.width, 1],
        "row1": [-1],
    }
    numbers = {
        "zero": 0.0,
        "one": 1.0,
        "ridge": network.shape.slope_ridge * HEAD_RADIUS_M**2,
        "lowest_score": -SCORE_LIMIT,
        "highest_score": SCORE_LIMIT,
        "least": LEAST_ATTENTION,
        "least_swing": LEAST_SWING,
        "fewest_seen": FEWEST_SEEN,
        "most_seen": MOST_SEEN,
    }
    return {key: np.array(value, np.int64) for key, value in integers.items()} | {
        key: np.array(value, np.float32) for key, value in numbers.items()
    }


def _weights(network: FocusNetwork) -> dict[str, NDArray[Any]]:
    """Fold scales, averaging of ways and members, and calibration into the weights, in float64."""
    members = network.shape.members
    scale, shift = (float(value) for value in network.calibration)
    band_scale = _array(network.band_scale)
    bands = network.shape.bands
    # the graph keeps positions in metres
    place_scale = np.repeat([HEAD_RADIUS_M, HEAD_RADIUS_M**2, 1.0], [3, 3, 1])
    summary_scale = np.repeat([1.0, 1.0 / HEAD_RADIUS_M, 1.0], [bands, 2 * bands, bands])
    moment_scale = np.tile(np.concatenate([np.repeat(place_scale, bands), np.ones(bands)]), 2)
    moment_weight = _array(network.moment_head.weight).T / (_array(network.moment_scale) * moment_scale)[:, None]
    alone, with_plenty = np.split(moment_weight, 2)  # the graph takes the plain logarithm
    every = np.concatenate(
        [
            _array(network.summary_head.weight).T / (_array(network.summary_scale) * summary_scale)[:, None],
            alone - np.log(USUAL_SEEN) * with_plenty,
            with_plenty,
            _array(network.pooled_head.weight).T,
        ]
    )
    every = 0.5 * scale * every
    bias = 0.5 * scale * (_array(network.summary_head.bias) + _array(network.moment_head.bias))
    average = np.full((members, 1), 1.0 / members)
    deviate = (np.eye(members) - 1.0 / members) / np.sqrt(members)
    to_heads = np.concatenate([average, deviate], axis=1)
    head_bias = bias @ to_heads
    head_bias[0] += shift
    centre = np.eye(bands) - 1.0 / bands
    whiten = _array(network.whiten) / np.sqrt(network.shape.summaries)
    folded = {
        "head_weight": every @ to_heads,
        "head_bias": head_bias,
        "whiten": whiten / summary_scale[:, None],
        "whiten_bias": -_array(network.centre) @ whiten,
        "centre": centre,
        "band_in": centre @ (_array(network.band_in.weight).T / band_scale[:, None]),
        "place_in": _array(network.place_in.weight).T / place_scale[:, None],
        "query_in": _array(network.query.weight).T,
        "value_in": _array(network.value.weight).T,
    }
    return {key: value.astype(np.float32) for key, value in folded.items()}


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return cast("NDArray[np.float64]", tensor.detach().cpu().double().numpy())
