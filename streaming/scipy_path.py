"""The inner loop without a compiler: the same rules and sums as `streaming.kernels`, filters by SciPy.

Slower by far (some 100 times real time for 8 channels), equal within rounding, and as indifferent to where a block is
cut: filters carry their state, and sums are taken sample by sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from streaming import kernels as k

if TYPE_CHECKING:
    from streaming.kernels import Bools, Bytes, Floats, Ints, Results


def advance(
    samples: Floats,
    state: Bytes,
    bad: Bools,
    parameters: Floats,
    limits: Floats,
    biquads: Floats,
    bands: Floats,
    route: Ints,
    clock: Ints,
    rows: Floats,
    work: Floats,
    biquad_state: Floats,
    band_state: Floats,
    sums: Floats,
    ring: Floats,
    bits: Bytes,
    counts: Ints,
    usual: Floats,
    caps: Floats,
    values: Results,
    quality: Results,
    flags: Bytes,
    bridged: Results,
    ends: Ints,
) -> int:
    """Filter a block and finish the hops that end in it; arguments and result as of `streaming.kernels.advance`."""
    done = 0
    start = 0
    while start < len(samples):
        stop = min(len(samples), start + int(clock[k.C_NEXT] - clock[k.C_SAMPLE]))
        part = slice(start, stop)
        none = ~(np.abs(samples[part]) < 1e9)
        if len(bad):
            none |= bad[part]
        gap = state[part]
        counts[-1] += (stop - start, int((gap > 0).sum()))
        steps, seen, holds = _raw_rules(samples[part], gap, none, parameters, rows, bits)
        signals = _filtered(steps, parameters, biquads, route, rows, biquad_state)
        limited, clean, blink = _signal_rules(
            signals, seen, holds, parameters, limits, rows, bits, sums, 2 * len(bands)
        )
        _band_sums(limited, clean, blink, bands, band_state, caps, sums)
        clock[k.C_SAMPLE] += stop - start
        if clock[k.C_SAMPLE] == clock[k.C_NEXT]:
            _learn_usual(clock, parameters, rows, sums, usual, caps, len(bands))
            _turn_ring(clock, sums, ring[:-1], bits, counts)
            token = work[k.WORK :]
            token[:] = ring.sum(axis=0)
            _finish(parameters, token, bits, counts, len(bands), values[done], quality[done], flags[done])
            bridged[done] = counts[:-1, 1].sum() / counts[:-1, 0].sum()
            ends[done] = stop - 1
            done += 1
        start = stop
    return done


def _raw_rules(
    samples: Floats, gap: Bytes, none: Bools, parameters: Floats, rows: Floats, bits: Bytes
) -> tuple[Floats, Floats, Floats]:
    """Hold what is none, difference, judge raw values; give differences, what was seen, how long to hold from there."""
    steps = np.zeros(samples.shape)
    seen = np.zeros(samples.shape)
    holds = np.zeros(samples.shape)
    for i, x in enumerate(samples):
        absent = none[i]
        primed = rows[k.R_PRIMED] > 0.0
        last = rows[k.R_LAST].copy()
        rows[k.R_ABSENT] += absent
        if gap[i] > 0:
            steps[i] = np.where(~absent & primed, x - last, 0.0)
            rows[k.R_LAST] = np.where(absent, last, x)
            bits[-1] |= np.where(absent | (gap[i] > 1), k.MISSING, 0).astype(np.uint8)
            continue
        here = ~absent
        known = here & primed & (rows[k.R_ABSENT] < parameters[k.P_REPRIME])
        steps[i] = np.where(known, x - last, 0.0)
        same = here & primed & (x == last)
        rows[k.R_RUN] = np.where(here, np.where(same, rows[k.R_RUN] + 1.0, 1.0), rows[k.R_RUN])
        stuck = same & (rows[k.R_RUN] >= parameters[k.P_STUCK])
        far = np.abs(x) > parameters[k.P_STUCK_UV]
        clipped = np.zeros(len(x), dtype=np.bool_)
        for extreme, hits, beyond in ((k.R_HIGH, k.R_HIGH_HITS, np.greater), (k.R_LOW, k.R_LOW_HITS, np.less)):
            new = here & beyond(x, rows[extreme])
            again = here & (x == rows[extreme])
            rows[hits] = np.where(new, 1.0, rows[hits] + again)
            rows[extreme] = np.where(new, x, rows[extreme])
        wide = rows[k.R_HIGH] - rows[k.R_LOW] >= parameters[k.P_RAIL_RANGE]
        for extreme, hits in ((k.R_HIGH, k.R_HIGH_HITS), (k.R_LOW, k.R_LOW_HITS)):
            clipped |= here & wide & (x == rows[extreme]) & (rows[hits] >= parameters[k.P_RAIL_HITS])
        clipped |= here & ((x >= parameters[k.P_RAIL_HIGH]) | (x <= parameters[k.P_RAIL_LOW]))
        railed = clipped | (stuck & far)
        holds[i] = np.where(railed | stuck, parameters[k.P_RAIL_HOLD], 0.0)
        rows[k.R_LAST] = np.where(here, x, last)
        rows[k.R_PRIMED] = np.where(here, 1.0, rows[k.R_PRIMED])
        rows[k.R_ABSENT] = np.where(here, 0.0, rows[k.R_ABSENT])
        event = np.where(railed, k.RAILED, 0) | np.where(stuck & ~far, k.FLAT, 0) | np.where(absent, k.MISSING, 0)
        bits[-1] |= event.astype(np.uint8)
        seen[i] = here
    return steps, seen, holds


def _filtered(
    steps: Floats, parameters: Floats, biquads: Floats, route: Ints, rows: Floats, biquad_state: Floats
) -> dict[int, Floats]:
    """Remove DC, notch, and give the signals by their row of `work`, each (n, channels)."""
    from scipy.signal import lfilter, sosfilt

    a = parameters[k.P_HP_A]
    highpassed, _ = lfilter([parameters[k.P_HP_G]], [1.0, -a], steps, axis=0, zi=a * rows[k.R_HP][None])
    rows[k.R_HP] = highpassed[-1]
    signals: dict[int, Floats] = {k.W_SIGNAL: cast("Floats", highpassed)}
    for f, (b0, b1, b2, a1, a2) in enumerate(biquads):
        source, target = (int(row) for row in route[f])
        sos = np.array([[b0, b1, b2, 1.0, a1, a2]])
        at = slice(2 * f, 2 * f + 2)
        y, zf = cast("tuple[Floats, Floats]", sosfilt(sos, signals[source], axis=0, zi=biquad_state[None, at].copy()))
        signals[target] = y
        biquad_state[at] = zf[0]
    none = np.zeros(steps.shape)
    return {k.W_METER_50: none, k.W_METER_60: none, **signals}


def _signal_rules(
    signals: dict[int, Floats],
    seen: Floats,
    holds: Floats,
    parameters: Floats,
    limits: Floats,
    rows: Floats,
    bits: Bytes,
    sums: Floats,
    at: int,
) -> tuple[Floats, Floats, Floats]:
    """Judge the signal; give what enters the bank, and where it counts as clean and as blink, (n, channels)."""
    x, fast = signals[k.W_SIGNAL], signals[k.W_FAST]
    slow = np.abs(signals[k.W_SLOW])
    clean = np.zeros(x.shape)
    blink = np.zeros(x.shape)
    for i in range(len(x)):
        rows[k.R_LAGGED] += parameters[k.P_LAG] * (fast[i] - rows[k.R_LAGGED])
        hold = np.maximum(np.maximum(rows[k.R_HOLD] - 1.0, 0.0), holds[i])
        winks = slow[i] > limits[k.L_BLINK]
        swings = slow[i] > limits[k.L_SWING]
        pops = np.abs(fast[i] - rows[k.R_LAGGED]) > parameters[k.P_POP]
        rows[k.R_SWING] += parameters[k.P_SWING] * (1.0 * (swings | pops) - rows[k.R_SWING])
        loose = rows[k.R_SWING] > parameters[k.P_SWING_SHARE]
        hold = np.where(swings | loose, np.maximum(hold, parameters[k.P_SWING_HOLD]), hold)
        hold = np.where(pops, np.maximum(hold, parameters[k.P_POP_HOLD]), hold)
        rows[k.R_HOLD] = hold
        blinking = np.where(winks, parameters[k.P_BLINK_HOLD], np.maximum(rows[k.R_BLINK_HOLD] - 1.0, 0.0))
        rows[k.R_BLINK_HOLD] = blinking
        event = np.where(winks, k.BLINK, 0) | np.where(swings | pops, k.POP, 0) | np.where(loose, k.CONTACT, 0)
        bits[-1] |= event.astype(np.uint8)
        usable = np.where(hold == 0.0, seen[i], 0.0)
        clean[i] = np.where(blinking == 0.0, usable, 0.0)
        blink[i] = usable - clean[i]
        sums[at + k.S_CLEAN] += clean[i]
        sums[at + k.S_BLINK] += blink[i]
        sums[at + k.S_SEEN] += seen[i]
        sums[at + k.S_METER_50] += seen[i] * signals[k.W_METER_50][i] ** 2
        sums[at + k.S_METER_60] += seen[i] * signals[k.W_METER_60][i] ** 2
    ceiling = limits[k.L_CEILING]
    limited = x - (fast - np.clip(fast, -ceiling, ceiling))
    spike = parameters[k.P_SPIKE]
    return np.clip(limited, -spike, spike), clean, blink


def _band_sums(
    limited: Floats, clean: Floats, blink: Floats, bands: Floats, band_state: Floats, caps: Floats, sums: Floats
) -> None:
    from scipy.signal import sosfilt

    n_bands, n_sections, _ = bands.shape
    for b, band in enumerate(bands):
        sos = np.array([(g, 0.0, -g, 1.0, a1, a2) for g, a1, a2 in band])
        at = slice(b * n_sections, (b + 1) * n_sections)
        y, zf = cast("tuple[Floats, Floats]", sosfilt(sos, limited, axis=0, zi=band_state[at].copy()))
        band_state[at] = zf
        power = y * y
        for i, p in enumerate(power):
            sums[b] += p * clean[i]
            sums[n_bands + b] += np.minimum(p, caps[b]) * blink[i]


def _learn_usual(
    clock: Ints, parameters: Floats, rows: Floats, sums: Floats, usual: Floats, caps: Floats, n_bands: int
) -> None:
    if clock[k.C_SAMPLE] <= parameters[k.P_SETTLE]:
        return
    n_clean = sums[2 * n_bands + k.S_CLEAN]
    some = n_clean > 0.0
    rows[k.R_KNOWN] = np.where(some, np.minimum(rows[k.R_KNOWN] + n_clean, parameters[k.P_USUAL]), rows[k.R_KNOWN])
    divisor = np.where(some, n_clean, 1.0)
    weight = np.where(some, n_clean / np.where(some, rows[k.R_KNOWN], 1.0), 0.0)
    usual += weight * (sums[:n_bands] / divisor - usual)
    known = some & (rows[k.R_KNOWN] >= parameters[k.P_KNOWN])
    caps[:] = np.where(known, parameters[k.P_CAP] * usual, caps)


def _turn_ring(clock: Ints, sums: Floats, ring: Floats, bits: Bytes, counts: Ints) -> None:
    hop = int(clock[k.C_HOP])
    slot = hop % len(ring)
    ring[slot] = sums
    bits[slot] = bits[-1]
    counts[slot] = counts[-1]
    sums.fill(0.0)
    bits[-1] = 0
    counts[-1] = 0
    numerator, denominator = int(clock[k.C_NUMERATOR]), int(clock[k.C_DENOMINATOR])
    clock[k.C_HOP] = hop + 1
    clock[k.C_NEXT] = (2 * (hop + 2) * numerator + denominator) // (2 * denominator)


def _finish(
    parameters: Floats,
    total: Floats,
    bits: Bytes,
    counts: Ints,
    n_bands: int,
    values: Results,
    quality: Results,
    flags: Bytes,
) -> None:
    """Make features of the sums of a token; the rules of whole tokens."""
    n_token = float(counts[:-1, 0].sum())
    stats = total[2 * n_bands :]
    n_clean, n_blink = stats[k.S_CLEAN], stats[k.S_BLINK]
    share = n_clean / n_token
    corrected = 0.5 * (n_clean + n_blink) / n_token
    capped = corrected > share
    used = np.where(capped, n_clean + n_blink, n_clean)
    scale = np.where(used > 0.0, 1.0 / np.where(used > 0.0, used, 1.0), 0.0)
    power = (total[:n_bands] + capped * total[n_bands : 2 * n_bands]) * scale
    values[:] = np.log(power + parameters[k.P_FLOOR]).T
    everything = power.sum(axis=0)
    slow = power[: int(parameters[k.P_SLOW_TO])].sum(axis=0)
    alpha = power[int(parameters[k.P_ALPHA_FROM]) : int(parameters[k.P_ALPHA_TO])].sum(axis=0)
    high = power[int(parameters[k.P_HIGH_FROM]) :].sum(axis=0)
    hum = np.maximum(stats[k.S_METER_50], stats[k.S_METER_60]) / np.maximum(stats[k.S_SEEN], 1.0)
    leaks = (hum > parameters[k.P_LINE_RATIO] * everything) & (high > parameters[k.P_LINE_LEAK])
    line = (hum > parameters[k.P_LINE]) | leaks
    tense = (high > parameters[k.P_MUSCLE_FLAT]) & (high > parameters[k.P_DENSITY] * alpha)
    muscle = ~line & ((high > parameters[k.P_MUSCLE]) | tense)
    flat = (used > 0.0) & (everything < parameters[k.P_FLAT])
    contact = (slow > parameters[k.P_CONTACT_SLOW]) | (everything - slow > parameters[k.P_CONTACT_FAST])
    spoiled = line | muscle | flat | contact
    quality[:] = np.where(spoiled, 0.0, np.where(capped, corrected, share))
    token = np.where(line, k.LINE, 0) | np.where(muscle, k.MUSCLE, 0) | np.where(flat, k.FLAT, 0)
    token |= np.where(contact, k.CONTACT, 0)
    flags[:] = np.bitwise_or.reduce(bits[:-1], axis=0) | token.astype(np.uint8)
