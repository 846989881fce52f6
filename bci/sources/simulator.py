"""`simulator:`: the simulated participant as a source, paced on the host's LSL clock or as fast as it goes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bci.clock import lsl_now_s
from bci.errors import MontageError, SourceEndedError, UriError
from bci.montage import assign_montage, canonical_label, eeg_channel, parse_labels, position_m
from bci.simulator.artefacts import RAILS_UV
from bci.simulator.faults import Fault, parse_faults
from bci.simulator.feed import Feed
from bci.simulator.head import SPANNING_LABELS
from bci.simulator.participant import Participant, Person, Script
from bci.simulator.scenarios import MANUAL, scenario_named
from bci.simulator.scripts import ManualScript, ScenarioScript
from bci.source import SourceStatus
from bci.types import Channel, Chunk, SourceState, StreamSpec
from bci.uri import SourceUri

PARAMETERS = ("seed", "channels", "rate", "speed", "seconds", "effect", "mains", "faults", "free")
"""What the query of `simulator:` may hold, beside `montage`; `simulator:manual` also knows `attention`."""

_LONGEST_CHUNK_S = 10.0
_OVERSLEPT_S = 30.0
"""A reader that stayed away longer (a suspended laptop) loses what a device would have lost."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock that paces a simulator; a test replaces it.

    Parameters
    ----------
    now_s
        Reads it, seconds.
    wait
        Waits until the event is set or so many seconds have passed; True where the event is set.
    """

    now_s: Callable[[], float] = lsl_now_s
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait


class SimulatorSource:
    """`simulator:SCENARIO?seed=1&channels=8&rate=250&speed=1&seconds=60&effect=1&mains=50&faults=off@20-35&free=1`.

    Same seed, same samples, however they are read. `speed=0` gives them as fast as they can be made, stamped as if the
    first had been taken when the source was opened and the others at the nominal rate. At another speed the stamps are
    those of real time, `speed` times as dense. Ends after `seconds`, where that is given.

    Parameters
    ----------
    uri
        A parsed `simulator:` URI.
    clock
        Paces the samples; the LSL clock unless a test replaces it.

    Raises
    ------
    UriError, MontageError
        For an unknown scenario, parameter, fault or electrode; the message lists the known ones.
    """

    _parameters = PARAMETERS

    def __init__(self, uri: SourceUri, *, clock: Clock | None = None) -> None:
        uri.allow(*self._parameters)
        self._uri = uri
        self._clock = clock or Clock()
        self._seed = int(uri.number("seed", 1, low=0, high=2**31))
        self._speed = uri.number("speed", 1.0, low=0.0, high=100.0)
        self._n_samples = uri.number("seconds", math.inf, low=0.0, high=math.inf) * self._rate_hz()
        self._person = self._make_person()
        self._spec = self._placed = self._make_spec()
        self._unplaced = replace(self._placed, channels=_unplaced(self._placed.channels))
        self._plan = self._faults(f"{scenario_named(uri.target).faults},{uri.params.get('faults', '')}")
        if self._is_free:
            self._placed = assign_montage(self._unplaced, uri.montage) if uri.montage else self._unplaced
            self._spec = self._placed
        self._block_samples = 1024
        self._closed = threading.Event()
        self._state: SourceState = "connecting"
        self._feed: Feed | None = None
        self._start_s = 0.0
        self._next_sample = 0
        self._lost = 0

    @property
    def spec(self) -> StreamSpec:
        """What comes; the electrodes have no places while the fault `free` holds."""
        return self._spec

    @property
    def status(self) -> SourceStatus:
        """A snapshot."""
        return SourceStatus(self._state, lost_samples=self._lost)

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        """Start the participant: the first sample is taken now."""
        del timeout_s  # there is nothing to wait for
        participant = Participant(self._person, self._script(), self._block_samples)
        self._feed = Feed(participant, self._n_samples, self._person.rate_hz)
        self._next_sample = self._lost = 0
        self._spec = self._placed
        self._closed.clear()
        self._start_s = self._clock.now_s()
        self._state = "streaming"
        return self._spec

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        """Wait for `min_samples` and give what is there; a chunk ends where samples were lost.

        Raises
        ------
        SourceEndedError
            After `seconds`, where the URI gives them.
        """
        feed = self._feed
        if feed is None or self._closed.is_set():
            return None
        deadline_s = self._clock.now_s() + timeout_s
        wanted = max(1, min(min_samples, int(_LONGEST_CHUNK_S * self._person.rate_hz)))
        while not self._closed.is_set():
            now_s = self._clock.now_s()
            ready = self._make_until(feed, now_s, wanted)
            late = now_s >= deadline_s
            if ready and (ready >= wanted or late or (feed.head_is_whole and ready == feed.head_samples)):
                return self._chunk(feed, ready)
            if feed.ended:
                self._state = "closed"
                msg = f"{self._uri.text}: the simulation ended after {self._n_samples / self._person.rate_hz:g} s"
                raise SourceEndedError(msg)
            if late:
                return None
            if self._speed:
                self._make_ahead(feed, now_s)
                due_s = self._start_s + feed.arrival_s(wanted) / self._speed
                # The clock is read again: making a block took its time.
                self._clock.wait(self._closed, max(0.0001, min(due_s, deadline_s) - self._clock.now_s()))
        return None

    def close(self) -> None:
        """End; a read that waits returns at once."""
        self._state = "closed"
        self._closed.set()

    def _make_until(self, feed: Feed, now_s: float, wanted: int) -> int:
        """Make what has happened by now (or one block, where time does not count); count what can be read."""
        if not self._speed:
            if feed.head_samples < wanted and not feed.head_is_whole and not feed.ended:
                feed.make()
            return feed.head_samples
        moment_s = (now_s - self._start_s) * self._speed
        if feed.made_until_s > -math.inf and moment_s - feed.made_until_s > _OVERSLEPT_S * self._speed:
            feed.skip_to(moment_s)
        while feed.made_until_s < moment_s:
            feed.make()
        return feed.ready(moment_s)

    def _make_ahead(self, feed: Feed, now_s: float) -> None:
        """Use the time before the wait, so that no sample is late because its block was made when it was due."""
        moment_s = (now_s - self._start_s) * self._speed
        if feed.made_until_s - moment_s < self._block_samples / self._person.rate_hz:
            feed.make()

    def _chunk(self, feed: Feed, ready: int) -> Chunk:
        run = feed.take(min(ready, int(_LONGEST_CHUNK_S * self._person.rate_hz)))
        self._lost += run.first_sample - self._next_sample
        self._next_sample = run.end
        self._spec = self._unplaced if run.free else self._placed
        stamps_s = self._start_s + run.stamps_s / (self._speed or 1.0)
        return Chunk(self._spec, run.samples_uv, stamps_s, run.first_sample)

    def _script(self) -> Script:
        return ScenarioScript(self._uri.target, self._seed, self._plan)

    @property
    def _is_free(self) -> bool:
        """True for a board of free electrodes: a montage then names what is there, rather than placing it."""
        return self._uri.number("free", 0, low=0, high=1) > 0

    def _rate_hz(self) -> float:
        return self._uri.number("rate", 250.0, low=100.0, high=4096.0)

    def _faults(self, text: str) -> tuple[Fault, ...]:
        plan = tuple(replace(fault, labels=tuple(map(canonical_label, fault.labels))) for fault in parse_faults(text))
        for fault in plan:
            unknown = set(fault.labels) - set(self._person.labels)
            if unknown:
                msg = (
                    f"{self._uri.text}: fault '{fault.name}' names {', '.join(sorted(unknown))}; "
                    f"the electrodes are {', '.join(self._person.labels)}"
                )
                raise UriError(msg)
        return plan

    def _make_person(self) -> Person:
        labels = self._labels()
        places = [position_m(label) for label in labels]
        unknown = [label for label, place in zip(labels, places, strict=True) if place is None]
        if unknown:
            msg = (
                f"{self._uri.text}: nobody knows where {', '.join(unknown)} is on a head; a simulator needs electrodes"
            )
            raise MontageError(msg)
        effect = self._uri.number("effect", 1.0, low=0.0, high=5.0)
        return Person(
            seed=self._seed,
            labels=labels,
            positions_m=np.array(places, dtype=np.float64),
            rate_hz=self._rate_hz(),
            mains_hz=self._uri.number("mains", 50.0, low=50.0, high=60.0),
            coupling=effect * scenario_named(self._uri.target).coupling,
        )

    def _labels(self) -> tuple[str, ...]:
        if self._uri.montage and not self._is_free:
            named = parse_labels(self._uri.montage, device=self._uri.text)
            return tuple(label for label in named if label is not None)
        n_channels = int(self._uri.number("channels", 8, low=1, high=len(SPANNING_LABELS)))
        return tuple(SPANNING_LABELS[:n_channels])

    def _make_spec(self) -> StreamSpec:
        return StreamSpec(
            source_id=f"focusloop-simulator-{self._uri.target}-{self._seed}",
            name=f"simulated {self._uri.target}",
            kind="EEG",
            nominal_rate_hz=self._person.rate_hz,
            channels=tuple(eeg_channel(label) for label in self._person.labels),
            device=f"simulator ({self._uri.target}, seed {self._seed})",
            origin="simulator",
            rails_uv=RAILS_UV,
        )


class ManualSimulator(SimulatorSource):
    """`simulator:manual`: attention and faults are set from another thread while it runs.

    Parameters
    ----------
    uri
        As for `SimulatorSource`; `attention=` sets where it starts, `faults=` what is wrong from the start.
    clock
        As for `SimulatorSource`.
    """

    _parameters = (*PARAMETERS, "attention")

    def __init__(self, uri: SourceUri, *, clock: Clock | None = None) -> None:
        super().__init__(uri, clock=clock)
        self._block_samples = math.ceil(0.064 * self._person.rate_hz)  # a slider is followed within two blocks
        self.attention = uri.number("attention", 0.5, low=0, high=1)
        """As set last, 0..1."""
        self.fault = uri.params.get("faults")
        """As set last, in the words it was set in; None where nothing is wrong."""
        self._manual = ManualScript(self.attention, self._plan)

    def set_attention(self, attention: float) -> None:
        """Set attention, 0..1, from any thread; the rhythms follow within half a second.

        Raises
        ------
        ValueError
            If it lies outside 0..1.
        """
        self._manual.set_attention(attention)
        self.attention = attention

    def set_fault(self, fault: str | None) -> None:
        """Replace what is wrong, from any thread; None ends all faults.

        Parameters
        ----------
        fault
            A reason of the contract (`not_worn`), a fault (`pops`), or a list as in `faults=`, whose seconds count
            from now. `no_data` on a stream that has given samples reads as `stale`, for data came once: set it before
            `open`.

        Raises
        ------
        UriError
            For an unknown fault; the message lists the known ones.
        """
        self._manual.set_faults(self._faults(fault or ""))
        self.fault = fault or None

    def _script(self) -> Script:
        return self._manual


def simulator_source(uri: SourceUri) -> SimulatorSource:
    """Make the source for a `simulator:` URI: a `ManualSimulator` for `simulator:manual`."""
    return ManualSimulator(uri) if uri.target == MANUAL else SimulatorSource(uri)


def _unplaced(channels: Sequence[Channel]) -> tuple[Channel, ...]:
    return tuple(Channel(f"EXG {i + 1}") for i in range(len(channels)))
