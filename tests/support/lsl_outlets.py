"""Real LSL outlets for tests: paced by a thread of this process, or in a process of their own that can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import pylsl


def fresh_id() -> str:
    """A source_id that nobody else uses: liblsl's own recovery looks beyond the session."""
    return f"test-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Announcement:
    """What an outlet says of itself; `labels`, `units`, `types` are written only where given."""

    source_id: str = field(default_factory=fresh_id)
    name: str = "TestCap"
    kind: str = "EEG"
    n_channels: int = 4
    rate_hz: float = 250.0
    number_format: str = "float32"
    labels: Sequence[str] = ("Fp1", "Fp2", "O1", "O2")
    units: Sequence[str] = ("microvolts",) * 4
    types: Sequence[str] = ()
    label_element: str = "label"

    def info(self) -> pylsl.StreamInfo:
        info = pylsl.StreamInfo(self.name, self.kind, self.n_channels, self.rate_hz, self.number_format, self.source_id)
        described = max(len(self.labels), len(self.units), len(self.types))
        channels = info.desc().append_child("channels") if described else None
        for i in range(described):
            assert channels is not None
            channel = channels.append_child("channel")
            for element, values in (
                (self.label_element, self.labels),
                ("unit", self.units),
                ("type", self.types),
            ):
                if i < len(values):
                    channel.append_child_value(element, values[i])
        return info


def ramp(k: int, n_channels: int) -> list[float]:
    """Sample number k: channel c holds 1000 c + (k mod 1000), so that order and loss can be seen."""
    return [1000.0 * c + k % 1000 for c in range(n_channels)]


class PacedOutlet:
    """An outlet whose thread pushes `sample(k, n_channels)` at the nominal rate, stamped with the LSL clock."""

    def __init__(
        self,
        announcement: Announcement,
        sample: Callable[[int, int], Sequence[float]] = ramp,
        stamp: Callable[[int, float], float] = lambda _k, now_s: now_s,
        *,
        pace_hz: float | None = None,
        burst: int = 1,
    ) -> None:
        self._a, self._sample, self._stamp = announcement, sample, stamp
        self._pace_hz, self._burst = pace_hz or announcement.rate_hz, burst
        self._stop, self.silent = threading.Event(), threading.Event()
        self._outlet = pylsl.StreamOutlet(announcement.info())
        self._thread = threading.Thread(target=self._push_on, daemon=True)

    def _push_on(self) -> None:
        began, k = pylsl.local_clock(), 0
        while not self._stop.wait(max(0.0, began + (k + self._burst) / self._pace_hz - pylsl.local_clock())):
            for _ in range(self._burst):
                if not self.silent.is_set():
                    now_s = pylsl.local_clock()
                    self._outlet.push_sample(self._sample(k, self._a.n_channels), self._stamp(k, now_s))
                k += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        del self._outlet


class OutletProcess:
    """An outlet in a process of its own: it can be killed, and started again; sends a ramp, or what a head gives."""

    def __init__(
        self, announcement: Announcement, *, pace_hz: float | None = None, burst: int = 1, worn: bool = False
    ) -> None:
        order: dict[str, Any] = {"announcement": asdict(announcement), "pace_hz": pace_hz, "burst": burst, "worn": worn}
        self._process = subprocess.Popen([sys.executable, Path(__file__), json.dumps(order)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\n"

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _serve(order: dict[str, Any]) -> None:
    announcement, sample = Announcement(**order["announcement"]), ramp
    if order["worn"]:
        from played_person import person

        sample = person(labels=tuple(announcement.labels))
    with PacedOutlet(announcement, sample, pace_hz=order["pace_hz"], burst=order["burst"]):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
