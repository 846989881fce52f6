"""The inner loop of the timeline: plain Python that numba compiles, sample by sample.

Every decision depends on the samples alone, never on where a chunk was cut, so any chunking gives the same bits. The
state lives in two small arrays (indices below), which keeps the compiled signature free of structures.
"""

from __future__ import annotations

import math
from typing import Any

Floats = Any  # float64 (n,) or (n, channels); the signature of the compiled kernel holds them to it
Ints = Any  # int64
Bytes = Any  # uint8
Samples = Any  # float32 (n, channels)

# Float state: time and period of the loop, its jitter, the last stamp that came, the last put out, the first, how far
# off stamps have been of late, and how far apart the last two were; of a doubt, how far off its stamps are at least and
# at most, and since which one.
F_TIME, F_PERIOD, F_NOMINAL, F_JITTER, F_CAME, F_LAST, F_BEGAN, F_PEAK, F_STEP, F_LEAST, F_MOST, F_SINCE = range(12)
FLOATS = 12

# Integer state: what goes on, then what is counted for the report.
(
    I_STARTED,
    I_COUNTER,
    I_MEMORY,
    I_MEMORY_FIRST,
    I_MEMORY_LAST,
    I_HEAD,
    I_HELD,
    I_CLEAR,
    I_OFF,
    I_SLEW,
    I_WINDOW_AT,
    I_WINDOW_SUM,
    I_NEED,
    I_SAMPLES,
    I_LOST,
    I_BRIDGED,
    I_MISSING,
    I_REPEATED,
    I_BACKWARD,
    I_JUMPS,
    I_RESETS,
    I_BAD,
    I_SINCE,
    I_DOUBT,
    I_TOLD,
    I_FOUND,
) = range(26)
INTS = 26

MEASURED, BRIDGED, MISSING = 0, 1, 2
"""State of one regular sample."""

NO_RESET, GAP, SPARSE, OFF, CLOCK = 0, 1, 2, 3, 4
"""Why the timeline starts again: a long gap, too many short ones, stamps that stay off, a jump of a clock."""

BRIDGE_S, LONGEST_S, CLOCK_S, PERSISTS_S, JITTER_PER_S = 0.1, 1.0, 900.0, 0.25, 0.5
PERIOD_TOLERANCE = 0.1
LARGEST_JITTER_S = 0.05
LARGEST_PEAK_S, PEAK_PER_S, PEAK_MARGIN = 0.025, 1.0 / 30.0, 1.25
FEW, WHOLE = 8, 0.05
"""A gap of so few samples is one only where the stamps are ahead by a whole number of periods, within this share of one
or twice the jitter: a sender that was busy and stamped late is ahead by anything."""

DEDUCED, STEADY, ALONE_S = 0.002, 0.1, 0.25
"""A stamp one nominal period after the one before, to this share of it, was counted on from it and tells nothing new. A
stream whose stamps have been off by no more than this share of a period keeps time by itself. So long a run of counted
stamps is believed by itself."""

EVENTS = 4

A_EVENTS, A_COLUMNS = INTS, INTS + 2 * EVENTS
"""Where in the integer array stand the resets (place in the output, reason), the columns, what was lost in hand."""

A_EVENTS_S, A_LAST = FLOATS, FLOATS + EVENTS
"""Where in the float array stand the lengths of the gaps, last values, room for a row, stamps in hand."""

DOUBT_S = 0.02
"""A stamp that is ahead by no more does not keep its sample back: whether samples went missing before it is decided
while it and the next are under way, and what went missing is filled in a little later than it was missing."""

SUSPICIOUS, DOUBTFUL, CLEARED, UNDECIDED, ORDINARY = -4, -3, -2, -1, 0
"""What is found of a sample; above `ORDINARY`, how many went missing before it. `CLEARED` with one before it."""


def threshold(period: float, jitter: float) -> float:
    """How far off a stamp is suspicious: four mean deviations, and at least most of a period."""
    return max(0.6 * period, 4.0 * jitter)


def farthest(period: float, jitter: float, peak: float) -> float:
    """How far off a stamp is usual: less than suspicious, or hardly more than stamps have been of late."""
    return max(threshold(period, jitter), PEAK_MARGIN * peak)


