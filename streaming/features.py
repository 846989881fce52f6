"""What a feature is: bands, token length and filters, under one id that a model pins."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

BANDS_HZ: tuple[tuple[float, float], ...] = (
    (1.0, 4.0),
    (4.0, 6.0),
    (6.0, 8.0),
    (8.0, 10.0),
    (10.0, 13.0),
    (13.0, 18.0),
    (18.0, 25.0),
    (25.0, 30.0),
    (30.0, 38.0),
    (38.0, 45.0),
)
"""Half-power edges of the ten bands. A model takes those that its card names: the shipped one 4-38 Hz; 1-4 Hz (eyes,
contact) and 38-45 Hz (muscle) are for quality alone, 30-38 Hz is for both."""


@dataclass(frozen=True)
class FeatureSchema:
    """Everything that decides what a feature value means. The hop is not in it: it only says how often one is made.

    Parameters
    ----------
    bands_hz
        Half-power edges of the band-pass filters, Hz.
    token_s
        Span over which band power is averaged, seconds.
    highpass_hz
        Corner of the first-order DC removal, Hz.
    band_order
        Order of the Butterworth prototype of each band-pass (2 = four poles).
    notch_width_hz
        −3 dB width of each line notch, Hz.
    limit_uv, spike_limit_uv
        Ceilings of what is slow (below 20 Hz) in the signal that enters the bank, and of the whole, µV.
    blink_cap, usual_s
        Causal blink correction: where a token is mostly blink, the power of the blink's samples counts up to this times
        what is usual for the band, the mean over this many seconds of clean time.
    floor_uv2
        Added to each mean power before the logarithm, µV².
    version
        Raised when the meaning of a value changes in a way that the numbers above do not show.
    """

    bands_hz: tuple[tuple[float, float], ...] = BANDS_HZ
    token_s: float = 0.8
    highpass_hz: float = 0.5
    band_order: int = 2
    notch_width_hz: float = 4.0
    limit_uv: float = 300.0
    spike_limit_uv: float = 600.0
    blink_cap: float = 2.0
    usual_s: float = 10.0
    floor_uv2: float = 1e-4
    version: int = 1

    @cached_property
    def id(self) -> str:
        """`band-log-power/` and the first twelve hexadecimal digits of a hash of all the fields."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return f"band-log-power/{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def n_bands(self) -> int:
        """Count bands."""
        return len(self.bands_hz)


SCHEMA = FeatureSchema()
"""The one schema that focusloop computes and its models are trained on."""
