"""An error that nobody expected is counted and shown with the stream that it belongs to, and costs no other stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from live_service import LiveService, Talk

from bci.config import Config
from bci.sources.simulator import SimulatorSource
from feedback.assembly import Assembly
from feedback.participant import Participant
from feedback.participants import LiveParticipants


class BrokenOutlet:
    """Takes no score of `bad`."""

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        pass

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        if stream == "bad":
            msg = "outlet gone"
            raise RuntimeError(msg)

    def remove(self, stream: str) -> None:
        pass

    def close(self) -> None:
        pass


def live(folder: Path, **sources: str) -> LiveService:
    """A service with the real participants in the place of the fake ones."""
    service = LiveService(folder)
    people = [{"id": name, "sources": [uri]} for name, uri in sources.items()]
    config = Config.model_validate({"service": {"data_dir": folder}, "participant": people})
    service.participants = LiveParticipants(config, service.metrics, [BrokenOutlet()])  # type: ignore[assignment] - the port's other implementation
    return service


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[LiveService]:
    with live(tmp_path, bad="lsl:source_id=nobody", good="lsl:source_id=nobody") as service:
        yield service


def first(client: Talk, stream: str, topic: str, **fields: object) -> dict[str, Any]:
    while True:
        heard = client.hear(60.0)
        if (heard["stream"], heard["type"]) == (stream, topic) and fields.items() <= heard.items():
            return heard


def shown(service: LiveService, stream: str) -> dict[str, Any]:
    with service.http() as http:
        errors: dict[str, Any] = http.get(f"/v1/streams/{stream}").json()["internal_errors"]
        return errors


def counted(service: LiveService, where: str) -> float:
    with service.http() as http:
        lines = http.get("/metrics").text.splitlines()
    name = f'focusloop_internal_errors_total{{where="{where}"}} '
    return float(next(line.removeprefix(name) for line in lines if line.startswith(name)))


def test_an_error_in_the_tick_of_one_stream_is_counted_shown_and_leaves_the_others_their_turn(
    silent: LiveService,
) -> None:
    with silent.talk() as client, silent.http() as http:
        while http.get("/readyz").status_code != 200:
            client.ask(type="ping", t0=1)
        client.subscribe("focus", stream="good")
        for _ in range(2):
            first(client, "good", "focus", reason="no_data")
        assert http.get("/v1/streams/bad").json()["state"] == "failed"
    assert counted(silent, "tick") >= 1
    assert shown(silent, "bad")["last"] == "tick: RuntimeError: outlet gone"
    assert shown(silent, "bad")["count"] >= 1
    assert shown(silent, "good") == {"count": 0, "last": None}


def test_a_source_that_does_not_close_is_counted_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(_source: SimulatorSource) -> None:
        msg = "usb stuck"
        raise OSError(msg)

    monkeypatch.setattr(SimulatorSource, "close", stuck)
    with live(tmp_path, good="simulator:focus?seconds=1") as service, service.talk() as client:
        client.subscribe("status")
        first(client, "good", "status", state="closed")
        # The word `closed` comes before the source is closed.
        with service.http() as http:
            while not http.get("/v1/streams/good").json()["internal_errors"]["count"]:
                client.ask(type="ping", t0=1)
        assert shown(service, "good") == {"count": 1, "last": "close: OSError: usb stuck"}
        assert counted(service, "close") == 1


def test_a_start_that_fails_is_said_by_readyz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_assembly: Assembly) -> None:
        msg = "no compiler"
        raise RuntimeError(msg)

    monkeypatch.setattr(Assembly, "warm_up", fail)
    with live(tmp_path, good="simulator:focus") as service, service.talk() as client, service.http() as http:
        while counted(service, "start") == 0:
            client.ask(type="ping", t0=1)
        answer = http.get("/readyz")
    assert answer.status_code == 503
    assert "internal error: RuntimeError: no compiler" in answer.json()["detail"]


def test_a_score_that_cannot_be_told_fails_its_stream_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tick before the first samples says `no_data`, and is the place where that cannot be told; scores are meant here.
    monkeypatch.setattr(Participant, "silence", lambda _person, _now_s: None)
    with live(tmp_path, bad="simulator:focus") as service, service.talk() as client:
        client.subscribe("status")
        first(client, "bad", "status", state="failed", detail="internal error: RuntimeError: outlet gone")
        assert counted(service, "score") == 1