def worse(peak: float, residual: float, nominal: float) -> float:
    """Remember how far off stamps are: at once when they are farther, forgotten over half a minute."""
    return max(peak - peak * nominal * PEAK_PER_S, min(abs(residual), LARGEST_PEAK_S))


def step(
    predicted: float, residual: float, limit: float, period: float, nominal: float, jitter: float, memory: int
) -> tuple[float, float, float]:
    """Move the phase-locked loop by one sample; give time, period and jitter.

    An expanding memory until it is full, then steady. The gains are those of a straight line fitted to the last n
    stamps (Brookner, Tracking and Kalman Filtering Made Easy, 1998, ch. 1): 4/n for time, 6/n² for the period. The
    residual is limited, so that a wild stamp cannot move the loop, and a step never exceeds half a period, so that
    time always rises.
    """
    size = min(abs(residual), limit)
    bounded = size if residual > 0.0 else -size
    gain = 1.0 / memory
    time = predicted + max(-0.5 * period, min(0.5 * period, bounded * 4.0 * gain))
    period += bounded * 6.0 * gain * gain
    period = max(nominal * (1.0 - PERIOD_TOLERANCE), min(nominal * (1.0 + PERIOD_TOLERANCE), period))
    return time, period, jitter + (min(size, LARGEST_JITTER_S) - jitter) * nominal * JITTER_PER_S


def follow(floats: Floats, ints: Ints, stamp: float) -> None:
    """Move the loop by one sample of any kind: a wild stamp is passed over, a slew goes as fast as time may."""
    period, jitter = floats[F_PERIOD], floats[F_JITTER]
    predicted = floats[F_TIME] + period
    residual = stamp - predicted
    floats[F_TIME] = predicted
    if not math.isfinite(residual) or abs(residual) > LONGEST_S:
        return
    limit = threshold(period, jitter)
    floats[F_PEAK] = worse(floats[F_PEAK], residual, floats[F_NOMINAL])
    if ints[I_SLEW] != 0:
        floats[F_TIME] = predicted + max(-0.5 * period, min(0.5 * period, residual))
        if abs(residual) < limit:
            ints[I_SLEW] = 0
        return
    time, period, jitter = step(predicted, residual, limit, period, floats[F_NOMINAL], jitter, ints[I_MEMORY])
    floats[F_TIME], floats[F_PERIOD], floats[F_JITTER] = time, period, jitter
    ints[I_MEMORY] = min(ints[I_MEMORY] + 1, ints[I_MEMORY_LAST])


def watch(floats: Floats, ints: Ints, stamp: float) -> float:
    """Notice stamps that stay off on one side without a gap; return how far they are off where that calls for a reset.

    Up to a second the loop slews: following with its whole memory would take far too long.
    """
    residual = stamp - (floats[F_TIME] + floats[F_PERIOD])
    limit = threshold(floats[F_PERIOD], floats[F_JITTER])
    if not math.isfinite(residual):
        return 0.0
    usual = farthest(floats[F_PERIOD], floats[F_JITTER], floats[F_PEAK])
    if ints[I_OFF] == 0 and ints[I_SLEW] == 0 and abs(residual) <= usual:
        return 0.0  # `cruise` takes no notice either
    if residual > limit and stamp - floats[F_LAST] < 0.5 * floats[F_PERIOD]:
        return 0.0  # held up and delivered at once: it catches up
    if residual > limit:
        ints[I_OFF] = max(ints[I_OFF], 0) + 1
    elif residual < -limit:
        ints[I_OFF] = min(ints[I_OFF], 0) - 1
    else:
        ints[I_OFF] = 0
    if abs(ints[I_OFF]) * floats[F_NOMINAL] <= PERSISTS_S:
        return 0.0
    ints[I_OFF] = 0
    if abs(residual) > LONGEST_S:
        return residual
    ints[I_SLEW] = 1
    return 0.0


def note(ints: Ints, window: Bytes, filled: int) -> None:
    """Count a regular sample, and what was not measured within the window that a model sees."""
    ints[I_SINCE] += 1
    at = ints[I_WINDOW_AT]
    ints[I_WINDOW_SUM] += filled - int(window[at])  # as Python, a uint8 would wrap
    window[at] = filled
    ints[I_WINDOW_AT] = at + 1 if at + 1 < window.shape[0] else 0


