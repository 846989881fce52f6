"""What ends a baseline, or its recording, while the service runs; somebody else's scores are looked at meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bystander import undisturbed
from focusloop_process import Serve
from live_service import Talk

OFF_S = 10.0

Message = dict[str, Any]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    people = ("p01=simulator:manual?seed=3&attention=0", "good=simulator:focus?seed=3")
    with Serve(tmp_path_factory.mktemp("data"), *people) as running:
        yield running


@pytest.fixture(autouse=True)
def bystander(service: Serve) -> Iterator[None]:
    with undisturbed(service, "good"):
        yield


@pytest.fixture
def client(service: Serve) -> Iterator[Talk]:
    with service.talk() as talk:
        talk.subscribe("focus", "calibration", stream="p01")
        yield talk
        set_fault(service, None)


def set_fault(service: Serve, fault: str | None) -> None:
    body = {"attention": 0.0, "fault": fault}
    service.http.put("/v1/streams/p01/simulator", json=body).raise_for_status()


def valid(message: Message) -> bool:
    return message["type"] == "focus" and message["valid"]


def until(message_holds: Callable[[Message], bool]) -> Callable[[Message], bool]:
    return lambda message: message["type"] == "focus" and message_holds(message)


def record(service: Serve, client: Talk) -> None:
    """Record a baseline, where the test before left none, and see it used."""
    if service.first(client, valid, "a valid score")["calibrated"]:
        return
    body = {"seconds": 15.0, "phases": ["eyes_open"]}
    assert service.http.post("/v1/streams/p01/calibration", json=body).status_code == 202
    end = service.first(client, lambda m: m["type"] == "calibration" and m["state"] != "running", "the end")
    assert end["state"] == "done", end
    assert service.first(client, valid, "a valid score")["calibrated"] is True


def lift(service: Serve, client: Talk) -> float:
    """Take the headset off; gives the stamp of the first score that says so."""
    set_fault(service, "not_worn")
    stamp_s: float = service.first(client, until(lambda m: m["reason"] == "not_worn"), "not_worn")["t_lsl_s"]
    return stamp_s


def lift_until_the_baseline_ends(service: Serve, client: Talk) -> None:
    since_s = lift(service, client)
    ended = service.first(client, until(lambda m: not m["calibrated"]), "the end of the baseline")
    assert ended["reason"] == "not_worn"
    assert OFF_S - 0.1 < ended["t_lsl_s"] - since_s < OFF_S + 1.0, "of signal"
    view: Message = service.http.get("/v1/streams/p01").json()
    assert (view["baseline"], view["baseline_ended"]) == (None, True)


def test_a_headset_off_for_less_than_ten_seconds_keeps_its_baseline(service: Serve, client: Talk) -> None:
    record(service, client)
    since_s = lift(service, client)
    service.first(client, until(lambda m: m["t_lsl_s"] - since_s >= 0.6 * OFF_S), "six seconds off")
    set_fault(service, None)
    assert service.first(client, valid, "a valid score")["calibrated"] is True
    assert service.http.get("/v1/streams/p01").json()["baseline_ended"] is False


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_headset_off_for_ten_seconds_ends_its_baseline_unless_confirmed(
    service: Serve, client: Talk, confirmed: bool
) -> None:
    record(service, client)
    lift_until_the_baseline_ends(service, client)
    path = "/v1/streams/p01/calibration"
    if confirmed:
        set_fault(service, None)  # put on again, and confirmed by somebody who sees that it sits the same
        service.first(client, valid, "a valid score")
        service.http.put(path, json={"confirm": True}).raise_for_status()
        assert service.http.get(path).json()["baseline"]["eyes"] == "open", "at once"
    else:
        assert service.http.delete(path, params={"forget": True}).status_code == 204
        set_fault(service, None)
    view = service.http.get("/v1/streams/p01").json()
    assert ((view["baseline"] is not None), view["baseline_ended"]) == (confirmed, False)
    client.synchronise()  # what was scored before
    assert service.first(client, valid, "a valid score")["calibrated"] is confirmed
    again = service.http.put(path, json={"confirm": True})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_another_headset_while_a_baseline_is_recorded_refuses_it(service: Serve, client: Talk) -> None:
    service.first(client, valid, "a valid score")
    assert service.http.post("/v1/streams/p01/calibration", json={"seconds": 30.0}).status_code == 202
    service.first(client, lambda m: m["type"] == "calibration" and m["progress"] > 0.1, "some clean seconds")
    set_fault(service, "unassigned")  # as a board whose electrodes nobody placed
    end = service.first(client, lambda m: m["type"] == "calibration" and m["state"] != "running", "the end")
    assert (end["state"], end["code"]) == ("refused", "other_headset")
    assert "from Fp1, Fp2" in end["message"]
    assert "calibrate again" in end["message"]
    told = service.http.get("/v1/streams/p01/calibration").json()
    assert (told["state"], told["code"]) == ("refused", "other_headset")
    refused = service.http.post("/v1/streams/p01/calibration", json={"seconds": 30.0})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "montage" in refused.json()["detail"]
