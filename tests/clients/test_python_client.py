"""The Python client against the running service: it joins the loop, and survives the service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from focusloop_process import PATIENCE_S, TOKEN, Serve
from programs import listen

from focusloop_client import (
    AccessDeniedError,
    AsyncClient,
    Client,
    ClientError,
    Difficulty,
    Focus,
    Neurofeedback,
    Refused,
)

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


def test_a_trial_for_a_stream_that_is_gone_is_refused_and_let_go(serve: Serve) -> None:
    with Client(serve.url, TOKEN, stream="nobody") as client:
        client.trial(correct=True)
        refused = first(client, Refused)
        assert isinstance(refused, Refused)
        assert refused.code == "no_such_stream"
        assert client.settle(PATIENCE_S)


def test_nobody_to_send_a_trial_for_is_said(serve: Serve) -> None:
    with Client("ws://127.0.0.1:9", TOKEN) as client, pytest.raises(ClientError, match="which participant"):
        client.trial(correct=True)


def test_the_example_of_the_readme_runs(serve: Serve) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python")}
    command = [sys.executable, EXAMPLES / "game.py", serve.url, TOKEN, "p01"]
    said = listen(command, lambda text: "SIMULATED p01" in text and text.count("level ") >= 3, env=environment)
    assert "SIMULATED p01" in said
    assert said.count("level ") >= 3


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