def begin(floats: Floats, ints: Ints, window: Bytes, stamp: float) -> None:
    """Start at a stamp; the period and the jitter are the device's and stay."""
    ints[I_STARTED] = 1
    ints[I_MEMORY] = ints[I_MEMORY_FIRST]
    ints[I_OFF] = 0
    ints[I_SLEW] = 0
    ints[I_DOUBT] = 0
    ints[I_WINDOW_AT] = 0
    ints[I_WINDOW_SUM] = 0
    for i in range(window.shape[0]):
        window[i] = 0
    ints[I_SINCE] = 0
    floats[F_BEGAN] = stamp
    if math.isfinite(stamp):
        floats[F_TIME] = stamp - floats[F_PERIOD]


def fill(
    floats: Floats,
    ints: Ints,
    window: Bytes,
    last: Floats,
    row: Floats,
    missing: int,
    out_uv: Floats,
    out_s: Floats,
    out_state: Bytes,
    out_bad: Bytes,
    at: int,
) -> None:
    """Put a straight line from the last to the next known value: nothing that a filter would ring on."""
    state = BRIDGED if missing * floats[F_PERIOD] <= BRIDGE_S else MISSING
    ints[I_BRIDGED if state == BRIDGED else I_MISSING] += missing
    for j in range(missing):
        weight = (j + 1.0) / (missing + 1.0)
        for c in range(row.shape[0]):
            known = math.isfinite(row[c])
            out_uv[at + j, c] = last[c] + (row[c] - last[c]) * weight if known else last[c]
            out_bad[at + j, c] = 0 if known else 1
        floats[F_TIME] += floats[F_PERIOD]
        out_s[at + j] = floats[F_TIME]
        out_state[at + j] = state
        note(ints, window, 1)


def put(
    floats: Floats,
    ints: Ints,
    window: Bytes,
    last: Floats,
    row: Floats,
    stamp: float,
    out_uv: Floats,
    out_s: Floats,
    out_state: Bytes,
    out_bad: Bytes,
    at: int,
) -> None:
    """Put out a measured sample; a channel that is no number keeps its last value and is marked.

    In doubt the loop goes on by itself.
    """
    for c in range(row.shape[0]):
        if math.isfinite(row[c]):
            last[c] = row[c]
            out_bad[at, c] = 0
        else:
            out_bad[at, c] = 1
            ints[I_BAD] += 1
        out_uv[at, c] = last[c]
    if ints[I_DOUBT] > 0:
        floats[F_TIME] += floats[F_PERIOD]
    else:
        follow(floats, ints, stamp)
    out_s[at] = floats[F_TIME]
    out_state[at] = MEASURED
    note(ints, window, 0)
    ints[I_SAMPLES] += 1
    if math.isfinite(stamp):
        floats[F_STEP] = stamp - floats[F_LAST]
        floats[F_LAST] = stamp


def deduced(step_s: float, nominal: float) -> bool:
    """Tell whether a stamp so long after the one before was counted on from it, not taken."""
    return abs(step_s - nominal) <= DEDUCED * nominal


def lost_of(floats: Floats, least: float) -> int:
    """Count the samples that went missing before stamps which stay ahead; `ORDINARY` where the sender was busy."""
    period = floats[F_PERIOD]
    lost = int(min(least / period, 1e9) + 0.5)
    if lost <= FEW and abs(least - lost * period) > max(WHOLE * period, 2.0 * floats[F_JITTER]):
        return ORDINARY
    return lost


