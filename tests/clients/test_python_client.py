"""The Python client against the running service: it joins the loop, and survives the service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_participants import FOCUS
from focusloop_process import PATIENCE_S, TOKEN, Serve
from guessed_tokens import Guesser
from live_service import LiveService
from programs import listen, readme_block
from websockets.asyncio.client import ClientConnection, connect

from focusloop_client import (
    AccessDeniedError,
    AsyncClient,
    Client,
    ClientError,
    CountedTrial,
    Difficulty,
    Focus,
    Marker,
    Message,
    Neurofeedback,
    Other,
    Refused,
    aio,
)
from focusloop_client.conversation import Conversation

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "clients" / "python" / "examples"


def first(client: Client, kind: type, seconds: float = PATIENCE_S) -> object:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        message = client.receive(left)
        if isinstance(message, kind):
            return message
    raise AssertionError(f"no {kind.__name__}")


def test_a_program_hears_focus_and_difficulty_and_sees_simulated(serve: Serve) -> None:
    with Client(serve.url, TOKEN) as client:
        client.subscribe("focus", "difficulty")
        score = first(client, Focus)
        assert isinstance(score, Focus)
        assert score.simulated
        assert str(score).startswith("SIMULATED p01")
        assert client.focus() is not None
        before = client.difficulty()
        number = client.trial(correct=True, rt_ms=532)
        assert client.settle(PATIENCE_S)
        while True:
            followed = first(client, Difficulty)
            assert isinstance(followed, Difficulty)
            if followed.after == (client.run, number):
                break
        assert followed.reason
        assert before is None or before.level == followed.previous
        assert client.missed == 0


def test_asyncio_programs_get_the_same(serve: Serve) -> None:
    async def play() -> Focus:
        async with AsyncClient(serve.url, TOKEN, stream="p01") as client:
            client.subscribe("focus")
            client.trial(correct=False, rt_ms=800.0)
            assert await client.settle(PATIENCE_S)
            async for message in client:
                if isinstance(message, Focus):
                    return message
        raise AssertionError

    assert asyncio.run(play()).stream == "p01"


def test_a_program_hears_what_is_rewarded(serve: Serve) -> None:
    path = "/v1/streams/p01/neurofeedback"
    serve.http.put(path, json={"criteria": [{"band_hz": [8, 13]}], "rest_s": 5}).raise_for_status()
    with Client(serve.url, TOKEN, stream="p01") as client:
        client.subscribe("neurofeedback")
        told = first(client, Neurofeedback)
        assert isinstance(told, Neurofeedback)
        assert (told.simulated, told.rewarded, told.brightness) == (True, False, None)
    serve.http.delete(path).raise_for_status()


def test_a_wrong_token_is_an_error_and_no_endless_try(serve: Serve) -> None:
    with Client(serve.url, "wrong-token-wrong-token") as client, pytest.raises(AccessDeniedError):
        first(client, Focus)


def test_a_good_token_comes_again_while_others_guess(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service:
        guesser = Guesser(service)
        with Client(service.url, TOKEN) as client:
            guesser.forgive()
            assert first(client, Other).type == "welcome"


def test_closing_ends_whatever_comes_at_that_moment(serve: Serve) -> None:
    async def close() -> None:
        async with AsyncClient(serve.url, TOKEN) as client:
            assert await client.receive(PATIENCE_S) is not None
            client._to_send.set()  # as a message does that comes now

    asyncio.run(asyncio.wait_for(close(), PATIENCE_S))


def test_a_denied_program_is_told_wherever_it_asks(serve: Serve) -> None:
    with Client(serve.url, "wrong-token-wrong-token", stream="p01") as client:
        client.trial(correct=True)
        with pytest.raises(AccessDeniedError):
            client.settle(PATIENCE_S)
        with pytest.raises(AccessDeniedError):
            client.trial(correct=True)
        with pytest.raises(AccessDeniedError):
            client.marker("begun")
        assert client.unacknowledged == 1


def test_a_trial_for_a_stream_that_is_not_there_is_told_and_kept_until_it_is(serve: Serve) -> None:
    with Client(serve.url, TOKEN, stream="late") as client:
        client.subscribe("trial")
        client.trial(correct=True)
        refused = first(client, Refused)
        assert isinstance(refused, Refused)
        assert refused.code == "no_such_stream"
        assert client.unacknowledged == 1
        with serve.stream("late", "simulator:manual"):
            assert client.settle(PATIENCE_S)
            client.trial(correct=False)
            heard = first(client, CountedTrial)
            assert isinstance(heard, CountedTrial)
            assert (heard.stream, heard.run) == ("late", client.run)


def test_a_program_that_plays_with_one_person_hears_of_no_other(serve: Serve) -> None:
    with (
        serve.stream("p02", "simulator:manual"),
        Client(serve.url, TOKEN, stream="p01") as client,
        Client(serve.url, TOKEN) as everyone,
    ):
        client.subscribe("marker")
        everyone.subscribe("marker")
        serve.until(lambda: client.connected and everyone.connected, "connected")
        everyone.marker("of the other", stream="p02")
        everyone.marker("mine", stream="p01")
        heard = [first(everyone, Marker), first(everyone, Marker)]
        assert [(one.stream, one.label) for one in heard if isinstance(one, Marker)] == [
            ("p02", "of the other"),
            ("p01", "mine"),
        ]
        mine = first(client, Marker)
        assert isinstance(mine, Marker)
        assert (mine.stream, mine.label) == ("p01", "mine")


def test_nobody_to_send_a_trial_for_is_said(serve: Serve) -> None:
    with Client("ws://127.0.0.1:9", TOKEN) as client, pytest.raises(ClientError, match="which participant"):
        client.trial(correct=True)


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python")}


def test_the_example_runs(serve: Serve) -> None:
    command = [sys.executable, EXAMPLES / "game.py", serve.url, TOKEN, "p01"]
    said = listen(command, lambda text: "SIMULATED p01" in text and text.count("level ") >= 3, env=ENVIRONMENT)
    assert "SIMULATED p01" in said
    assert said.count("level ") >= 3


def test_the_lines_of_the_readme_run(serve: Serve, tmp_path: Path) -> None:
    lines = readme_block("python")
    assert '"ws://127.0.0.1:8765", "YOUR-TOKEN"' in lines
    game = tmp_path / "game.py"
    game.write_text(lines.replace("ws://127.0.0.1:8765", serve.url).replace("YOUR-TOKEN", TOKEN))
    command = [sys.executable, "-u", game]
    said = listen(command, lambda text: "SIMULATED p01" in text and "next level " in text, env=ENVIRONMENT)
    assert "SIMULATED p01" in said
    assert "next level " in said


def test_closing_ends_with_the_services_answer_while_scores_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[ClientConnection] = []

    async def connected(*arguments: Any, **options: Any) -> ClientConnection:  # noqa: ANN401 - passed on
        connections.append(await connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(aio, "connect", connected)

    async def play(service: LiveService) -> None:
        async with AsyncClient(service.url, TOKEN, stream="p01") as client:
            client.subscribe("focus")
            async for message in client:
                if isinstance(message, Other) and message.type == "subscribed":
                    break
            for _ in range(300):
                service.hub.publish("p01", "focus", FOCUS)
            while not isinstance(await client.receive(PATIENCE_S), Focus):
                pass

    with LiveService(tmp_path) as service:
        asyncio.run(play(service))
    assert [one.protocol.close_rcvd and one.protocol.close_rcvd.code for one in connections] == [1000]


def test_a_client_that_can_no_longer_send_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def all_of(client: AsyncClient) -> list[Message]:
        return [message async for message in client]

    async def play(service: LiveService) -> None:
        async with AsyncClient(service.url, TOKEN, stream="p01") as client:
            while not client.connected:
                await client.receive(PATIENCE_S)
            monkeypatch.setattr(Conversation, "tick", lambda *_: 1 / 0)
            with pytest.raises(ClientError, match="ZeroDivisionError"):
                await asyncio.wait_for(all_of(client), PATIENCE_S)
            assert not client.connected
            with pytest.raises(ClientError):
                client.trial(correct=True)

    with LiveService(tmp_path) as service:
        asyncio.run(play(service))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_client_survives_kill_9_of_the_service_and_resumes(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "focusloop.toml"
    config.write_text(
        '[[participant]]\nid = "p01"\nsources = ["simulator:manual"]\n[participant.controller]\npolicy = "weighted"\n'
    )
    options = ("--port", str(port), "--config", str(config))
    with Client(f"http://127.0.0.1:{port}", TOKEN, stream="p01") as client:
        client.subscribe("focus", "difficulty")
        with Serve(tmp_path / "data", options=options) as before:
            for _ in range(10):
                client.trial(correct=True, rt_ms=500)
            assert client.settle(PATIENCE_S)
            first(client, Focus)
            level = before.http.get("/v1/streams/p01/controller").json()["level"]
            before.stop(signal.SIGKILL)
        for _ in range(5):
            client.trial(correct=False, rt_ms=500)
        assert client.unacknowledged == 5
        assert not client.settle(0.1)
        with Serve(tmp_path / "data", options=options) as after:
            assert client.settle(PATIENCE_S)
            view = after.http.get("/v1/streams/p01/controller").json()
            assert view["trials"] == 15
            assert view["level"] < level
            assert client.connections == 2
            score = first(client, Focus)
            assert isinstance(score, Focus)
            assert client.connected
