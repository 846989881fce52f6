"""A service that is ready keeps what it loaded out of the garbage collector's way: looking through it stops scores."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bci.config import Config, ServiceConfig
from feedback import participants
from feedback.service.garbage import keep_what_is_loaded
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics

PATIENCE_S = 60.0


@pytest.fixture
def as_python_starts() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("as_python_starts")
def test_what_was_loaded_is_looked_through_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = threading.Event()

    def keep() -> None:
        keep_what_is_loaded()
        kept.set()

    monkeypatch.setattr(participants, "keep_what_is_loaded", keep)

    async def live() -> bool:
        service = participants.LiveParticipants(Config(service=ServiceConfig(data_dir=tmp_path)), Metrics())
        await service.startup(Hub())
        try:
            return await asyncio.to_thread(kept.wait, PATIENCE_S)
        finally:
            await service.shutdown()

    loaded = len(gc.get_objects())
    assert asyncio.run(live())
    assert gc.get_freeze_count() > 0.9 * loaded
    assert len(gc.get_objects()) < 0.1 * loaded
    assert gc.get_threshold()[0] > 10_000
