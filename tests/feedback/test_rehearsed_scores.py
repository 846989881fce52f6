"""A service with one stream rehearses its scores (`streaming.rehearsal`), and nobody is sent a rehearsal."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from bci.config import Config, ParticipantConfig, ServiceConfig
from feedback.participants import LiveParticipants
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from inference.batch import BatchScorer
from inference.scorer import Due

PATIENCE_S = 60.0


def test_a_lone_stream_is_rehearsed_and_each_of_its_frames_is_sent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsed = threading.Event()
    rehearse = BatchScorer.rehearse

    def told(self: BatchScorer, due: Due) -> None:
        rehearse(self, due)
        if due.x is not None:
            rehearsed.set()

    monkeypatch.setattr(BatchScorer, "rehearse", told)
    hub = Hub()
    sent: list[float] = []
    publish = hub.publish

    def published(stream: str, topic: str, fields: dict[str, object], *, wake: bool = True) -> int:
        stamp_s = fields.get("t_lsl_s")
        if topic == "focus" and isinstance(stamp_s, float):
            sent.append(stamp_s)
        return publish(stream, topic, fields, wake=wake)

    monkeypatch.setattr(hub, "publish", published)

    async def live() -> bool:
        people = (ParticipantConfig(id="p01", sources=("simulator:manual?seed=3",)),)
        participants = LiveParticipants(Config(service=ServiceConfig(data_dir=tmp_path), participant=people), Metrics())
        await participants.startup(hub)
        try:
            return await asyncio.to_thread(rehearsed.wait, PATIENCE_S)
        finally:
            await participants.shutdown()

    assert asyncio.run(live())
    assert len(sent) > 100  # a window of 4.8 s was full before anything could be rehearsed
    assert len(sent) == len(set(sent))
