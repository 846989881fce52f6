"""Every state of the contract, by what happens to a real outlet or source, as a client of the real process sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pylsl
import pytest
from bystander import undisturbed
from focusloop_process import Serve
from live_service import Talk
from lsl_outlets import Announcement, OutletProcess, PacedOutlet, fresh_id
from played_person import person

from streaming.batching import FEW

EIGHT = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("data"), "good=simulator:manual?seed=3") as running:
        yield running


@pytest.fixture(autouse=True)
def bystander(service: Serve) -> Iterator[None]:
    """Someone else's scores, looked at after every test."""
    with undisturbed(service, "good"):
        yield


@pytest.fixture
def client(service: Serve) -> Iterator[Talk]:
    with service.talk() as talk:
        talk.subscribe("status", "focus")
        yield talk


def first_of(service: Serve, client: Talk, matches: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    """The first message that matches, of the stream that the test is about."""
    return service.first(
        client, lambda m: m["stream"] != "good" and not m["stream"].startswith("mate") and matches(m), what
    )


def until(service: Serve, client: Talk, state: str, says: str = "") -> dict[str, Any]:
    """The first status with a state and these words."""
    return first_of(
        service,
        client,
        lambda m: m["type"] == "status" and m["state"] == state and says in m["detail"],
        f"the state {state} ({says})",
    )


def take_baseline(service: Serve, client: Talk, stream: str) -> None:
    """Record a rest; from here on only the running scorer knows it, for what was stored is deleted."""
    client.subscribe("calibration", stream=stream)
    body = {"seconds": 15.0, "phases": ["eyes_open"]}
    assert service.http.post(f"/v1/streams/{stream}/calibration", json=body).status_code == 202
    end = first_of(service, client, lambda m: m["type"] == "calibration" and m["state"] != "running", "the end")
    assert end["state"] == "done", end
    first_of(service, client, is_calibrated, "a score against it")
    (stored,) = (service.data_dir / "baselines").iterdir()
    stored.unlink()


def is_calibrated(message: dict[str, Any]) -> bool:
    return message["type"] == "focus" and message["valid"] and message["calibrated"]


@pytest.fixture(params=[0, FEW], ids=["alone", "in a classroom"])
def classmates(request: pytest.FixtureRequest, service: Serve) -> Iterator[int]:
    """So many others that sources which can do without a thread of their own have none."""
    with ExitStack() as streams:
        for i in range(request.param):
            streams.enter_context(service.stream(f"mate{i}", "simulator:manual"))
        yield request.param


@pytest.mark.usefixtures("classmates")
def test_an_outlet_that_dies_comes_back_with_all_that_was_known_and_comes_back_as_another(
    service: Serve, client: Talk
) -> None:
    cap = Announcement(n_channels=8, labels=EIGHT, units=("uV",) * 8)
    with service.stream("cap", f"lsl:source_id={cap.source_id}") as view:
        assert view["state"] == "connecting"
        with OutletProcess(cap, worn=True) as first:
            until(service, client, "streaming")
            take_baseline(service, client, "cap")
            first.kill()
            killed_s = pylsl.local_clock()
        until(service, client, "stalled")
        stale = first_of(service, client, lambda m: m["type"] == "focus" and m["reason"] == "stale", "stale")
        assert stale["value"] is None
        until(service, client, "reconnecting", "is gone")
        gone_s = pylsl.local_clock() - killed_s
        with OutletProcess(cap, worn=True) as second:
            until(service, client, "streaming")
            again = first_of(service, client, is_calibrated, "a score against the baseline of before")
            lost = service.http.get("/v1/streams/cap").json()["lost_samples"]
            assert gone_s < lost / cap.rate_hz < again["t_lsl_s"] - killed_s
            second.kill()
        with OutletProcess(replace(cap, n_channels=4, labels=EIGHT[:4], units=("uV",) * 4)):
            until(service, client, "failed", "came back with 4 channels, 8 expected")
        assert service.http.get("/v1/streams/cap").json()["state"] == "failed"
        refused = service.http.post("/v1/streams/cap/calibration", json={"seconds": 5})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        # A failed stream is not silent either.
        first_of(service, client, lambda m: m["type"] == "focus" and m["reason"] == "stale", "stale")
    until(service, client, "closed", "removed")


def test_an_outlet_that_pauses_is_stalled_and_goes_on(service: Serve, client: Talk) -> None:
    cap = Announcement()
    with PacedOutlet(cap, person()) as outlet, service.stream("cap", f"lsl:source_id={cap.source_id}"):
        until(service, client, "streaming")
        outlet.silent.set()
        until(service, client, "stalled")
        first_of(service, client, lambda m: m["type"] == "focus" and m["reason"] == "stale", "stale")
        outlet.silent.clear()
        until(service, client, "streaming")
        first_of(service, client, lambda m: m["type"] == "focus" and m["reason"] == "warming_up", "a window begun anew")


def test_a_source_that_ends_is_closed(service: Serve, client: Talk) -> None:
    with service.stream("short", "simulator:focus?seconds=2"):
        until(service, client, "streaming")
        until(service, client, "closed", "ended after 2 s")
        stale = first_of(service, client, lambda m: m["type"] == "focus" and m["reason"] == "stale", "stale")
        assert stale["valid"] is False


def test_one_that_cannot_be_used_fails_in_words_where_it_was_not_there_at_first(service: Serve, client: Talk) -> None:
    slow = Announcement(source_id=fresh_id(), rate_hz=50.0)
    with service.stream("slow", f"lsl:source_id={slow.source_id}") as view:
        assert view["state"] == "connecting"
        with PacedOutlet(slow):
            until(service, client, "failed", "50 Hz")
