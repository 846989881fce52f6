"""What the simulated participant does: named scenarios, and the truth about attention behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bci.errors import UriError

PERIOD_S = 60.0
"""One round of rest and concentration."""

MANUAL = "manual"
"""The scenario that a person steers."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script.

    Parameters
    ----------
    summary
        One sentence for a person.
    coupling
        How rhythms follow attention: 1 as in people, 0 not at all, -1 the other way round.
    faults
        What goes wrong, in the language of `bci.simulator.faults`.
    scripted
        True where attention follows the curve, False where it stays at one half.
    """

    summary: str
    coupling: float = 1.0
    faults: str = ""
    scripted: bool = True


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "focus": Scenario("attention rises and falls; alpha falls, theta and beta rise with it"),
        "flat": Scenario("attention rises and falls, the rhythms do not follow", coupling=0.0),
        "inverted": Scenario("attention rises and falls, the rhythms follow the wrong way round", coupling=-1.0),
        "eyes": Scenario(
            "30 s eyes open, 30 s eyes closed, even attention", faults="eyes-closed@30-60/60", scripted=False
        ),
        "blinks": Scenario("many blinks", faults="blinks"),
        "emg": Scenario("bursts of temporal muscle", faults="emg"),
        "line50": Scenario("mains at 50 Hz on all electrodes", faults="line50"),
        "line60": Scenario("mains at 60 Hz on all electrodes", faults="line60"),
        "pops": Scenario("electrode pops", faults="pops"),
        "drift": Scenario("slow drift of hundreds of µV", faults="drift"),
        "off": Scenario("the headset is taken off at 20 s and put back at 35 s", faults="off@20-35"),
        "jitter": Scenario("packets of 12 samples with one late stamp each", faults="jitter"),
        "loss": Scenario("packets are lost", faults="loss"),
        "clock-drift": Scenario("the device's clock runs 0.4 % fast", faults="clock-drift"),
        MANUAL: Scenario("attention and faults are set from outside", scripted=False),
    }
)


def scenario_named(name: str) -> Scenario:
    """Look a scenario up.

    Raises
    ------
    UriError
        Listing those that exist.
    """
    scenario = SCENARIOS.get(name)
    if scenario is None:
        msg = f"simulator:{name}: no such scenario; there are {', '.join(SCENARIOS)}"
        raise UriError(msg)
    return scenario


def attention_at(scenario: str, t_s: float | NDArray[np.float64], seed: int = 1) -> NDArray[np.float64]:
    """Give the truth: attention of the simulated participant, 0..1, at moments of the simulation.

    Pure, for tests and for the demo's page; nothing between the samples and the score reads it. Each period of 60 s
    rests for 20 s, rises over 10 s, concentrates for 20 s and lets go over 10 s; the seed moves the levels a little.

    Parameters
    ----------
    scenario
        Its name; one whose attention is not scripted gives 0.5 throughout.
    t_s
        Seconds since the first sample, any shape.
    seed
        That of the simulator.
    """
    t = np.asarray(t_s, dtype=np.float64)
    if not scenario_named(scenario).scripted:
        return np.full(t.shape, 0.5)
    if t.size == 0:
        return np.empty(t.shape)
    cycle, phase_s = np.divmod(t, PERIOD_S)
    first = float(cycle.min())
    low, high = _levels(np.arange(first, float(cycle.max()) + 2.0), seed)
    place = (cycle - first).astype(np.intp)
    rise = _smooth_step((phase_s - 20.0) / 10.0)
    fall = _smooth_step((phase_s - 50.0) / 10.0)
    # The fall ends at the low level of the next cycle, so that the curve is continuous.
    return low[place] + (high - low)[place] * rise + (low[1:] - high[:-1])[place] * fall


def _smooth_step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(x, 0.0, 1.0))


def _levels(cycle: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high plateau of each cycle: a hash of seed and cycle, so that any moment can be asked for alone."""
    spread = np.modf(np.abs(np.sin((cycle + 1.0) * 12.9898 + seed * 78.233) * 43758.5453))[0]
    return 0.05 + 0.1 * spread, 0.95 - 0.1 * spread
