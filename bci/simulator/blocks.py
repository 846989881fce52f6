"""Simulated people who are led through blocks of rest and task: readable ones, and those who only seem so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bci.montage import eeg_channel, position_m
from bci.simulator.artefacts import RAILS_UV
from bci.simulator.faults import Fault, parse_faults
from bci.simulator.head import SPANNING_LABELS
from bci.simulator.participant import Participant, Person
from bci.types import Chunk, StreamSpec


@dataclass(frozen=True, slots=True)
class Kind:
    """What a person does in the task.

    Parameters
    ----------
    coupling
        How rhythms follow attention.
    task_faults, rest_faults
        What comes with the task or with rest alone, in the language of `bci.simulator.faults`.
    readable
        True where a certificate should pass.
    """

    coupling: float
    task_faults: str = ""
    rest_faults: str = ""
    readable: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "readable": Kind(1.0, readable=True),
        "unreadable": Kind(0.0),
        "inverted": Kind(-1.0, readable=True),
        "blinks": Kind(0.0, task_faults="blinks"),
        "readable-blinking": Kind(1.0, task_faults="blinks", readable=True),
        "blinks-at-rest": Kind(0.0, rest_faults="blinks"),
        "muscle": Kind(0.0, task_faults="emg"),
    }
)

LEAD_S = 12.0
"""Before the first block: filters settle, the first window fills."""


class BlockScript:
    """Attention 1 and the faults of the task in task blocks, 0 and those of rest in rest blocks and before.

    Parameters
    ----------
    kind
        Key of `KINDS`.
    phases
        `rest` or `task`, in order.
    block_s
        Length of each, s.
    """

    def __init__(self, kind: str, phases: Sequence[str], block_s: float) -> None:
        self._task = np.array([phase == "task" for phase in phases])
        self._block_s = block_s
        self._task_faults = parse_faults(KINDS[kind].task_faults)
        self._rest_faults = parse_faults(KINDS[kind].rest_faults)

    def in_task(self, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which moments of the simulation lie in a task block."""
        block = np.floor((t_s - LEAD_S) / self._block_s).astype(np.int64)
        inside = (block >= 0) & (block < len(self._task))
        return inside & self._task[np.clip(block, 0, len(self._task) - 1)]

    def attention(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Attention as the block asks for it."""
        return self.in_task(t_s).astype(np.float64)

    def faults(self, t_s: float) -> Sequence[Fault]:
        """Faults of the running block."""
        return self._task_faults if self.in_task(np.array([t_s]))[0] else self._rest_faults


def led_person(
    kind: str,
    seed: int,
    phases: Sequence[str],
    block_s: float,
    *,
    channels: int = 8,
    rate_hz: float = 250.0,
) -> tuple[StreamSpec, Iterator[Chunk]]:
    """Make a person and all samples of their calibration, `LEAD_S` and then the blocks.

    Parameters
    ----------
    kind
        Key of `KINDS`.
    seed
        Same seed, same samples.
    phases, block_s
        The blocks.
    channels, rate_hz
        Of the headset.
    """
    labels = tuple(SPANNING_LABELS[:channels])
    places = np.array([position_m(label) for label in labels], np.float64)
    spec = StreamSpec(
        source_id=f"led-{kind}-{seed}",
        name=f"led {kind}",
        kind="EEG",
        nominal_rate_hz=rate_hz,
        channels=tuple(eeg_channel(label) for label in labels),
        device="simulator (led)",
        origin="simulator",
        rails_uv=RAILS_UV,
    )
    person = Person(seed, labels, places, rate_hz, coupling=KINDS[kind].coupling)
    participant = Participant(person, BlockScript(kind, phases, block_s), block_samples=round(rate_hz / 4))
    samples = round((LEAD_S + block_s * len(phases) + 1.0) * rate_hz)

    def chunks() -> Iterator[Chunk]:
        while participant.next_sample < samples:
            block = participant.next_block()
            yield Chunk(spec, block.samples_uv, block.stamps_s, block.first_sample)

    return spec, chunks()
