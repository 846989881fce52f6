"""A simulated person who follows the cues of a guided calibration, as fast as the samples can be made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bci.montage import eeg_channel
from bci.simulator.artefacts import RAILS_UV
from bci.simulator.faults import Fault
from bci.simulator.participant import Participant, Person
from bci.simulator.scripts import CuedScript
from bci.types import Chunk, StreamSpec

AT_REST, AT_WORK = 0.1, 0.9
"""Attention at the cross and in the task: nobody rests or works wholly."""

_BLOCK_SAMPLES = 3000


def cued_spec(person: Person) -> StreamSpec:
    """Describe the stream of `cued_chunks`."""
    return StreamSpec(
        source_id=f"focusloop-simulator-cued-{person.seed}",
        name="simulated, cued",
        kind="EEG",
        nominal_rate_hz=person.rate_hz,
        channels=tuple(eeg_channel(label) for label in person.labels),
        device=f"simulator (cued, seed {person.seed})",
        origin="simulator",
        rails_uv=RAILS_UV,
    )


def cued_chunks(
    person: Person, tasks: Sequence[tuple[float, bool]], seconds: float, faults: Sequence[Fault] = ()
) -> Iterator[Chunk]:
    """Give a person's samples.

    Parameters
    ----------
    person
        Who.
    tasks
        (moment in s, True for the task and False for the cross), in order.
    seconds
        How long in all.
    faults
        What goes wrong meanwhile.

    Yields
    ------
    Chunk
        Stamped from 0 on.
    """
    cues = tuple((moment_s, AT_WORK if task else AT_REST) for moment_s, task in tasks)
    script = CuedScript(((0.0, 0.5 * (AT_REST + AT_WORK)), *cues), tuple(faults))
    participant = Participant(person, script, _BLOCK_SAMPLES)
    spec = cued_spec(person)
    while participant.next_sample < seconds * person.rate_hz:
        block = participant.next_block()
        for run in np.split(np.arange(len(block.sent)), np.flatnonzero(np.diff(block.sent)) + 1):
            if block.sent[run[0]]:
                first = block.first_sample + int(run[0])
                yield Chunk(spec, block.samples_uv[run], block.stamps_s[run], first)
