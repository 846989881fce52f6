"""What a score rests on, over the wire: once a second, null without a score, and no work where nobody listens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_service import LiveService, Talk
from numpy.typing import NDArray

from bci.config import Config
from feedback import scoring
from feedback.participants import LiveParticipants
from feedback.service.wire.service_messages import Explanation
from inference.attribution import Attribution
from inference.session import FocusSession


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LiveService]:
    running = LiveService(tmp_path)
    config = Config.model_validate(
        {"service": {"data_dir": tmp_path}, "participant": [{"id": "p01", "sources": ["simulator:focus"]}]}
    )
    running.participants = LiveParticipants(config, running.metrics)  # type: ignore[assignment] - the port's other implementation
    with running:
        yield running


def explanations(client: Talk) -> Iterator[dict[str, Any]]:
    while True:
        heard = client.hear(60.0)
        if heard["type"] == "explanation":
            yield heard


def test_it_comes_once_a_second_and_is_null_without_a_score(service: LiveService) -> None:
    with service.talk() as client, service.http() as http:
        assert client.subscribe("explanation")["accepted"] == ["explanation"]
        heard = explanations(client)
        before = next(heard)
        assert before["seq"] == 1
        assert not before["valid"]
        assert before["reason"] is not None
        assert [before[key] for key in ("bands", "regions", "ocular", "muscular")] == [None] * 4
        told = next(one for one in heard if one["valid"])
        Explanation.model_validate(told)
        assert told["reason"] is None
        for key in ("bands", "regions"):
            assert sum(part["share"] for part in told[key]) == pytest.approx(1.0, abs=0.01)
        following = next(heard)
        assert following["seq"] == told["seq"] + 1
        assert 0.9 < following["t_lsl_s"] - told["t_lsl_s"] < 1.5
        http.put("/v1/streams/p01/paused", json={"paused": True})
        paused = next(one for one in heard if not one["valid"])
        assert (paused["reason"], paused["bands"]) == ("paused", None)
        described = http.get("/asyncapi.json").json()["components"]["messages"]
        assert "Explanation" in described


def test_nobody_listens_nothing_is_computed(service: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    usual = scoring.attribute

    def counted(session: FocusSession, *window: NDArray[Any], calibrated: bool) -> Attribution:
        asked.append(window)
        return usual(session, *window, calibrated=calibrated)

    monkeypatch.setattr(scoring, "attribute", counted)
    with service.talk() as client:
        client.subscribe("focus")
        valid = 0
        while valid < 40:
            valid += client.hear(60.0).get("valid") is True
        assert not asked
        client.subscribe("explanation")
        next(one for one in explanations(client) if one["valid"])
        assert len(asked) == 1
