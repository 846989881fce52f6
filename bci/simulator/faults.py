"""What can go wrong with a simulated headset, and when: the small language of `faults=`.

- `off@20-35,pops@50-55`: a headset taken off at 20 s and back at 35 s, pops later;
- `rails:Fp1.Fp2@10-20`: only two electrodes;
- `eyes-closed@30-60/60`: 30 s in every 60 s;
- `emg`: from the first sample to the last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bci.errors import UriError

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "off": "the headset is off the head: mains, large drift, some electrodes at the rails",
        "rails": "electrodes sit at the converter's rail",
        "flat": "electrodes are shorted: the amplifier's own noise and nothing else",
        "contact": "poor contact: three electrodes in five are loose, wander by hundreds of µV, hum",
        "pops": "electrode pops: steps of 50-300 µV that decay",
        "drift": "slow drift of hundreds of µV (sweat, cable)",
        "line50": "mains at 50 Hz, tens of µV",
        "line60": "mains at 60 Hz, tens of µV",
        "emg": "bursts of temporal muscle, 20-200 Hz",
        "clench": "clenched jaw: muscle on all electrodes without pause",
        "blinks": "a blink every 1.5 s",
        "eyes-closed": "eyes closed: posterior alpha grows, no blinks",
        "spindles": "a spectrum that no training set has: large 15.5 Hz spindles everywhere",
        "gap": "nothing is sent; the samples are lost",
        "loss": "packets are lost: mostly some samples, at times up to half a second",
        "jitter": "packets of 12 samples that share one late stamp",
        "clock-drift": "the device's clock runs 0.4 % fast",
        "free": "nobody has said where the electrodes are",
    }
)
"""Names of the faults, each with one sentence for a person."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "no_data": "gap",
        "stale": "gap",
        "not_worn": "off",
        "unassigned": "free",
        "poor_contact": "contact",
        "artifact": "clench",
        "warming_up": "gap@0-1.2/5",
        "out_of_distribution": "spindles",
        "baseline_mismatch": "eyes-closed",
    }
)
"""Reasons of the contract, each with the fault that brings it about by samples alone. `no_data` means that nothing
ever came: it holds where the fault is there from the start (`simulator:manual?fault=no_data`)."""

_ITEM = re.compile(
    r"(?P<name>[a-z0-9-]+)(:(?P<labels>[^@:]+))?"
    r"(@(?P<start>\d+(\.\d+)?)-(?P<stop>\d+(\.\d+)?)?(/(?P<every>\d+(\.\d+)?))?)?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it holds.

    Parameters
    ----------
    name
        A key of `FAULTS`.
    labels
        Electrodes it touches; empty = all (`contact`: three in five).
    start_s, stop_s
        Seconds of the simulation, start included, stop not.
    every_s
        Period with which the span repeats; None = once.
    since_s
        Moment of the simulation from which the others count.
    """

    name: str
    labels: tuple[str, ...] = ()
    start_s: float = 0.0
    stop_s: float = math.inf
    every_s: float | None = None
    since_s: float = 0.0

    def active(self, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say for each moment (seconds of the simulation) whether the fault holds."""
        t_s = t_s - self.since_s
        if self.every_s is not None:
            t_s = np.mod(t_s, self.every_s)
        return (t_s >= self.start_s) & (t_s < self.stop_s)

    def touches(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Say for each channel whether the fault touches it; without labels all, but for `contact`."""
        if self.labels:
            return np.array([label in self.labels for label in labels], dtype=bool)
        if self.name != "contact":
            return np.ones(len(labels), dtype=bool)
        # A headset that sits badly: most of it touches poorly, not all; all would be a headset that is not worn.
        order = np.random.default_rng(0).permutation(len(labels))
        return order < max(1, round(0.6 * len(labels)))


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read a list of faults, `name[:label.label][@start-[stop][/every]]`, separated by commas.

    Names of reasons (`not_worn`) stand for the fault that brings them about. An underscore counts as a hyphen.

    Raises
    ------
    UriError
        For a name or a span that cannot be read; the message lists the known names.
    """
    return tuple(_parse_one(item.strip()) for item in text.split(",") if item.strip())


def _parse_one(item: str) -> Fault:
    if item in REASONS:
        item = REASONS[item]
    match = _ITEM.fullmatch(item.partition("@")[0].partition(":")[0].replace("_", "-") + _rest_of(item))
    if match is None:
        msg = f"fault '{item}': expected name[:label.label][@start-stop[/every]], seconds; for example off@20-35"
        raise UriError(msg)
    name = match["name"]
    if name not in FAULTS:
        msg = f"unknown fault '{name}'; there are {', '.join(FAULTS)}, and the reasons {', '.join(REASONS)}"
        raise UriError(msg)
    labels = tuple(part for part in (match["labels"] or "").split(".") if part)
    start_s = float(match["start"] or 0.0)
    stop_s = float(match["stop"]) if match["stop"] else math.inf
    every_s = float(match["every"]) if match["every"] else None
    if stop_s <= start_s or (every_s is not None and not start_s < every_s):
        msg = f"fault '{item}': the span ends before it starts, or starts after its period"
        raise UriError(msg)
    return Fault(name, labels, start_s, stop_s, every_s)


def _rest_of(item: str) -> str:
    head = re.match(r"[^:@]*", item)
    return item[head.end() :] if head else ""
