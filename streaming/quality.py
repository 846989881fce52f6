"""Signal quality rules: what makes a channel's sample or token unusable, from physics and without any label.

The numbers are not blind to the recordings, though: benchmarks/quality_rates.py says which were changed after a look.

Two kinds of rule. An *event* is found in the sample where it happens; the channel is unusable from there for as long
as the filters ring from it, and the token's power is averaged over the usable samples only. A *token* rule looks at
the powers of a whole token and takes the channel out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.types import Channel, StreamSpec
from streaming import kernels as k
from streaming.features import FeatureSchema
from streaming.filterbank import FilterBank

FRONTAL_Y_M = 0.035
"""Electrodes in front of this line (rows F, AF, Fp) see the eyes; MNE head frame, y to the nose."""


@dataclass(frozen=True, slots=True)
class QualityRules:
    """Thresholds of the quality rules; µV and seconds.

    Parameters
    ----------
    blink_uv
        BLINK: slow signal (below 8 Hz) of a frontal electrode beyond this. 75 µV is the customary bound of blink
        rejection in ERP work (Luck, An Introduction to the Event-Related Potential Technique, 2014, ch. 6).
    blink_hold_s
        A blink goes on this long after the slow signal came back: the decay of the blink and the ring of the bank.
    swing_uv, frontal_swing_uv
        POP: slow signal beyond this, which no EEG reaches; frontal electrodes see blinks of up to 500 µV.
    swing_hold_s
        As above.
    contact_share, contact_s
        CONTACT: swings and pops fill this share of the last seconds (exponential mean).
    pop_uv, pop_lag_s
        POP: the signal below 20 Hz (so that neither hum nor its harmonics count) this far from its own exponential mean
        over `pop_lag_s`. Blinks (500 µV in 100 ms) stay below 100 µV, a step of 0.25 mV does not.
    pop_hold_s
        Until the bank has rung down by 40 dB from the limiter's ceiling.
    rail_margin
        RAILED: within this share of the converter's range of one of its rails, where the rails are known.
    rail_range_uv, rail_hits
        RAILED where they are not: the sample equals the stream's own extreme to the last bit, which was met this
        often, and the extremes are that far apart. Signals of a continuous world do not do that; clipping does.
    rail_hold_s
        As above.
    stuck_s, stuck_uv
        The very same value for this long: RAILED where it stands farther from zero than `stuck_uv`, else FLAT.
    flat_uv
        FLAT token: 1–45 Hz below this, rms. A shorted input gives 0.2–0.5 µV, scalp EEG 2 µV and more.
    line_uv
        LINE token: hum beyond this, rms. With 30–100 MΩ of input impedance at 50 Hz and volts of common mode it takes
        an electrode of 100 kΩ and more, one that does not touch. Steady hum below it is notched away.
    line_ratio, line_leak_uv
        LINE token, also: hum of at least this times the rms of 1–45 Hz, while the hum is so unsteady that 30–45 Hz
        holds more than `line_leak_uv` after the notch: the electrode hangs in the air.
    muscle_uv
        MUSCLE token: 30–45 Hz beyond this, rms; scalp EEG has 1–3 µV there, and even weak contraction ten times that
        (Goncharova et al., Clin Neurophysiol 114:1580, 2003; Whitham et al., 118:1877, 2007).
    muscle_flat_uv
        MUSCLE token, also: 30–45 Hz beyond this, and as dense (µV²/Hz) as 8–13 Hz. EEG falls with frequency, EMG rises.
    contact_fast_uv, contact_slow_uv
        CONTACT token: 4–45 Hz or 1–4 Hz beyond this, rms; the strongest alpha of a waking adult is 35 µV rms.
    """

    blink_uv: float = 75.0
    blink_hold_s: float = 0.45
    swing_uv: float = 200.0
    frontal_swing_uv: float = 600.0
    swing_hold_s: float = 0.4
    contact_share: float = 0.5
    contact_s: float = 2.0
    pop_uv: float = 120.0
    pop_lag_s: float = 0.02
    pop_hold_s: float = 0.6
    rail_margin: float = 0.002
    rail_range_uv: float = 300.0
    rail_hits: int = 3
    rail_hold_s: float = 0.3
    stuck_s: float = 0.2
    stuck_uv: float = 1000.0
    flat_uv: float = 0.5
    line_uv: float = 1000.0
    line_ratio: float = 2.0
    line_leak_uv: float = 10.0
    muscle_uv: float = 10.0
    muscle_flat_uv: float = 5.0
    contact_fast_uv: float = 50.0
    contact_slow_uv: float = 100.0


RULES = QualityRules()

REPRIME_S = 0.1
"""After this long without a number, a channel's DC removal starts anew: what it comes back with is another offset."""