def doubt(floats: Floats, ints: Ints, stamp: float, residual: float, limit: float, size: int) -> int:
    """Decide about a sample after one that was put out in doubt.

    `DOUBTFUL` while nothing is known, `ORDINARY` once that one was late, else how many samples went missing;
    `SUSPICIOUS` where stamps have gone farther ahead and this sample is to be judged by itself.
    """
    found = ORDINARY
    if residual > floats[F_MOST] + limit and residual < math.inf:
        found = SUSPICIOUS
    elif not residual <= limit and ints[I_DOUBT] < size:
        if not math.isfinite(residual):
            ints[I_DOUBT] += 1
            return DOUBTFUL
        if not deduced(stamp - floats[F_LAST], floats[F_NOMINAL]) or stamp - floats[F_SINCE] >= ALONE_S:
            ints[I_TOLD] = 1
        if residual < floats[F_LEAST] - threshold(floats[F_PERIOD], floats[F_JITTER]):
            floats[F_SINCE] = stamp  # it catches up, and may yet do so wholly
            ints[I_TOLD] = 0
        floats[F_LEAST] = min(floats[F_LEAST], residual)
        floats[F_MOST] = max(floats[F_MOST], residual)
        if ints[I_TOLD] == 0 or stamp - floats[F_SINCE] < max(2.5 * floats[F_PERIOD], limit):
            ints[I_DOUBT] += 1
            return DOUBTFUL
        found = lost_of(floats, floats[F_LEAST])
    ints[I_DOUBT] = 0
    if found == ORDINARY:
        floats[F_PEAK] = worse(floats[F_PEAK], floats[F_MOST], floats[F_NOMINAL])
    return found


def decide(floats: Floats, ints: Ints, held_s: Floats, held_lost: Ints) -> int:
    """Decide about the oldest sample in hand.

    A stamp far ahead means a gap, a late delivery or a wild stamp. A gap stays while stamps advance; after a late
    delivery the samples that were held up come at once and their stamps catch up; a wild stamp is followed by a good
    one. So a suspicious sample waits for the next few, at most three periods or the jitter of the stream. Of a chunk
    that was stamped as a whole all stamps are late alike, and say nothing of each other: where a stream is not known to
    keep time by itself, it waits for the next stamp that was taken, not counted on from the one before; or is put out
    in doubt meanwhile, where it is ahead by little.
    """
    if ints[I_HELD] == 0:
        return UNDECIDED
    if ints[I_STARTED] == 0:
        return ORDINARY
    if ints[I_CLEAR] > 0:
        ints[I_CLEAR] -= 1
        return CLEARED
    size = held_s.shape[0]
    head = ints[I_HEAD]
    period = floats[F_PERIOD]
    limit = farthest(period, floats[F_JITTER], floats[F_PEAK])
    stamp = held_s[head]
    expected = floats[F_TIME] + period * (1 + held_lost[head])
    least = stamp - expected
    if ints[I_DOUBT] > 0:
        found = doubt(floats, ints, stamp, least, limit, size)
        if found != SUSPICIOUS:
            return found
    if (
        not math.isfinite(least)
        or least <= limit
        or stamp - floats[F_LAST] - period * (1 + held_lost[head]) < 0.5 * limit
    ):
        return ORDINARY
    nominal = floats[F_NOMINAL]
    steady = ints[I_SINCE] * nominal > 1.0 and floats[F_PEAK] < STEADY * nominal
    if not steady and least <= DOUBT_S and deduced(floats[F_STEP], nominal):
        ints[I_DOUBT] = 1
        ints[I_TOLD] = 0
        floats[F_LEAST] = floats[F_MOST] = least
        floats[F_SINCE] = stamp
        return DOUBTFUL
    told = steady
    since = before = stamp
    for j in range(1, ints[I_HELD]):
        slot = (head + j) % size
        expected += period * (1 + held_lost[slot])
        residual = held_s[slot] - expected
        if not math.isfinite(residual):
            continue
        told = told or not deduced(held_s[slot] - before, nominal) or held_s[slot] - since >= ALONE_S
        before = held_s[slot]
        if residual <= limit:
            ints[I_CLEAR] = j - 1
            return ORDINARY
        if residual < least - threshold(period, floats[F_JITTER]):
            since = held_s[slot]  # it catches up, and may yet do so wholly
            told = steady
        least = min(least, residual)
        if told and held_s[slot] - since >= max(2.5 * period, limit):
            lost = lost_of(floats, least)
            if lost == ORDINARY:
                ints[I_CLEAR] = j
            return lost
    if ints[I_HELD] < size:
        return UNDECIDED
    ints[I_CLEAR] = size - 1
    return ORDINARY


