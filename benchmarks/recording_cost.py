"""What recording costs: the same streams into two services at once, one that records and one that does not.

Both run for the whole time, so that neither has the machine to itself. Clients listen to one and the other in turn, in
short spells, and the processor time of both is taken over the same spells.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.children import Service, listen, outlets, service
from benchmarks.table import Ages, Row, Setting

ADDED_P99_MS = 0.2
SHARE_A_STREAM = 0.01
MANY = 16


@dataclass(slots=True)
class _Side:
    """One of the two services."""

    running: Service
    ages_ms: list[list[float]] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def p99_ms(self) -> list[float]:
        return [Ages.of(spell).p99 for spell in self.ages_ms]


def rows(setting: Setting) -> list[Row]:
    spells, seconds = (4, 2.0) if setting.quick else (20, 6.0)
    return [*_compare(setting, 1, spells, seconds), *_compare(setting, MANY, spells, seconds)]


def _compare(setting: Setting, streams: int, spells: int, seconds: float) -> list[Row]:
    names = [f"p{number:02d}" for number in range(streams)]
    sources = [f"{name}=lsl:name=bench-{number:02d}" for number, name in enumerate(names)]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with (
            outlets(folder / "pushes.log", streams=streams),
            service(folder / "with", setting.models_dir, *sources) as recording,
            service(folder / "without", setting.models_dir, *sources, options=["--no-record"]) as silent,
        ):
            sides = _Side(recording), _Side(silent)
            for side in sides:
                listen(side.running.ws_url, 1.0, names)  # until every stream has a score
            elapsed_s = _listen_in_turn(sides, names, spells, seconds)
    with_it, without = sides
    added_ms = np.median(with_it.p99_ms) - np.median(without.p99_ms)
    added_share = (with_it.cpu_s - without.cpu_s) / elapsed_s / streams
    what = f"recording {streams} stream{'s' if streams > 1 else ''} of 8 ch × 250 Hz"
    return [
        Row(
            f"{what}: added to the p99 of newest sample → client",
            f"≤ {ADDED_P99_MS:g} ms",
            f"{added_ms:.2f} ms",
            f"median p99 of {spells} spells of {seconds:g} s each, in turn: {np.median(with_it.p99_ms):.2f} ms with, "
            f"{np.median(without.p99_ms):.2f} ms without; of all ages together "
            f"{_together(with_it)} with, {_together(without)} without",
            added_ms <= ADDED_P99_MS,
        ),
        Row(
            "the same, share of a core a stream",
            f"≤ {SHARE_A_STREAM:.0%}",
            f"{added_share:.2%}",
            f"{with_it.cpu_s / elapsed_s:.1%} of a core with, {without.cpu_s / elapsed_s:.1%} without",
            added_share <= SHARE_A_STREAM,
        ),
    ]


def _listen_in_turn(sides: tuple[_Side, _Side], names: list[str], spells: int, seconds: float) -> float:
    """Listen to each side in every other spell, the first one alternating; gives the seconds of all spells."""
    elapsed_s = 0.0
    for spell in range(spells):
        for side in sides if spell % 2 == 0 else sides[::-1]:
            before_s, began_s = [one.running.cpu_s() for one in sides], time.monotonic()
            side.ages_ms.append(listen(side.running.ws_url, seconds, names)["age_ms"])
            elapsed_s += time.monotonic() - began_s
            for one, before in zip(sides, before_s, strict=True):
                one.cpu_s += one.running.cpu_s() - before
    return elapsed_s


def _together(side: _Side) -> str:
    return str(Ages.of([age for spell in side.ages_ms for age in spell]))
