"""Each reason of the contract, made by a simulated person's samples through the real process.

`baseline_mismatch` takes a baseline first: it is in test_calibration_codes.py, beside the other calibrations. Somebody
else's scores are looked at after each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bystander import undisturbed
from focusloop_process import Serve
from live_service import Talk

NUMBERS = ("value", "steady", "relative", "raw", "confidence", "quality")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    people = ("p01=simulator:manual?seed=3", "good=simulator:focus?seed=3")
    with Serve(tmp_path_factory.mktemp("data"), *people) as running:
        yield running


@pytest.fixture(autouse=True)
def bystander(service: Serve) -> Iterator[None]:
    with undisturbed(service, "good"):
        yield


@pytest.fixture
def client(service: Serve) -> Iterator[Talk]:
    with service.talk() as talk:
        talk.subscribe("focus", "status", "calibration", stream="p01")
        yield talk
        service.http.put("/v1/streams/p01/simulator", json={"attention": 0.5, "fault": None})
        service.http.put("/v1/streams/p01/paused", json={"paused": False})


def valid(message: dict[str, Any]) -> bool:
    return message["type"] == "focus" and message["valid"]


def because(reason: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message["type"] == "focus" and message["reason"] == reason


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("not_worn", "not_worn"),
        ("poor_contact", "poor_contact"),
        ("artifact", "artifact"),
        ("no_data", "no_data"),
        ("stale", "stale"),
        ("unassigned", "unassigned"),
        ("warming_up", "warming_up"),
        ("out_of_distribution", "out_of_distribution"),
    ],
)
def test_a_fault_of_the_headset_is_the_reason_and_ends(service: Serve, client: Talk, fault: str, reason: str) -> None:
    service.first(client, valid, "a valid score")
    service.http.put("/v1/streams/p01/simulator", json={"attention": 0.5, "fault": fault}).raise_for_status()

    refused = service.first(client, because(reason), reason)
    assert refused["valid"] is False
    assert [refused[name] for name in NUMBERS] == [None] * len(NUMBERS)
    assert refused["origin"] == "simulator"
    assert service.http.get("/v1/streams/p01").json()["simulator"] == {"attention": 0.5, "fault": fault}

    service.http.put("/v1/streams/p01/simulator", json={"attention": 0.5, "fault": None}).raise_for_status()
    service.first(client, valid, "a valid score again")


def test_an_operator_pauses_and_resumes(service: Serve, client: Talk) -> None:
    service.http.put("/v1/streams/p01/paused", json={"paused": True}).raise_for_status()
    service.first(client, because("paused"), "paused")
    service.http.put("/v1/streams/p01/paused", json={"paused": False}).raise_for_status()
    service.first(client, valid, "a valid score")


def test_a_headset_that_never_sends_has_no_data(service: Serve) -> None:
    body = {"id": "silent", "sources": ["lsl:source_id=nobody-has-this"]}
    assert service.http.post("/v1/streams", json=body).status_code == 201
    with service.talk() as client:
        client.subscribe("focus", "status", stream="silent")
        service.first(client, because("no_data"), "no_data")
        status = service.first(client, lambda m: m["type"] == "status", "a status")
    assert status["state"] == "connecting"
    assert "nobody-has-this" in status["detail"]
    assert service.http.delete("/v1/streams/silent").status_code == 204


def test_electrodes_that_nobody_placed_are_unassigned(service: Serve) -> None:
    body = {"id": "free", "sources": ["simulator:focus?free=1"]}
    assert service.http.post("/v1/streams", json=body).status_code == 201
    with service.talk() as client:
        client.subscribe("focus", stream="free")
        service.first(client, because("unassigned"), "unassigned")
    assert service.http.get("/v1/streams/free").json()["unassigned"] is True
    service.http.delete("/v1/streams/free").raise_for_status()