def frontal(channels: tuple[Channel, ...]) -> NDArray[np.bool_]:
    """Tell which electrodes see the eyes; one without a position is taken for one that does."""
    return np.array([c.position_m is None or c.position_m[1] >= FRONTAL_Y_M for c in channels], dtype=np.bool_)


def channel_limits(
    channels: tuple[Channel, ...], schema: FeatureSchema, rules: QualityRules = RULES
) -> NDArray[np.float64]:
    """Give (3, channels): blink threshold (infinite where no eye is seen), swing threshold, limiter; µV."""
    eyes = frontal(channels)
    return np.array(
        [
            np.where(eyes, rules.blink_uv, np.inf),
            np.where(eyes, rules.frontal_swing_uv, rules.swing_uv),
            np.full(len(channels), schema.limit_uv),
        ]
    )


def parameters(
    spec: StreamSpec, schema: FeatureSchema, bank: FilterBank, rules: QualityRules = RULES
) -> NDArray[np.float64]:
    """Turn the rules into the numbers that the kernel reads: µV², samples, band indices."""
    rate = spec.nominal_rate_hz
    low, high = spec.rails_uv if spec.rails_uv is not None else (-np.inf, np.inf)
    margin = rules.rail_margin * (high - low) if spec.rails_uv is not None else 0.0
    bands = schema.bands_hz
    alpha = [i for i, (a, b) in enumerate(bands) if a >= 8.0 and b <= 13.0]
    above = [i for i, (a, _) in enumerate(bands) if a >= 30.0]
    slow = [i for i, (_, b) in enumerate(bands) if b <= 4.0]
    p = np.zeros(k.PARAMETERS)
    p[k.P_HP_A], p[k.P_HP_G] = bank.highpass
    p[k.P_LAG] = 1.0 - np.exp(-1.0 / (rules.pop_lag_s * rate))
    p[k.P_POP] = rules.pop_uv
    p[k.P_POP_HOLD] = round(rules.pop_hold_s * rate)
    p[k.P_BLINK_HOLD] = round(rules.blink_hold_s * rate)
    p[k.P_SWING_HOLD] = round(rules.swing_hold_s * rate)
    p[k.P_SWING] = 1.0 / (rules.contact_s * rate)
    p[k.P_SWING_SHARE] = rules.contact_share
    p[k.P_RAIL_LOW], p[k.P_RAIL_HIGH] = low + margin, high - margin
    p[k.P_RAIL_RANGE] = rules.rail_range_uv
    p[k.P_RAIL_HITS] = rules.rail_hits
    p[k.P_RAIL_HOLD] = round(rules.rail_hold_s * rate)
    p[k.P_STUCK] = round(rules.stuck_s * rate)
    p[k.P_STUCK_UV] = rules.stuck_uv
    p[k.P_REPRIME] = round(REPRIME_S * rate)
    p[k.P_FLAT] = rules.flat_uv**2
    p[k.P_LINE] = rules.line_uv**2
    p[k.P_LINE_RATIO] = rules.line_ratio**2
    p[k.P_LINE_LEAK] = rules.line_leak_uv**2
    p[k.P_MUSCLE] = rules.muscle_uv**2
    p[k.P_MUSCLE_FLAT] = rules.muscle_flat_uv**2
    p[k.P_DENSITY] = sum(bands[i][1] - bands[i][0] for i in above) / sum(bands[i][1] - bands[i][0] for i in alpha)
    p[k.P_CONTACT_FAST] = rules.contact_fast_uv**2
    p[k.P_CONTACT_SLOW] = rules.contact_slow_uv**2
    p[k.P_SETTLE] = round(bank.settle_s * rate)
    p[k.P_USUAL] = round(schema.usual_s * rate)
    p[k.P_KNOWN] = round(schema.token_s * rate)
    p[k.P_CAP] = schema.blink_cap
    p[k.P_SPIKE] = schema.spike_limit_uv
    p[k.P_FLOOR] = schema.floor_uv2
    p[k.P_ALPHA_FROM], p[k.P_ALPHA_TO] = alpha[0], alpha[-1] + 1
    p[k.P_HIGH_FROM] = above[0]
    p[k.P_SLOW_TO] = slow[-1] + 1
    return p
