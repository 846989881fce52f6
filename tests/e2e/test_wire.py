"""Every error code, close code and limit of the WebSocket, against the real process with scores flowing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from bystander import undisturbed
from focusloop_process import TOKEN, Serve
from live_service import Talk
from websockets.exceptions import InvalidStatus
from wire_schemas import hold

from feedback.service.wire.topics import LATER_TOPICS, TOPICS

DEEP = '{"type":"ping","t0":1,"x":' + "[" * 9 + "]" * 9 + "}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("data"), "p01=simulator:focus", "p02=simulator:focus?seed=2") as running:
        yield running


@pytest.fixture(autouse=True)
def bystander(service: Serve) -> Iterator[None]:
    """Someone else's scores, looked at after every test."""
    with undisturbed(service, "p01"):
        yield


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ("1e999999", "bad_message"),
        ("\u0000", "bad_message"),
        (b'{"type":"ping","t0":1}', "bad_message"),
        (DEEP, "bad_message"),
        ('{"type":7}', "bad_message"),
        ('{"type":"ping","id":1,"t0":"now"}', "bad_message"),
        ('{"type":"subscribe","stream":["p01"],"topics":["focus"]}', "bad_message"),
        ('{"type":"subscribe","stream":"p01","topics":["focus","mind"]}', "bad_message"),
        ('{"type":"subscribe","stream":"p01","topics":["focus"],"rate_hz":-1}', "bad_message"),
        ('{"type":"subscribe","stream":"p01","topics":["focus"],"since":{"p01":{"focus":1}}}', "bad_message"),
        ('{"type":"unsubscribe","stream":"p01","topics":["mind"]}', "unknown_topic"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"trial","stream":"p01","run":"u","trial":1}', "bad_message"),
        ('{"type":"marker","stream":"p01","label":""}', "bad_message"),
        ('{"type":"areas","stream":"p01","areas":[]}', "unknown_type"),
    ],
)
def test_what_is_wrong_is_answered_and_the_talk_goes_on(service: Serve, message: str | bytes, code: str) -> None:
    with service.talk() as client:
        client.connection.send(message)
        error = client.hear()
        assert (error["type"], error["code"]) == ("error", code)
        assert error["message"]
        assert client.ask(type="ping", t0=1)["type"] == "pong"


def test_a_topic_at_a_time_is_refused(service: Serve) -> None:
    issued = service.http.post("/v1/tokens", json={"scope": "participant:p01", "hours": 1}).json()
    with service.talk(issued["token"]) as participant:
        others = participant.subscribe("focus", stream="p02")
        assert [one["code"] for one in others["refused"]] == ["not_allowed"]
        own = participant.subscribe("focus", "gaze", stream="p01")
        assert own["accepted"] == ["focus"]
        assert [(one["topic"], one["code"]) for one in own["refused"]] == [("gaze", "no_such_stream")]
    with service.talk() as operator:
        nobody = operator.subscribe("focus", "bands", stream="p99")
        assert {one["code"] for one in nobody["refused"]} == {"no_such_stream"}
    reached = service.http.get("/v1/streams/p02", headers={"Authorization": f"Bearer {issued['token']}"})
    assert (reached.status_code, reached.json()["code"]) == (403, "not_allowed")


def test_an_id_that_is_taken_is_a_conflict(service: Serve) -> None:
    answer = service.http.post("/v1/streams", json={"id": "p01", "sources": ["simulator:focus"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_of_ten_thousand_subscriptions_two_hundred_and_fifty_six_are_had(service: Serve) -> None:
    topics = ["focus", "status", "quality", "bands", "spectrum", "raw", "calibration"]
    names = [f"s{i}" for i in range(40)]
    with service.talk() as client, ThreadPoolExecutor(4) as pool:
        bodies = [{"id": name, "sources": ["simulator:flat?seconds=0.1&channels=1"]} for name in names]
        added = list(pool.map(lambda body: service.http.post("/v1/streams", json=body).status_code, bodies))
        assert added == [201] * len(names)
        accepted: list[str] = []
        refused: list[str] = []
        for name in names:
            client.say(type="subscribe", stream=name, topics=topics * 36)
            answer = service.first(client, lambda m: m["type"] == "subscribed", "an answer")
            accepted += answer["accepted"]
            refused += [one["code"] for one in answer["refused"]]
        removed = list(pool.map(lambda name: service.http.delete(f"/v1/streams/{name}").status_code, names))
        assert removed == [204] * len(names)
    assert len(accepted) == 256
    assert refused == ["too_many"] * 24


def test_too_many_messages_are_refused_and_then_the_flood_is_closed(service: Serve) -> None:
    with service.talk() as client:
        for _ in range(300):
            client.say(type="ping", t0=1)
        heard = [client.hear() for _ in range(300)]
        assert {m["code"] for m in heard if m["type"] == "error"} == {"rate_limited"}
    with service.talk() as client:
        flood = threading.Thread(target=_flood, args=(client,))
        flood.start()
        assert client.close_code() == 4429
        flood.join()


def _flood(client: Talk) -> None:
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            client.say(type="ping", t0=1)
    except ConnectionClosed:
        return


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"type":"subscribe","stream":"*","topics":["focus"]}', 4400),
        ("nonsense", 4400),
        (b"\x00", 4400),
        ('{"type":"hello"}', 4401),
        ('{"type":"hello","token":"wrong"}', 4401),
        ('{"type":"hello","token":"' + "x" * 70_000 + '"}', 1009),
        (None, 4401),
    ],
    ids=["subscribe", "nonsense", "binary", "no token", "wrong token", "too big", "silence"],
)
def test_a_bad_start_is_closed_with_its_code(service: Serve, first: str | bytes | None, code: int) -> None:
    with service.open() as client:
        if first is not None:
            client.connection.send(first)
        assert client.close_code() == code


