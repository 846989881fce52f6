"""A stored baseline that the model cannot take fails its own stream; the one beside it loses no score."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bci.config import Config, ParticipantConfig, ServiceConfig
from bci.registry import open_source
from feedback.assembly import HOP_S
from feedback.baselines import BaselineStore
from feedback.participants import LiveParticipants
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from inference.baseline import Baseline, Owner
from inference.bundle import DEFAULT_MODEL, find_model

PATIENCE_S = 60.0
URI = "simulator:manual?seed=3"


class Listener:
    """A way out that remembers all scores."""

    def __init__(self) -> None:
        self.scores: list[tuple[str, Mapping[str, Any]]] = []
        self.changed = threading.Condition()

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        pass

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        with self.changed:
            self.scores.append((stream, score))
            self.changed.notify_all()

    def remove(self, stream: str) -> None:
        pass

    def close(self) -> None:
        pass

    def of(self, stream: str) -> list[Mapping[str, Any]]:
        return [score for name, score in self.scores if name == stream]

    def until_valid(self, stream: str, more: int) -> None:
        """Wait for so many valid scores from now on."""
        with self.changed:
            wanted = sum(score["valid"] for score in self.of(stream)) + more
            assert self.changed.wait_for(
                lambda: sum(score["valid"] for score in self.of(stream)) >= wanted, PATIENCE_S
            ), self.of(stream)[-1:]


def store_seven_bands(folder: Path, participant: str) -> None:
    source = open_source(URI)
    spec = source.open()
    source.close()
    labels = tuple(spec.channels[i].label for i in spec.scored)
    card = find_model(DEFAULT_MODEL).card
    BaselineStore(folder).save(
        Baseline(
            participant=participant,
            device=spec.device,
            labels=labels,
            model=f"{card.name}@{card.version}",
            model_sha256=card.sha256,
            eyes="open",
            mean=((-2.0,) * 7,) * len(labels),
            alpha_index=-1.5,
            clean_s=30.0,
            taken_unix_s=1.8e9,
        )
    )


@pytest.mark.parametrize("trusted", [True, False])
def test_seven_bands_beside_a_bystander(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    """Looked at, it is not used; trusted, as if nobody had looked, it breaks the stream that it belongs to."""
    store_seven_bands(tmp_path / "baselines", "bad")
    if trusted:
        monkeypatch.setattr(Owner, "fits", lambda self, baseline: baseline.participant == self.participant)
    people = tuple(ParticipantConfig(id=name, sources=(URI,)) for name in ("good", "bad"))
    listener, metrics = Listener(), Metrics()

    async def live() -> tuple[dict[str, Any], bytes]:
        config = Config(service=ServiceConfig(data_dir=tmp_path), participant=people)
        participants = LiveParticipants(config, metrics, [listener])
        await participants.startup(Hub())
        try:
            await asyncio.to_thread(listener.until_valid, "good", 1)
            await asyncio.to_thread(listener.until_valid, "good", 50)  # two seconds after the other broke, or did not
            return participants.view("bad"), metrics.render(metrics.collect())
        finally:
            await participants.shutdown()

    bad, page = asyncio.run(live())
    good = [score for score in listener.of("good") if score["t_lsl_s"] is not None]
    assert {score["reason"] for score in good} == {None, "warming_up"}
    assert all(b["t_lsl_s"] - a["t_lsl_s"] == pytest.approx(HOP_S, abs=0.005) for a, b in pairwise(good))
    if trusted:
        assert bad["state"] == "failed"
        assert bad["detail"].startswith("internal error: ValueError")
        assert b'focusloop_internal_errors_total{where="score"} 1.0' in page
        assert bad["internal_errors"]["count"] == 1
        assert not any(score["valid"] for score in listener.of("bad"))
    else:
        assert bad["state"] == "streaming"
        assert bad["baseline"] is None
        assert any("calibrate" in note for note in bad["fallbacks"])
        assert all(
            line.endswith(b" 0.0") for line in page.splitlines() if line.startswith(b"focusloop_internal_errors_t")
        )
        assert any(score["valid"] for score in listener.of("bad"))
