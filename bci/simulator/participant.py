"""The simulated participant: brain, artefacts and transport put together, block after block."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bci.simulator.artefacts import RAILS_UV, Blinks, Mains, Muscle, OpenInputs, Pops, Wander
from bci.simulator.brain import SPINDLES, Background, RhythmGenerator, rhythms_of
from bci.simulator.faults import Fault
from bci.simulator.transport import Transport
from bci.types import FloatSamples, Timestamps

Samples = NDArray[np.float64]
Gates = Mapping[str, Samples]


class Script(Protocol):
    """Who says what the participant does."""

    def attention(self, t_s: Samples) -> Samples:
        """Attention, 0..1, at moments of the simulation."""
        ...

    def faults(self, t_s: float) -> Sequence[Fault]:
        """Faults to be looked at for the block that begins at a moment of the simulation."""
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """Who is simulated, with what on the head.

    Parameters
    ----------
    seed
        Same seed, same samples.
    labels, positions_m
        Electrodes in channel order; positions float64 (channels, 3), metres, MNE head frame.
    rate_hz
        Samples per second.
    mains_hz
        50 or 60.
    coupling
        How rhythms follow attention, times the effect of `bci.simulator.brain.rhythms_of`.
    blink_effect
        Blinks a second more at attention 1; a person whose eyes tell what the brain does not, where coupling is 0.
    muscle_effect_uv
        Steady muscle at the temples at attention 1, µV rms: the same for a jaw or a brow.
    """

    seed: int
    labels: tuple[str, ...]
    positions_m: Samples
    rate_hz: float
    mains_hz: float = 50.0
    coupling: float = 1.0
    blink_effect: float = 0.0
    muscle_effect_uv: float = 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """Samples as the device would have sent them.

    Parameters
    ----------
    first_sample
        Running number of the first.
    samples_uv
        float32 (n, channels).
    sent
        bool (n,), False where the sample is lost on the way.
    stamps_s, arrivals_s
        float64 (n,), seconds since the first sample: what the stamp says, and when the sample can be read.
    free
        True where nobody has said where the electrodes are.
    """

    first_sample: int
    samples_uv: FloatSamples
    sent: NDArray[np.bool_]
    stamps_s: Timestamps
    arrivals_s: Timestamps
    free: bool


class Participant:
    """Samples of a simulated person, in blocks of fixed size: how they are read never changes them.

    Parameters
    ----------
    person
        Who, and with what on the head.
    script
        Attention and faults.
    block_samples
        Large blocks are fast, small ones follow a script that changes at run time.
    """

    def __init__(self, person: Person, script: Script, block_samples: int = 1024) -> None:
        self._person, self._script, self._block_samples = person, script, block_samples
        rate, positions, n = person.rate_hz, person.positions_m, len(person.labels)

        def rng(what: str) -> np.random.Generator:
            # One generator a component: an artefact more never changes the brain underneath.
            return np.random.Generator(np.random.SFC64([person.seed, zlib.crc32(what.encode())]))

        body = rng("body")
        exponent, level = body.uniform(1.35, 1.6), 0.9 * body.lognormal(0.0, 0.15)
        self._background = Background(positions, rate, rng("background"), exponent=exponent, level_uv2_per_hz=level)
        rhythms = rhythms_of(rng("rhythms"))
        self._rhythms = [
            RhythmGenerator(rhythm, positions, rate, rng(f"rhythm {i}")) for i, rhythm in enumerate(rhythms)
        ]
        self._spindles = RhythmGenerator(SPINDLES, positions, rate, rng("spindles"))
        self._sensor = rng("sensor")
        self._offsets_uv = rng("offsets").normal(0.0, 3000.0, n)
        self._slow = Wander(n, rate, 20.0, rng("slow"))
        self._drift = Wander(n, rate, 8.0, rng("drift"), smooth_s=0.7)
        self._blinks = Blinks(positions, rate, rng("blinks"))
        self._muscle = Muscle(positions, rate, rng("muscle"))
        self._mains = {hz: Mains(n, rate, hz, rng(f"mains {hz:g}")) for hz in sorted({50.0, 60.0, person.mains_hz})}
        self._shorted = rng("shorted")
        self._pops = Pops(n, rate, rng("pops"))
        self._impedance = Wander(n, rate, 0.4, rng("impedance"))
        self._impedance_noise = rng("impedance noise")
        self._open = OpenInputs(n, rate, rng("open"))
        self._transport = Transport(rate, rng("transport"))
        self._closed = 0.0
        self._next_sample = 0

    @property
    def next_sample(self) -> int:
        """Number of the first sample of the next block."""
        return self._next_sample

    def skip(self, n_samples: int) -> None:
        """Let time pass without samples, as a machine does that was asleep."""
        self._next_sample += n_samples

    def next_block(self) -> Block:
        """Make the next samples."""
        first, n = self._next_sample, self._block_samples
        self._next_sample += n
        t_s = np.arange(first, first + n) / self._person.rate_hz
        gates = self._gates(t_s)
        attention = self._script.attention(t_s)
        samples = self._brain(attention, gates)
        hum = self._mains[self._person.mains_hz].block(t_s)
        self._add_eyes(samples, attention, gates)
        self._add_muscle(samples, attention, first, gates)
        self._add_electrodes(samples, t_s, hum, gates)
        samples = self._replace_electrodes(samples, hum, gates)
        when = {name: np.asarray(gate.any(axis=1)) for name, gate in gates.items()}
        sent, stamps_s, arrivals_s = self._transport.block(first, t_s, when)
        clipped = np.clip(samples, *RAILS_UV).astype(np.float32)
        return Block(first, clipped, sent, stamps_s, arrivals_s, "free" in gates)

    def _gates(self, t_s: Samples) -> dict[str, Samples]:
        """Say for each fault that holds in the block where and when, (n, channels), 0 or 1."""
        gates: dict[str, Samples] = {}
        for fault in self._script.faults(float(t_s[0])):
            when = fault.active(t_s)
            if not when.any():
                continue
            gate = np.outer(when, fault.touches(self._person.labels)).astype(np.float64)
            gates[fault.name] = np.maximum(gates[fault.name], gate) if fault.name in gates else gate
        return gates

    def _brain(self, attention: Samples, gates: Gates) -> Samples:
        drive = self._person.coupling * attention
        eyes_closed = self._eyes(attention.size, gates)
        samples = self._background.block(attention.size)
        for rhythm in self._rhythms:
            samples += rhythm.block(drive, eyes_closed)
        if "spindles" in gates:
            still = np.zeros(attention.size)
            samples += self._spindles.block(still, still) * gates["spindles"]
        return samples

    def _eyes(self, n: int, gates: Gates) -> Samples:
        """Smooth the closing of the eyes: alpha follows within some 0.3 s."""
        target = gates["eyes-closed"][:, 0] if "eyes-closed" in gates else np.zeros(n)
        if self._closed == target[0] and (target == target[0]).all():
            return target
        forget = float(np.exp(-1.0 / (0.3 * self._person.rate_hz)))
        closed = np.empty(n)
        level = self._closed
        for i, goal in enumerate(target.tolist()):
            level = goal + (level - goal) * forget
            closed[i] = level
        self._closed = level if abs(level - target[-1]) > 1e-4 else float(target[-1])
        return closed

    def _add_eyes(self, samples: Samples, attention: Samples, gates: Gates) -> None:
        per_s = np.maximum(0.0, _BLINKS_PER_S + self._person.blink_effect * attention)
        if "blinks" in gates:
            per_s += 0.5 * gates["blinks"].max(axis=1)
        if "eyes-closed" in gates:
            per_s *= 1.0 - gates["eyes-closed"].max(axis=1)
        samples += self._blinks.block(per_s)

    def _add_muscle(self, samples: Samples, attention: Samples, first_sample: int, gates: Gates) -> None:
        if self._person.muscle_effect_uv:
            samples += self._muscle.tonus(len(samples)) * (self._person.muscle_effect_uv * attention[:, None])
        if "emg" in gates:
            samples += self._muscle.bursts(first_sample, len(samples)) * gates["emg"]
        if "clench" in gates:
            samples += self._muscle.clench(len(samples)) * gates["clench"]

    def _add_electrodes(self, samples: Samples, t_s: Samples, hum: Samples, gates: Gates) -> None:
        n, n_channels = samples.shape
        noise = self._sensor.standard_normal((n, n_channels))
        # One noise for both: what is white at the amplifier and what wanders within 20 s share no frequencies.
        samples += 0.4 * noise
        samples += 15.0 * self._slow.follow(noise)
        samples += self._offsets_uv + 0.6 * hum
        if "pops" in gates or self._pops.sounding:
            samples += self._pops.block(0.4 * gates["pops"] if "pops" in gates else np.zeros_like(samples))
        for hz in (50.0, 60.0):
            if (gate := gates.get(f"line{hz:g}")) is not None:
                samples += 40.0 * self._mains[hz].block(t_s) * gate
        if "drift" in gates:
            samples += 400.0 * self._drift.block(n) * gates["drift"]
        if "contact" in gates:
            noise = 400.0 * self._impedance.block(n) + 20.0 * self._impedance_noise.standard_normal((n, n_channels))
            samples += (noise + 3000.0 * hum) * gates["contact"]

    def _replace_electrodes(self, samples: Samples, hum: Samples, gates: Gates) -> Samples:
        """Let electrodes leave the head, die or stick at the rail."""
        if "off" in gates or self._open.settling:
            samples = self._open.block(samples, gates.get("off", np.zeros_like(samples)), hum)
        if "flat" in gates:
            samples = np.where(gates["flat"] > 0.0, 0.15 * self._shorted.standard_normal(samples.shape), samples)
        if "rails" in gates:
            samples = np.where(gates["rails"] > 0.0, RAILS_UV[0], samples)
        return samples


_BLINKS_PER_S = 0.2
"""At rest with open eyes; 12-17 a minute are usual (Bentivoglio et al. 1997)."""
