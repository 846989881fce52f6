"""An engine that runs on a clock of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from fake_sources import SOON_S, FakeClock, Recorder, Rig

from streaming.engine import Engine


@pytest.fixture
def rig() -> Iterator[Rig]:
    sink, clock = Recorder(), FakeClock()
    engine = Engine(sink, clock=clock, retry_s=0.0, queue_limit=4)
    engine.start()
    yield Rig(engine, sink, clock)
    engine.stop(SOON_S)
    left = [t.name for t in threading.enumerate() if t.name.split(" ")[0] in ("engine", "read", "close")]
    assert not left, "threads were left behind"
