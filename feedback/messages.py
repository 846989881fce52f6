"""What the topics carry: scores, quality and bands as the fields of a message."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bci.clock import ClockAnchor
from bci.types import Origin
from inference.attribution import Attribution, shares
from inference.types import FocusScore
from streaming.features import FeatureSchema
from streaming.types import FeatureFrame, Flag

_DB = 10.0 / np.log(10.0)
_DIGITS = 6
_OFF = int(Flag.RAILED | Flag.FLAT | Flag.LINE | Flag.CONTACT)


def focus_fields(
    score: FocusScore, origin: Origin, anchor: ClockAnchor, now_lsl_s: float, *, recorded: bool
) -> dict[str, Any]:
    """Give the fields of a `focus` message.

    Parameters
    ----------
    score
        Valid or not.
    origin
        Of the source.
    anchor
        Maps LSL to Unix time.
    now_lsl_s
        Moment of encoding, LSL clock.
    recorded
        True where it is being written to a recording.
    """
    stamp = score.end_s
    return {
        "t_unix_s": anchor.to_unix(now_lsl_s if stamp is None else stamp),
        "t_lsl_s": stamp,
        "origin": origin,
        "value": _rounded(score.value),
        "steady": _rounded(score.steady),
        "relative": _rounded(score.relative),
        "raw": _rounded(score.raw),
        "valid": score.reason is None,
        "reason": score.reason,
        "confidence": _rounded(score.confidence),
        "quality": _rounded(score.quality),
        "calibrated": score.calibrated,
        "certificate": None if score.certificate is None else score.certificate.fields(anchor.to_unix(now_lsl_s)),
        "modalities": ["eeg"],
        "model": score.model_id,
        "window_s": score.window_s,
        "delay_s": _rounded(score.delay_s),
        "response_s": score.response_s,
        "recorded": recorded,
        "age_ms": None if stamp is None else round((now_lsl_s - stamp) * 1e3, 3),
    }


def _rounded(number: float | None) -> float | None:
    """Keep what a score can tell: the model itself does not agree with itself to more than 1e-6 from batch to batch."""
    return None if number is None else round(number, _DIGITS)


@functools.cache
def flag_names(bits: int) -> tuple[str, ...]:
    """Name the `Flag` bits of a channel, as a person reads them."""
    return tuple(str(flag.name).lower() for flag in Flag if flag and bits & flag)


def quality_fields(frame: FeatureFrame, labels: Sequence[str], anchor: ClockAnchor) -> dict[str, Any]:
    """Give the fields of a `quality` message: contact, artefact kinds and usable share for each channel."""
    return {
        "t_unix_s": anchor.to_unix(frame.end_s),
        "t_lsl_s": frame.end_s,
        "channels": [
            {
                "label": label,
                "contact": not bits & _OFF,
                "flags": flag_names(bits),
                "usable": round(float(share), 3),
            }
            for label, bits, share in zip(labels, frame.flags.tolist(), frame.quality, strict=True)
        ],
    }


def bands_fields(
    frame: FeatureFrame, labels: Sequence[str], schema: FeatureSchema, anchor: ClockAnchor
) -> dict[str, Any]:
    """Give the fields of a `bands` message: dB re 1 µV² for each channel and band."""
    return {
        "t_unix_s": anchor.to_unix(frame.end_s),
        "t_lsl_s": frame.end_s,
        "bands_hz": [list(band) for band in schema.bands_hz],
        "channels": list(labels),
        "db": np.round(frame.values * _DB, 2).tolist(),
    }


def explanation_fields(
    score: FocusScore, told: Attribution | None, anchor: ClockAnchor, now_lsl_s: float
) -> dict[str, Any]:
    """Give the fields of an `explanation` message: what the score rests on, null where there is no score.

    Parameters
    ----------
    score
        Valid or not.
    told
        Of the score's window; None where it is not valid.
    anchor
        Maps LSL to Unix time.
    now_lsl_s
        Moment of encoding, LSL clock.
    """
    stamp = score.end_s
    head = {
        "t_unix_s": anchor.to_unix(now_lsl_s if stamp is None else stamp),
        "t_lsl_s": stamp,
        "valid": told is not None,
        "reason": score.reason,
    }
    if told is None:
        return {**head, "bands": None, "regions": None, "ocular": None, "muscular": None}
    bands, regions = list(told.bands.items()), list(told.regions.items())
    of_bands, of_regions = shares([c for _, c in bands]), shares([c for _, c in regions])
    return {
        **head,
        "bands": [
            {"low_hz": low, "high_hz": high, "share": round(share, 3), "logit": round(change, 3)}
            for ((low, high), change), share in zip(bands, of_bands, strict=True)
        ],
        "regions": [
            {"region": region, "share": round(share, 3), "logit": round(change, 3)}
            for (region, change), share in zip(regions, of_regions, strict=True)
        ],
        "ocular": round(told.ocular, 3),
        "muscular": round(told.muscular, 3),
    }