def test_the_sixty_fifth_who_has_shown_no_token_waits_outside(service: Serve) -> None:
    with ExitStack() as door:
        # Whoever has said nothing for 5 s is let go and makes room: on a slow machine more than 64 may come in all.
        waiting = 0
        while waiting < 1000:
            try:
                door.enter_context(service.open())
            except InvalidStatus as error:
                refused = error.response
                break
            waiting += 1
        assert waiting >= 64
        assert refused.status_code == 503
        assert b"try again" in refused.body
        shown = next(
            line
            for line in service.http.get("/metrics").text.splitlines()
            if line.startswith("focusloop_clients_waiting ")
        )
        assert 0 < float(shown.split()[-1]) <= 64
        # A token in the header is known before hello.
        with service.talk(additional_headers={"Authorization": f"Bearer {TOKEN}"}) as known:
            assert known.ask(type="ping", t0=1)["type"] == "pong"
    with service.talk() as client:  # and the door is open again
        assert client.ask(type="ping", t0=1)["type"] == "pong"


def test_pages_and_hosts_of_others_are_closed_with_4403(service: Serve) -> None:
    with service.open(origin="https://evil.example") as client:
        assert client.close_code() == 4403
    with service.open(additional_headers={"Authorization": "Bearer wrong"}) as client:
        assert client.close_code() == 4401
    refused = service.http.get("/v1/streams", headers={"Host": "evil.example"})
    assert refused.status_code == 403
    refused = service.http.get("/v1/streams", headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        assert service.http.get("/v1/streams", headers=headers).status_code == 401
    assert service.http.get(f"/v1/streams?token={TOKEN}", headers={"Authorization": ""}).status_code == 400


def test_a_message_of_a_megabyte_ends_its_sender_only(service: Serve) -> None:
    with service.talk() as client:
        client.connection.send("x" * 1_000_000)
        assert client.close_code() == 1009


def test_who_comes_back_within_half_a_minute_misses_nothing(service: Serve) -> None:
    with service.talk() as client:
        client.subscribe("focus", stream="p01")
        seen = service.first(client, lambda m: m["type"] == "focus", "a score")
    with service.talk() as other:
        other.subscribe("focus", stream="p01")
        for _ in range(25):
            service.first(other, lambda m: m["type"] == "focus", "a score meanwhile")
    since: dict[str, Any] = {"epoch": seen["epoch"], "p01": {"focus": seen["seq"]}}
    with service.talk() as client:
        client.subscribe("focus", stream="p01", since=since)
        again = [service.first(client, lambda m: m["type"] == "focus", "a score") for _ in range(40)]
    assert [m["seq"] for m in again] == list(range(seen["seq"] + 1, seen["seq"] + 41))
    with service.talk() as client:
        client.subscribe("focus", stream="p01", since={**since, "epoch": "another"})
        newest = service.first(client, lambda m: m["type"] == "focus", "a score")
    assert newest["seq"] >= again[-1]["seq"] - 1


def test_the_schemas_hold_what_is_sent(service: Serve) -> None:
    """Whatever goes over the wire is JSON without NaN and as it is described, from the first word of a stream on."""
    answers = {"subscribed", "error", "pong", "ack"}
    missing = {*TOPICS, *answers} - LATER_TOPICS - {"proposal"}
    with service.talk() as client:
        hold(client.welcome)
        client.say(type="subscribe", id=1, stream="*", topics=TOPICS)

        def listen(enough: Callable[[dict[str, Any]], bool]) -> None:
            for message in service.messages(client):
                hold(message)
                assert message["type"] in answers or {"stream", "epoch", "seq"} <= message.keys()
                missing.discard(message["type"])
                if enough(message):
                    return
            raise AssertionError(f"never heard: {missing}")

        with service.stream("guest", "simulator:focus?seed=3"):
            service.http.put("/v1/streams/guest/controller", json={"policy": "fused"}).raise_for_status()
            rewarded = {"criteria": [{"band_hz": [8, 13]}], "rest_s": 5}
            service.http.put("/v1/streams/guest/neurofeedback", json=rewarded).raise_for_status()
            service.http.post("/v1/streams/guest/calibration", json={"seconds": 5}).raise_for_status()
            client.say(type="marker", stream="guest", label="begun")
            client.say(type="trial", stream="guest", run="of-the-schemas", trial=1, correct=True, rt_ms=480)
            client.say(type="trial", stream="nobody", run="of-the-schemas", trial=2, correct=True)
            client.say(type="ping", t0=1)
            listen(lambda _: not missing)
        ends: list[dict[str, Any]] = []

        def note_end(message: dict[str, Any]) -> bool:
            if message["type"] == "status" and (message["stream"], message["state"]) == ("guest", "closed"):
                ends.append(message)
            return message["type"] == "pong"

        for _ in range(2):  # as in `synchronise`
            client.say(type="ping", t0=2)
            listen(note_end)
    assert [end["detail"] for end in ends] == ["removed"]