def why_reset(floats: Floats, ints: Ints, window: Bytes, missing: int) -> int:
    """Say why the timeline cannot bridge so many samples; 0 where it can."""
    gap_s = missing * floats[F_PERIOD]
    if gap_s > CLOCK_S:
        return CLOCK
    if gap_s > LONGEST_S:
        return GAP
    if missing > 0 and ints[I_WINDOW_SUM] + missing > window.shape[0] // 4:
        return SPARSE
    return NO_RESET


def came(floats: Floats, ints: Ints, stamp: float) -> None:
    """Count what a stamp did."""
    if stamp == floats[F_CAME]:
        ints[I_REPEATED] += 1
    elif stamp < floats[F_CAME]:
        ints[I_BACKWARD] += 1
    if math.isfinite(stamp):
        floats[F_CAME] = stamp


def calm(ints: Ints, counter: int) -> bool:
    """Tell the usual: nothing in hand, nothing lost, nothing going on."""
    if ints[I_STARTED] == 0 or ints[I_HELD] != 0 or counter != ints[I_COUNTER]:
        return False
    return ints[I_OFF] == 0 and ints[I_SLEW] == 0 and ints[I_CLEAR] == 0 and ints[I_DOUBT] == 0


def cruise(
    chunk_uv: Samples,
    chunk_s: Floats,
    index: int,
    floats: Floats,
    ints: Ints,
    window: Bytes,
    last: Floats,
    columns: Ints,
    out_uv: Floats,
    out_s: Floats,
    out_state: Bytes,
    out_bad: Bytes,
    at: int,
) -> int:
    """Put out samples as long as their stamps are as expected; give how many. The state stays in registers.

    The same steps as `put` takes for such a sample, which is nearly every one.
    """
    time, period, nominal, jitter = floats[F_TIME], floats[F_PERIOD], floats[F_NOMINAL], floats[F_JITTER]
    came_s, step_s, peak = floats[F_CAME], floats[F_STEP], floats[F_PEAK]
    memory, memory_last = ints[I_MEMORY], ints[I_MEMORY_LAST]
    window_at, filled, bad = ints[I_WINDOW_AT], 0, 0
    n = 0
    while index + n < chunk_s.shape[0] and at + n < out_s.shape[0]:
        stamp = chunk_s[index + n]
        predicted = time + period
        residual = stamp - predicted
        limit = threshold(period, jitter)
        if not abs(residual) <= farthest(period, jitter, peak):
            break
        peak = worse(peak, residual, nominal)
        if stamp == came_s:
            ints[I_REPEATED] += 1
        elif stamp < came_s:
            ints[I_BACKWARD] += 1
        step_s = stamp - came_s
        came_s = stamp
        for c in range(columns.shape[0]):
            value = chunk_uv[index + n, columns[c]]
            known = math.isfinite(value)
            if known:
                last[c] = value
            else:
                bad += 1
            out_uv[at + n, c] = last[c]
            out_bad[at + n, c] = 0 if known else 1
        time, period, jitter = step(predicted, residual, limit, period, nominal, jitter, memory)
        memory = min(memory + 1, memory_last)
        out_s[at + n] = time
        out_state[at + n] = MEASURED
        filled += window[window_at]
        window[window_at] = 0
        window_at = window_at + 1 if window_at + 1 < window.shape[0] else 0
        n += 1
    if n > 0:
        floats[F_TIME], floats[F_PERIOD], floats[F_JITTER] = time, period, jitter
        floats[F_CAME] = floats[F_LAST] = came_s
        floats[F_STEP], floats[F_PEAK] = step_s, peak
        ints[I_MEMORY] = memory
        ints[I_WINDOW_AT] = window_at
        ints[I_WINDOW_SUM] -= filled
        ints[I_BAD] += bad
        ints[I_SAMPLES] += n
        ints[I_SINCE] += n
        ints[I_COUNTER] += n
    return n


