from __future__ import annotations

from pathlib import Path

import pytest

from bci import compiled
from bci.config import Config, ServiceConfig
from bci.registry import open_source
from bci.simulator import filters
from feedback.participants import LiveParticipants
from feedback.service.metrics import Metrics
from streaming.pipeline import Pipeline


def test_once_it_is_warm_no_stream_compiles_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever compiles in a service that scores takes the interpreter from everybody's scores."""
    monkeypatch.setattr(compiled, "_done", {})
    filters._runner.cache_clear()
    participants = LiveParticipants(Config(service=ServiceConfig(data_dir=tmp_path)), Metrics())
    participants._assembly.warm_up()
    warm = set(compiled._done)
    source = open_source("simulator:focus?speed=0&seconds=2")
    pipeline = Pipeline(source.open())
    chunk = source.read(500, 1.0)
    assert chunk is not None
    assert pipeline.process(chunk)
    assert set(compiled._done) == warm
