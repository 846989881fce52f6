from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from fake_participants import FOCUS
from guessed_tokens import Guesser
from live_service import TOKEN, LiveService, RawClient, Talk
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bci.clock import lsl_now_s
from feedback.service.protocol import MAX_MESSAGE_BYTES, MAX_SUBSCRIPTIONS, SUBPROTOCOL
from feedback.service.socket import MAX_UNAUTHENTICATED

STREAMS = [f"p{i:02}" for i in range(1, 51)]


class Clock:
    """Runs with the monotonic clock, and can be moved on."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    folder = tmp_path_factory.mktemp("data")
    with LiveService(folder, streams=STREAMS, allow_origins=("https://game.example",)) as live:
        yield live


def test_hello_is_welcomed(service: LiveService) -> None:
    with service.talk() as client:
        welcome = client.welcome
        assert client.connection.subprotocol == SUBPROTOCOL
        assert welcome["protocol"] == 1
        assert welcome["server"].startswith("focusloop/")
        assert welcome["epoch"] == service.hub.epoch
        assert abs(welcome["time"]["unix_s"] - time.time()) < 5.0
        assert [view["id"] for view in welcome["streams"]] == STREAMS
        assert "Sec-WebSocket-Extensions" not in client.connection.response.headers  # type: ignore[union-attr]


def test_a_header_authenticates_and_hello_then_needs_no_token(service: LiveService) -> None:
    with service.open(additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert client.ask(type="hello")["type"] == "welcome"


def test_a_plain_client_without_subprotocol_is_served(service: LiveService) -> None:
    with service.open(subprotocols=None) as client:
        assert client.ask(type="hello", token=TOKEN)["type"] == "welcome"
        assert client.connection.subprotocol is None


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"type":"hello"}', 4401),
        ('{"type":"hello","token":"wrong"}', 4401),
        ('{"type":"hello","token":7}', 4400),
        ('{"type":"subscribe","stream":"*","topics":["focus"]}', 4400),
        ("no json", 4400),
        ("[]", 4400),
        (b"\x00\x01", 4400),
        ("x" * (MAX_MESSAGE_BYTES + 1), 1009),
    ],
)
def test_nothing_but_a_good_hello_opens(service: LiveService, first: str | bytes, code: int) -> None:
    with service.open() as client:
        client.connection.send(first)
        assert client.close_code() == code


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic YTpi", "Bearer"])
def test_a_wrong_header_is_closed_at_once(service: LiveService, header: str) -> None:
    with service.open(additional_headers={"Authorization": header}) as client:
        assert client.close_code() == 4401


def test_a_token_in_the_query_is_refused_and_never_logged(
    service: LiveService, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    from websockets.sync.client import connect

    with Talk(connect(f"{service.ws_url}?token={TOKEN}")) as client:
        assert client.close_code() == 4401
        assert "query" in (client.connection.close_reason or "")
    assert TOKEN not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, 4403),
        ({"Origin": "null"}, 4403),
        ({"Origin": "http://127.0.0.1:1"}, 4403),
        ({"Host": "evil.example"}, 4403),
    ],
)
def test_another_origin_or_host_is_closed_with_4403(service: LiveService, headers: dict[str, str], code: int) -> None:
    from websockets.sync.client import connect

    origin = headers.get("Origin")
    url = service.ws_url.replace("127.0.0.1", headers.get("Host", "127.0.0.1"))
    import socket

    plain = socket.create_connection(("127.0.0.1", service.port))
    with Talk(connect(url, origin=origin, sock=plain)) as client:  # type: ignore[arg-type]
        assert client.close_code() == code


@pytest.mark.parametrize("origin", ["https://game.example", "own"])
def test_our_page_and_an_admitted_one_are_served(service: LiveService, origin: str) -> None:
    with service.open(origin=service.url if origin == "own" else origin) as client:
        assert client.ask(type="hello", token=TOKEN)["type"] == "welcome"


def test_another_path_has_no_websocket(service: LiveService) -> None:
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus) as refused:
        connect(service.ws_url.replace("/v1/ws", "/v1/other"))
    assert refused.value.response.status_code == 404


def test_scores_arrive_as_they_were_published(service: LiveService) -> None:
    with service.talk() as client:
        answer = client.subscribe("focus", "gaze", stream="p01")
        assert answer["id"] == 1
        assert answer["accepted"] == ["focus"]
        assert [(r["topic"], r["code"]) for r in answer["refused"]] == [("gaze", "no_such_stream")]
        seq = service.hub.publish("p01", "focus", FOCUS)
        score = client.hear()
        assert score == {"type": "focus", "stream": "p01", "epoch": service.hub.epoch, "seq": seq, **FOCUS}
        assert client.ask(type="unsubscribe", id="u", stream="p01", topics=["focus", "bands"])["accepted"] == ["focus"]
        service.hub.publish("p01", "focus", FOCUS)
        assert client.synchronise() == []


def test_the_wildcard_covers_streams_opened_later(service: LiveService) -> None:
    with service.talk() as client:
        client.subscribe("bands")
        service.hub.publish("opened-later", "bands", {})
        assert client.hear()["stream"] == "opened-later"
        service.hub.forget("opened-later")


def test_an_unknown_stream_is_refused_per_topic(service: LiveService) -> None:
    with service.talk() as client:
        answer = client.subscribe("focus", "status", stream="nobody")
        assert answer["accepted"] == []
        assert {r["code"] for r in answer["refused"]} == {"no_such_stream"}


def test_errors_are_answered_and_the_talk_goes_on(service: LiveService) -> None:
    with service.talk() as client:
        assert client.subscribe("focus", "status", "foo") == {
            "type": "error",
            "id": 1,
            "code": "bad_message",
            "message": "topics[2]: unknown topic 'foo'",
        }
        assert client.ask(type="trial", stream="p01", run="u", trial=1)["code"] == "bad_message"
        client.connection.send(b"binary")
        assert client.hear()["code"] == "bad_message"
        client.connection.send("[" * 60_000)
        assert client.hear()["code"] == "bad_message"
        pong = client.ask(type="ping", t0=17.5)
        assert pong["t0"] == 17.5
        assert pong["t1"] <= pong["t2"]


def trial(client: Talk, number: int, **more: object) -> dict[str, Any]:
    client.say(**{"type": "trial", "stream": "p01", "run": "r1", "trial": number, "correct": True, **more})
    while (heard := client.hear())["type"] not in ("ack", "error"):
        pass
    return heard


def test_a_trial_is_acknowledged_and_a_repeat_is_not_counted(service: LiveService) -> None:
    with service.talk() as client, service.talk() as other:
        first = trial(client, 1, rt_ms=532)
        assert (first["type"], first["run"], first["trial"], first["duplicate"]) == ("ack", "r1", 1, False)
        assert first["stamped"] == "arrival"
        assert first["uncertainty_ms"] is None
        assert trial(client, 1, rt_ms=532)["duplicate"] is True
        assert trial(other, 1, rt_ms=532)["duplicate"] is True
        for number, rt_ms in enumerate((-5, 1e9, None), start=2):
            assert trial(client, number, rt_ms=rt_ms)["duplicate"] is False
    counted = [key for key in service.participants.loop.trials if key[1] == "r1"]
    assert counted == [("p01", "r1", n) for n in (1, 2, 3, 4)]


def test_a_trial_that_nobody_may_send_names_the_trial(service: LiveService) -> None:
    token = service.access.issue("p03", 1.0).token
    with service.talk(token) as client:
        for stream, code in (("p01", "not_allowed"), ("*", "bad_message")):
            refused = trial(client, 7, stream=stream, run="r2")
            assert (refused["code"], refused["run"], refused["trial"]) == (code, "r2", 7)
    with service.talk() as client:
        assert trial(client, 8, stream="nobody", run="r2")["code"] == "no_such_stream"
        assert trial(client, 9, stream="*", run="r2")["code"] == "bad_message"
        bad = trial(client, 10, rt_ms="fast", run="r2")
        assert (bad["code"], bad["run"], bad["trial"]) == ("bad_message", "r2", 10)
    assert not [key for key in service.participants.loop.trials if key[1] == "r2"]


def test_a_client_that_pings_has_its_trials_on_the_lsl_clock(service: LiveService) -> None:
    with service.talk() as client:
        previous: dict[str, float] | None = None
        for _ in range(6):
            t0 = time.monotonic() * 1e3
            pong = client.ask(type="ping", t0=t0, **({"previous": previous} if previous else {}))
            previous = {"t0": t0, "t3": time.monotonic() * 1e3}
            assert pong["t0"] == t0
        before_s = lsl_now_s()
        happened_ms = time.monotonic() * 1e3
        after_s = lsl_now_s()
        answer = trial(client, 1, run="r3", t_client_ms=happened_ms)
    assert answer["stamped"] == "client"
    error_s = answer["uncertainty_ms"] / 1e3
    assert before_s - error_s <= answer["t_lsl_s"] <= after_s + error_s


def test_resuming_by_number_misses_nothing(service: LiveService) -> None:
    first = service.hub.publish("p02", "focus", FOCUS)
    for _ in range(20):
        service.hub.publish("p02", "focus", FOCUS)
    with service.talk() as client:
        client.say(
            type="subscribe",
            stream="p02",
            topics=["focus"],
            since={"epoch": service.hub.epoch, "p02": {"focus": first}},
        )
        assert client.hear()["type"] == "subscribed"
        assert [client.hear()["seq"] for _ in range(20)] == list(range(first + 1, first + 21))
    with service.talk() as client:
        client.say(type="subscribe", stream="p02", topics=["focus"], since={"epoch": "before", "p02": {"focus": 1}})
        assert client.hear()["type"] == "subscribed"
        assert [m["seq"] for m in client.synchronise()] == [first + 20]


def test_a_participant_sees_its_own_stream_only(service: LiveService) -> None:
    token = service.access.issue("p03", 1.0).token
    with service.talk(token) as client:
        assert [view["id"] for view in client.welcome["streams"]] == ["p03"]
        assert {r["code"] for r in client.subscribe("focus", stream="p04")["refused"]} == {"not_allowed"}
        assert client.subscribe("raw")["accepted"] == ["raw"]
        service.hub.publish("p04", "raw", {})
        service.hub.publish("p03", "raw", {})
        assert [m["stream"] for m in client.synchronise()] == ["p03"]


def test_ten_thousand_subscriptions_get_two_hundred_and_fifty_six(service: LiveService) -> None:
    topics = ["focus", "status", "quality", "bands", "spectrum", "raw"]
    accepted = refused = 0
    with service.talk() as client:
        for stream in STREAMS:
            answer = client.subscribe(*(topics * 34), stream=stream)  # 10,200 asked in 50 messages
            accepted += len(answer["accepted"])
            refused += sum(r["code"] == "too_many" for r in answer["refused"])
        assert accepted == MAX_SUBSCRIPTIONS
        assert refused == len(STREAMS) * len(topics) - MAX_SUBSCRIPTIONS
        assert client.subscribe("focus", stream="p01")["accepted"] == ["focus"]  # again is not one more


def test_a_flood_is_closed_with_4429_and_nobody_else_notices(service: LiveService) -> None:
    with service.talk() as bystander, RawClient(service) as flood:
        bystander.subscribe("quality")
        flood.say(type="hello")
        frame = b"\x81\x80\0\0\0\0"
        try:
            for _ in range(20):
                flood.socket.sendall(frame * 5000)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was sent away before it had said all
        service.hub.publish("p01", "quality", {})
        assert bystander.hear()["type"] == "quality"
    with service.talk() as client:
        with contextlib.suppress(ConnectionClosed):  # sent away before it had said all
            for _ in range(1000):
                client.say(type="ping", t0=1)
        assert client.close_code() == 4429


@pytest.mark.parametrize("first", [0x89, 0x00])
def test_pings_and_empty_fragments_are_counted_too(service: LiveService, first: int) -> None:
    with RawClient(service) as client:
        if first == 0x00:
            client.send(b"", first=0x01)
        client.socket.sendall((bytes((first, 0x80)) + b"\0\0\0\0") * 3000)
        while True:
            kind, payload = client.frame()
            if kind == 0x88:
                break
        assert int.from_bytes(payload[:2], "big") == 4429


def test_invalid_utf8_and_broken_frames_end_their_own_connection_only(service: LiveService) -> None:
    with service.talk() as bystander:
        for first, payload, code in ((0x81, b"\xff\xfe", 1007), (0xF1, b"x", 1002), (0x83, b"x", 1002)):
            with RawClient(service) as client:
                client.send(payload, first=first)
                while True:
                    kind, came = client.frame()
                    if kind == 0x88:
                        break
                assert int.from_bytes(came[:2], "big") == code
        assert bystander.ask(type="ping", t0=1)["type"] == "pong"


def test_a_message_in_fragments_is_one_message(service: LiveService) -> None:
    with RawClient(service) as client:
        client.send(b'{"type":', first=0x01)
        client.send(b'"hello"}', first=0x80)
        assert client.hear()["type"] == "welcome"


def test_a_client_that_stops_reading_sees_nothing_old_after_its_lagged(tmp_path: Path) -> None:
    clock = Clock()
    with LiveService(tmp_path, clock=clock) as service, RawClient(service) as client, service.talk() as other:
        client.say(type="hello")
        client.say(type="subscribe", stream="*", topics=["focus"])
        assert client.hear()["type"] == "welcome"
        assert client.hear()["type"] == "subscribed"
        other.subscribe("focus")
        service.hub.publish("p01", "focus", {"at": clock()})
        assert client.hear()["seq"] == 1
        clock.ahead_s += 60.0  # a minute in which it answers no ping
        with service.talk() as witness:
            witness.subscribe("focus")
            for _ in range(10):
                service.hub.publish("p01", "focus", {"at": clock()})
            assert [witness.hear()["seq"] for _ in range(10)] == list(range(2, 12))  # others miss nothing
        client.pong(client.ping())  # an old ping, or a new one: the first that it is sent
        heard = [client.hear(), client.hear()]
        while heard[-1]["type"] != "focus":
            client.pong(client.ping())
            heard.append(client.hear())
        assert heard[0] == {"type": "lagged", "stream": "p01", "topic": "focus", "missed": 9}
        assert heard[1]["seq"] == 11
        assert clock() - heard[1]["at"] <= 3.0


def test_full_buffers_hold_messages_back(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service, RawClient(service) as client:
        client.say(type="hello")
        client.say(type="subscribe", stream="*", topics=["raw"])
        assert client.hear()["type"] == "welcome"
        assert client.hear()["type"] == "subscribed"
        published = 0
        with service.talk() as witness:  # its answers say that the loop has written what came before
            while service.hub.counters.missed == 0:
                for _ in range(4):
                    published = service.hub.publish("p01", "raw", {"uv": "x" * 60_000})
                witness.ask(type="ping", t0=1)
                assert published < 2000, "nothing was held back"
        received, missed, last = 0, 0, 0
        while last < published:
            message = client.hear()
            if message["type"] == "lagged":
                missed += message["missed"]
            else:
                received += 1
                assert message["seq"] == received + missed
                last = message["seq"]
        assert missed > 0


def test_five_seconds_of_silence_before_hello_are_enough(tmp_path: Path) -> None:
    clock = Clock()
    with LiveService(tmp_path, clock=clock) as service, service.open() as client:
        clock.ahead_s += 5.0
        assert client.close_code() == 4401


@pytest.mark.parametrize("by_header", [True, False])
def test_who_comes_while_tokens_are_guessed_is_told_to_come_again(tmp_path: Path, by_header: bool) -> None:
    header = {"Authorization": f"Bearer {TOKEN}"} if by_header else {}
    with LiveService(tmp_path) as service:
        guesser = Guesser(service)
        with service.open(additional_headers=header) as client:
            if not by_header:
                client.say(type="hello", token=TOKEN)
            assert client.close_code() == 4429
            assert re.search(r"try again in \d+ s", client.connection.close_reason or "")
        with service.http() as http:
            assert http.get("/v1/streams").status_code == 429
        guesser.forgive()
        with service.open(additional_headers=header) as client:
            assert client.ask(type="hello", token=None if by_header else TOKEN)["type"] == "welcome"
        with service.open() as client:
            client.say(type="hello", token="wrong")  # noqa: S106
            assert client.close_code() == 4401


def test_sixty_four_may_wait_at_the_door(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service, service.talk() as inside:
        waiting = [service.open() for _ in range(MAX_UNAUTHENTICATED)]
        try:
            with pytest.raises(InvalidStatus) as refused:
                service.open()
            assert refused.value.response.status_code == 503
            assert inside.ask(type="ping", t0=1)["type"] == "pong"
            assert waiting[0].ask(type="hello", token=TOKEN)["type"] == "welcome"
            with service.talk() as next_one:
                assert next_one.welcome
        finally:
            for client in waiting:
                client.connection.close()


def test_a_token_that_expires_ends_its_connection(tmp_path: Path) -> None:
    from feedback.service.access import Access

    with LiveService(tmp_path) as service:
        token = service.access.issue("p01", 1.0).token
        with service.talk(token) as client:
            service.access._wall_clock = lambda: time.time() + 3601.0
            assert client.close_code() == 4401
        assert isinstance(service.access, Access)


def test_the_end_of_the_service_is_1012(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service:
        client = service.talk()
    assert client.close_code() == 1012


def test_a_client_that_reads_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service:
        client = RawClient(service)
        client.say(type="hello")
        client.say(type="subscribe", stream="*", topics=["raw"])
        client.hear()
        client.hear()
        with service.talk() as witness:
            while service.hub.counters.missed == 0:
                service.hub.publish("p01", "raw", {"uv": "x" * 500_000})
                witness.ask(type="ping", t0=1)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 4.0
    client.socket.close()


def test_clients_that_left_are_forgotten(service: LiveService) -> None:
    before = service.hub.wants("p01", "spectrum")
    with service.talk() as client:
        client.subscribe("spectrum")
        assert service.hub.wants("p01", "spectrum")
        client.say(type="ping", t0=orjson.loads("1"))
    with service.talk() as client:
        while service.hub.wants("p01", "spectrum"):
            client.ask(type="ping", t0=1)  # the loop turns until it has seen the other one go
    assert not before