def advance(
    chunk_uv: Samples,
    chunk_s: Floats,
    first_sample: int,
    begin_at: int,
    floats: Floats,
    ints: Ints,
    window: Bytes,
    held_uv: Samples,
    out_uv: Floats,
    out_s: Floats,
    out_state: Bytes,
    out_bad: Bytes,
) -> tuple[int, int, int]:
    """Turn samples as they came into regular ones, as far as the output has room.

    Returns
    -------
    consumed, produced, events
        Samples of the chunk taken, regular samples put out, resets noted. `ints[I_NEED]` is 0 when all is done, else
        the room that the next sample needs.
    """
    # Each array costs on the way in from Python, so the small ones travel behind the state.
    channels = out_uv.shape[1]
    columns = ints[A_COLUMNS : A_COLUMNS + channels]
    held_lost = ints[A_COLUMNS + channels :]
    last = floats[A_LAST : A_LAST + channels]
    row = floats[A_LAST + channels : A_LAST + 2 * channels]
    held_s = floats[A_LAST + 2 * channels :]
    size = held_s.shape[0]
    at = 0
    event = 0
    index = begin_at
    ints[I_NEED] = 0
    while True:
        if calm(ints, first_sample + index):
            n = cruise(
                chunk_uv, chunk_s, index, floats, ints, window, last, columns, out_uv, out_s, out_state, out_bad, at
            )
            index += n
            at += n
        head = ints[I_HEAD]
        found = ints[I_FOUND]
        if found == UNDECIDED:
            found = decide(floats, ints, held_s, held_lost)
        if found == UNDECIDED:
            if index == chunk_s.shape[0]:
                return index, at, event
            slot = (head + ints[I_HELD]) % size
            for c in range(chunk_uv.shape[1]):  # a slice would take seconds more to compile
                held_uv[slot, c] = chunk_uv[index, c]
            held_s[slot] = chunk_s[index]
            counter = first_sample + index
            known = ints[I_STARTED] != 0 or ints[I_HELD] > 0
            held_lost[slot] = max(counter - ints[I_COUNTER], 0) if known else 0
            ints[I_HELD] += 1
            ints[I_COUNTER] = counter + 1
            came(floats, ints, chunk_s[index])
            index += 1
            continue
        stamp = held_s[head]
        missing = max(found, ORDINARY) + held_lost[head]
        gap_s = missing * floats[F_PERIOD]
        reason = why_reset(floats, ints, window, missing)
        room = 1 if reason != NO_RESET else missing + 1
        if at + room > out_s.shape[0] or event == EVENTS:
            ints[I_NEED] = room
            ints[I_FOUND] = found
            return index, at, event
        ints[I_FOUND] = UNDECIDED
        for c in range(channels):
            row[c] = held_uv[head, columns[c]]
        if reason == NO_RESET:
            fill(floats, ints, window, last, row, missing, out_uv, out_s, out_state, out_bad, at)
            at += missing
            if found >= ORDINARY and ints[I_STARTED] != 0:
                gap_s = watch(floats, ints, stamp)
                if gap_s != 0.0:
                    reason = OFF
        if reason in (CLOCK, OFF):
            ints[I_JUMPS] += 1
        if reason != CLOCK:
            ints[I_LOST] += missing
        if reason != NO_RESET:
            ints[I_RESETS] += 1
            ints[A_EVENTS + 2 * event] = at
            ints[A_EVENTS + 2 * event + 1] = reason
            floats[A_EVENTS_S + event] = gap_s
            event += 1
            floats[F_TIME] += missing * floats[F_PERIOD]
        if reason != NO_RESET or ints[I_STARTED] == 0:
            begin(floats, ints, window, stamp)
        ints[I_HEAD] = (head + 1) % size
        ints[I_HELD] -= 1
        put(floats, ints, window, last, row, stamp, out_uv, out_s, out_state, out_bad, at)
        at += 1


CALLED = (
    threshold, farthest, worse, step, follow, watch, note, begin, fill, put, deduced, lost_of, doubt, decide, why_reset,
    came, calm, cruise,
)  # fmt: skip
"""What `advance` calls, callee before caller: the compiler is told of each."""

SIGNATURE = (
    "UniTuple(int64, 3)(Array(float32, 2, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), int64, int64, "
    "float64[::1], int64[::1], uint8[::1], float32[:, ::1], float64[:, ::1], float64[::1], uint8[::1], uint8[:, ::1])"
)
