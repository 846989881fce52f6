"""The inner loop of the signal path: filter bank, running power and quality, sample by sample.

Plain Python of the subset that numba compiles; nothing of ours is imported, so numba's cache of this file is
stale exactly when the file is. Every number depends on the samples alone, never on where a block was cut: sums are
taken in the order of the samples, hop ends are counted in exact integers, and the channel is the innermost index of
each short loop, which LLVM turns into vector instructions without changing a bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]
    Bools = NDArray[np.bool_]
    Results = NDArray[np.float32]

# Where each number of `parameters` stands; the kernel knows them by these names.
(
    P_HP_A, P_HP_G, P_LAG, P_POP, P_POP_HOLD, P_BLINK_HOLD, P_SWING_HOLD, P_RAIL_LOW, P_RAIL_HIGH, P_RAIL_RANGE,
    P_RAIL_HITS, P_RAIL_HOLD, P_STUCK, P_STUCK_UV, P_REPRIME, P_FLAT, P_LINE, P_LINE_RATIO, P_LINE_LEAK, P_MUSCLE,
    P_MUSCLE_FLAT, P_DENSITY, P_CONTACT_FAST, P_CONTACT_SLOW, P_FLOOR, P_ALPHA_FROM, P_ALPHA_TO, P_HIGH_FROM,
    P_SLOW_TO, P_SWING, P_SWING_SHARE, P_SPIKE, P_SETTLE, P_USUAL, P_KNOWN, P_CAP,
) = range(36)  # fmt: skip
PARAMETERS = 36

# Rows of `rows`, the state of a channel.
(
    R_LAST, R_PRIMED, R_ABSENT, R_HP, R_LAGGED, R_HOLD, R_BLINK_HOLD, R_HIGH, R_LOW, R_HIGH_HITS, R_LOW_HITS, R_RUN,
    R_SWING, R_KNOWN,
) = range(14)  # fmt: skip
ROWS = 14

# Rows of `work`, what a sample is on its way. A band has two: a loop that writes the row it reads is not vectorised.
W_SIGNAL, W_METER_50, W_METER_60, W_SLOW, W_FAST, W_LIMITED, W_CLEAN, W_BLINK, W_BAND = range(9)
WORK = 10

# Rows of a hop's sums after the clean and the blink energies of each band.
S_CLEAN, S_BLINK, S_SEEN, S_METER_50, S_METER_60 = range(5)
SUMS = 5

# `clock`: samples and hops since the reset, the end of the next hop, rate·hop as a fraction, hops a token.
C_SAMPLE, C_HOP, C_NEXT, C_NUMERATOR, C_DENOMINATOR = range(5)
CLOCK = 5

# Rows of `limits`.
L_BLINK, L_SWING, L_CEILING = range(3)

# Bits of `streaming.types.Flag`.
RAILED, FLAT, LINE, MUSCLE, BLINK, POP, CONTACT, MISSING = 1, 2, 4, 8, 16, 32, 64, 128

SIGNATURE = (
    "int64(float64[:,::1], uint8[::1], boolean[:,::1], float64[::1], float64[:,::1], float64[:,::1], float64[:,:,::1], "
    "int64[:,::1], int64[::1], float64[:,::1], float64[:,::1], float64[:,::1], float64[:,:,::1], float64[:,::1], "
    "float64[:,:,::1], uint8[:,::1], int64[:,::1], float64[:,::1], float64[:,::1], float32[:,:,::1], float32[:,::1], "
    "uint8[:,::1], float32[::1], int64[::1])"
)


# One kernel, one call: arguments are what crossing into compiled code costs.
def advance(
    samples: Floats, state: Bytes, bad: Bools, parameters: Floats, limits: Floats, biquads: Floats, bands: Floats,
    route: Ints, clock: Ints, rows: Floats, work: Floats, biquad_state: Floats, band_state: Floats, sums: Floats,
    ring: Floats, bits: Bytes, counts: Ints, usual: Floats, caps: Floats, values: Results, quality: Results, flags:
    Bytes, bridged: Results, ends: Ints,
) -> int:  # fmt: skip
    """Filter a block of regular samples and finish the hops that end in it.

    Parameters
    ----------
    samples, state, bad
        (n, channels) µV; (n,) 0 where measured, 1 bridged, 2 missing; (n, channels) or (0, 0) where a value is none.
    parameters, limits
        `streaming.quality.parameters` and `channel_limits`.
    biquads, route
        (filters, 5), and for each filter the rows of `work` that it reads and writes.
    bands
        (bands, sections, 3).
    clock, rows, work, biquad_state, band_state, sums, ring, bits, counts, usual, caps
        State. `ring` is (hops a token + 1, sums, channels), `bits` and `counts` have as many rows, the last for the
        running hop; `usual` and `caps` are (bands, channels). From `WORK` on `work` keeps the newest token's sums.
    values, quality, flags, bridged, ends
        Room for the hops that end here: log power (hops, channels, bands), share, bits, share, and
        the index of the hop's last sample.

    Returns
    -------
    int
        Hops finished.
    """
    n_samples = samples.shape[0]
    n_channels = samples.shape[1]
    n_bands = bands.shape[0]
    n_sections = bands.shape[1]
    n_filters = biquads.shape[0]
    n_slots = ring.shape[0] - 1
    n_sums = ring.shape[1]
    some_bad = bad.shape[0] > 0
    at_stats = 2 * n_bands
    hp_a = parameters[P_HP_A]
    hp_g = parameters[P_HP_G]
    lag = parameters[P_LAG]
    spike = parameters[P_SPIKE]
    done = 0

    for i in range(n_samples):
        gap = state[i]
        counts[n_slots, 0] += 1
        if gap > 0:
            counts[n_slots, 1] += 1

        # What came: hold what did not, difference, and the rules about raw values.
        for c in range(n_channels):
            x = samples[i, c]
            none = (some_bad and bad[i, c]) or not abs(x) < 1e9
            last = rows[R_LAST, c]
            event = 0
            hold = rows[R_HOLD, c] - 1.0
            if hold < 0.0:
                hold = 0.0
            step = 0.0
            if none:
                event = MISSING
                rows[R_ABSENT, c] += 1.0
            elif gap > 0:
                step = x - last if rows[R_PRIMED, c] > 0.0 else 0.0  # the timeline's line between known samples
                rows[R_LAST, c] = x
                if gap > 1:
                    event = MISSING
            else:
                if rows[R_PRIMED, c] > 0.0 and rows[R_ABSENT, c] < parameters[P_REPRIME]:
                    step = x - last
                if x == last and rows[R_PRIMED, c] > 0.0:
                    rows[R_RUN, c] += 1.0
                    if rows[R_RUN, c] >= parameters[P_STUCK]:
                        event |= RAILED if abs(x) > parameters[P_STUCK_UV] else FLAT
                        hold = max(hold, parameters[P_RAIL_HOLD])
                else:
                    rows[R_RUN, c] = 1.0
                if x >= rows[R_HIGH, c]:
                    if x == rows[R_HIGH, c]:
                        rows[R_HIGH_HITS, c] += 1.0
                    else:
                        rows[R_HIGH, c] = x
                        rows[R_HIGH_HITS, c] = 1.0
                if x <= rows[R_LOW, c]:
                    if x == rows[R_LOW, c]:
                        rows[R_LOW_HITS, c] += 1.0
                    else:
                        rows[R_LOW, c] = x
                        rows[R_LOW_HITS, c] = 1.0
                clipped = rows[R_HIGH, c] - rows[R_LOW, c] >= parameters[P_RAIL_RANGE] and (
                    (x == rows[R_HIGH, c] and rows[R_HIGH_HITS, c] >= parameters[P_RAIL_HITS])
                    or (x == rows[R_LOW, c] and rows[R_LOW_HITS, c] >= parameters[P_RAIL_HITS])
                )
                if clipped or x >= parameters[P_RAIL_HIGH] or x <= parameters[P_RAIL_LOW]:
                    event |= RAILED
                    hold = max(hold, parameters[P_RAIL_HOLD])
                rows[R_LAST, c] = x
                rows[R_PRIMED, c] = 1.0
                rows[R_ABSENT, c] = 0.0
            rows[R_HOLD, c] = hold
            if event:
                bits[n_slots, c] |= event
            work[W_CLEAN, c] = 0.0 if none or gap > 0 else 1.0
            work[W_SIGNAL, c] = step

        for c in range(n_channels):
            y = hp_a * rows[R_HP, c] + hp_g * work[W_SIGNAL, c]
            rows[R_HP, c] = y
            work[W_SIGNAL, c] = y

        # Meters of hum, notches, and the slow signal.
        for f in range(n_filters):
            b0 = biquads[f, 0]
            b1 = biquads[f, 1]
            b2 = biquads[f, 2]
            a1 = biquads[f, 3]
            a2 = biquads[f, 4]
            source = work[route[f, 0]]
            target = work[route[f, 1]]
            s1 = biquad_state[2 * f]
            s2 = biquad_state[2 * f + 1]
            for c in range(n_channels):
                x = source[c]
                y = b0 * x + s1[c]
                s1[c] = b1 * x - a1 * y + s2[c]
                s2[c] = b2 * x - a2 * y
                target[c] = y

        # The rules about the signal, and what may count.
        blinks = 0.0
        for c in range(n_channels):
            x = work[W_SIGNAL, c]
            slow = abs(work[W_SLOW, c])
            fast = work[W_FAST, c]
            lagged = rows[R_LAGGED, c] + lag * (fast - rows[R_LAGGED, c])
            rows[R_LAGGED, c] = lagged
            hold = rows[R_HOLD, c]
            blink_hold = rows[R_BLINK_HOLD, c] - 1.0
            if blink_hold < 0.0:
                blink_hold = 0.0
            if slow > limits[L_BLINK, c]:
                bits[n_slots, c] |= BLINK
                blink_hold = parameters[P_BLINK_HOLD]
            if slow > limits[L_SWING, c]:
                bits[n_slots, c] |= POP
                hold = max(hold, parameters[P_SWING_HOLD])
            swing = 1.0 if slow > limits[L_SWING, c] or abs(fast - lagged) > parameters[P_POP] else 0.0
            rows[R_SWING, c] += parameters[P_SWING] * (swing - rows[R_SWING, c])
            if rows[R_SWING, c] > parameters[P_SWING_SHARE]:
                bits[n_slots, c] |= CONTACT
                hold = max(hold, parameters[P_SWING_HOLD])
            if abs(fast - lagged) > parameters[P_POP]:
                bits[n_slots, c] |= POP
                hold = max(hold, parameters[P_POP_HOLD])
            rows[R_HOLD, c] = hold
            rows[R_BLINK_HOLD, c] = blink_hold
            seen = work[W_CLEAN, c]
            usable = seen if hold == 0.0 else 0.0
            clean = usable if blink_hold == 0.0 else 0.0
            work[W_CLEAN, c] = clean
            work[W_BLINK, c] = usable - clean
            blinks += usable - clean
            # Only what is slow is limited: a ceiling over harmonics of the hum would mix them into the bands.
            ceiling = limits[L_CEILING, c]
            x -= fast - min(max(fast, -ceiling), ceiling)
            work[W_LIMITED, c] = min(max(x, -spike), spike)
            sums[at_stats + S_CLEAN, c] += clean
            sums[at_stats + S_BLINK, c] += usable - clean
            sums[at_stats + S_SEEN, c] += seen
            sums[at_stats + S_METER_50, c] += seen * work[W_METER_50, c] * work[W_METER_50, c]
            sums[at_stats + S_METER_60, c] += seen * work[W_METER_60, c] * work[W_METER_60, c]

        # The bank and its running power.
        limited = work[W_LIMITED]
        clean_row = work[W_CLEAN]
        blink_row = work[W_BLINK]
        for b in range(n_bands):
            source = limited
            for s in range(n_sections):
                g = bands[b, s, 0]
                a1 = bands[b, s, 1]
                a2 = bands[b, s, 2]
                s1 = band_state[b * n_sections + s, 0]
                s2 = band_state[b * n_sections + s, 1]
                target = work[W_BAND + s % 2]
                for c in range(n_channels):
                    x = source[c]
                    y = g * x + s1[c]
                    s1[c] = s2[c] - a1 * y
                    s2[c] = -g * x - a2 * y
                    target[c] = y
                source = target
            clean_sum = sums[b]
            for c in range(n_channels):
                clean_sum[c] += source[c] * source[c] * clean_row[c]
            if blinks > 0.0:
                blink_sum = sums[n_bands + b]
                cap = caps[b]
                for c in range(n_channels):
                    blink_sum[c] += min(source[c] * source[c], cap[c]) * blink_row[c]

        clock[C_SAMPLE] += 1
        if clock[C_SAMPLE] < clock[C_NEXT]:
            continue

        # A hop is full, and the token that ends with it is the sum of the last `n_slots` hops. Hops are taken in blocks
        # of that many: the last row of the ring sums this block, the rows behind this hop hold what the block before
        # summed to from there to its end. So two rows make a token, and nothing is ever subtracted.
        hop = clock[C_HOP]
        slot = hop % n_slots
        if clock[C_SAMPLE] > parameters[P_SETTLE]:
            # What is usual for this channel: a running mean of its clean power that starts as a plain one.
            for c in range(n_channels):
                n_clean = sums[at_stats + S_CLEAN, c]
                if n_clean > 0.0:
                    rows[R_KNOWN, c] = min(rows[R_KNOWN, c] + n_clean, parameters[P_USUAL])
                    weight = n_clean / rows[R_KNOWN, c]
                    for b in range(n_bands):
                        usual[b, c] += weight * (sums[b, c] / n_clean - usual[b, c])
                        if rows[R_KNOWN, c] >= parameters[P_KNOWN]:
                            caps[b, c] = parameters[P_CAP] * usual[b, c]
        own = ring[slot].reshape(n_sums * n_channels)
        front = ring[n_slots].reshape(n_sums * n_channels)
        total = work[WORK : WORK + n_sums].reshape(n_sums * n_channels)
        if slot == 0:
            front[:] = 0.0
        row = sums.reshape(n_sums * n_channels)
        for q in range(n_sums * n_channels):
            own[q] = row[q]
            front[q] += row[q]
            total[q] = front[q]
            row[q] = 0.0
        if slot + 1 < n_slots:
            back = ring[slot + 1].reshape(n_sums * n_channels)
            for q in range(n_sums * n_channels):
                total[q] += back[q]
        else:
            for o in range(n_slots - 1, 0, -1):
                newer = ring[o].reshape(n_sums * n_channels)
                older = ring[o - 1].reshape(n_sums * n_channels)
                for q in range(n_sums * n_channels):
                    older[q] += newer[q]
        for c in range(n_channels):
            bits[slot, c] = bits[n_slots, c]
            bits[n_slots, c] = 0
        counts[slot, 0] = counts[n_slots, 0]
        counts[slot, 1] = counts[n_slots, 1]
        counts[n_slots, 0] = 0
        counts[n_slots, 1] = 0
        clock[C_HOP] = hop + 1
        clock[C_NEXT] = (2 * (hop + 2) * clock[C_NUMERATOR] + clock[C_DENOMINATOR]) // (2 * clock[C_DENOMINATOR])

        n_token = 0
        n_bridged = 0
        for c in range(n_channels):
            flags[done, c] = 0
        for slot in range(n_slots):
            n_token += counts[slot, 0]
            n_bridged += counts[slot, 1]
            for c in range(n_channels):
                flags[done, c] |= bits[slot, c]
        bridged[done] = n_bridged / n_token
        ends[done] = i

        for c in range(n_channels):
            n_clean = work[WORK + at_stats + S_CLEAN, c]
            n_blink = work[WORK + at_stats + S_BLINK, c]
            share = n_clean / n_token
            used = n_clean
            blinks = 0.0
            corrected = 0.5 * (n_clean + n_blink) / n_token
            if corrected > share:
                # Masking alone would lose the token: blink time counts too, with its power capped, for half.
                share = corrected
                used = n_clean + n_blink
                blinks = 1.0
            scale = 1.0 / used if used > 0.0 else 0.0
            everything = 0.0
            slow_power = 0.0
            alpha = 0.0
            high = 0.0
            for b in range(n_bands):
                power = (work[WORK + b, c] + blinks * work[WORK + n_bands + b, c]) * scale
                everything += power
                if b < parameters[P_SLOW_TO]:
                    slow_power += power
                if parameters[P_ALPHA_FROM] <= b < parameters[P_ALPHA_TO]:
                    alpha += power
                if b >= parameters[P_HIGH_FROM]:
                    high += power
                values[done, c, b] = math.log(power + parameters[P_FLOOR])
            flag = flags[done, c]
            n_seen = max(work[WORK + at_stats + S_SEEN, c], 1.0)
            hum = max(work[WORK + at_stats + S_METER_50, c], work[WORK + at_stats + S_METER_60, c]) / n_seen
            if hum > parameters[P_LINE] or (
                hum > parameters[P_LINE_RATIO] * everything and high > parameters[P_LINE_LEAK]
            ):
                flag |= LINE
                share = 0.0
            elif high > parameters[P_MUSCLE] or (
                high > parameters[P_MUSCLE_FLAT] and high > parameters[P_DENSITY] * alpha
            ):
                flag |= MUSCLE
                share = 0.0
            if used > 0.0 and everything < parameters[P_FLAT]:
                flag |= FLAT
                share = 0.0
            if slow_power > parameters[P_CONTACT_SLOW] or everything - slow_power > parameters[P_CONTACT_FAST]:
                flag |= CONTACT
                share = 0.0
            flags[done, c] = flag
            quality[done, c] = share

        # Denormal numbers cost a hundredfold; what has decayed this far is nothing.
        if hop % n_slots == 0:
            for f in range(biquad_state.shape[0]):
                for c in range(n_channels):
                    if abs(biquad_state[f, c]) < 1e-60:
                        biquad_state[f, c] = 0.0
            for f in range(band_state.shape[0]):
                for s in range(2):
                    for c in range(n_channels):
                        if abs(band_state[f, s, c]) < 1e-60:
                            band_state[f, s, c] = 0.0
            for c in range(n_channels):
                if abs(rows[R_HP, c]) < 1e-60:
                    rows[R_HP, c] = 0.0
                if rows[R_SWING, c] < 1e-60:
                    rows[R_SWING, c] = 0.0
                if abs(rows[R_LAGGED, c]) < 1e-60:
                    rows[R_LAGGED, c] = 0.0
        done += 1
    return done
