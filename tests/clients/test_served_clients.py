"""The service serves the clients of its own version, and nothing else of its disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from focusloop_process import TOKEN, Serve
from programs import listen

import focusloop_client

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_all_clients_are_of_the_services_version() -> None:
    assert focusloop_client.__version__ == VERSION
    assert tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]["version"] == VERSION
    assert f'export const VERSION = "{VERSION}"' in (ROOT / "clients/js/src/focusloop.ts").read_text()
    assert f'public const string Version = "{VERSION}"' in (ROOT / "clients/unity/FocusLoopClient.cs").read_text()


def test_everything_that_the_index_lists_is_there_without_a_token(serve: Serve) -> None:
    index = httpx.get(f"{serve.url}/clients/").text
    names = [part.partition('"')[0] for part in index.split('href="')[1:]]
    assert {
        "js/focusloop.js",
        "unity/FocusLoopClient.cs",
        f"python/focusloop_client-{VERSION}-py3-none-any.whl",
    } <= set(names)
    for name in names:
        assert httpx.get(f"{serve.url}/clients/{name}").status_code == 200, name


@pytest.mark.parametrize(
    "path", ["../pyproject.toml", "%2e%2e/pyproject.toml", "js/../../README.md", "js", "nothing.js"]
)
def test_nothing_else_is(serve: Serve, path: str) -> None:
    assert httpx.get(f"{serve.url}/clients/{path}").status_code == 404


def test_the_served_wheel_installs_and_joins(serve: Serve, tmp_path: Path) -> None:
    wheel = tmp_path / f"focusloop_client-{VERSION}-py3-none-any.whl"
    wheel.write_bytes(httpx.get(f"{serve.url}/clients/python/{wheel.name}").content)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path / "site", wheel]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    game = ROOT / "clients" / "python" / "examples" / "game.py"
    said = listen([sys.executable, game, serve.url, TOKEN, "p01"], lambda text: "level " in text, env=environment)
    assert "level " in said


def test_difficulty_is_heard_over_lsl(serve: Serve) -> None:
    listener = ROOT / "clients" / "python" / "examples" / "lsl_listener.py"
    number = iter(range(10**6))

    def enough(text: str) -> bool:
        if "SIMULATED" in text and "level " not in text:
            with serve.talk() as client:
                client.say(type="trial", stream="p01", run="lsl", trial=next(number), correct=True, rt_ms=500)
                serve.first(client, lambda m: m["type"] == "ack", "an ack")
        return "level " in text and "focus " in text

    said = listen([sys.executable, listener, "p01", "60"], enough)
    assert "SIMULATED" in said
    assert "level " in said


PSYCHOPY = """
from types import SimpleNamespace

class Anything:
    def __init__(self, *_given, **_named): pass
    def __getattr__(self, _name): return lambda *_given, **_named: None

core = SimpleNamespace(Clock=Anything, wait=lambda _s: None)
event = SimpleNamespace(waitKeys=lambda **_named: [("left", 0.5)])
visual = SimpleNamespace(Window=Anything, GratingStim=Anything, TextStim=Anything)
"""
"""Stands in for PsychoPy (`test_psychopy.py` has the real one, where it is installed): each answer comes at once."""


@pytest.mark.parametrize(
    ("token", "stream", "ends"),
    [(TOKEN, "p01", None), ("wrong-token-wrong-token", "p01", "refuses this client"), (TOKEN, "nobody", "no stream")],
)
def test_no_psychopy_experiment_runs_without_its_trials_being_kept(
    serve: Serve, tmp_path: Path, token: str, stream: str, ends: str | None
) -> None:
    (tmp_path / "psychopy.py").write_text(PSYCHOPY)
    example = ROOT / "clients" / "python" / "examples" / "psychopy_websocket.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "clients" / "python")])}
    command = [sys.executable, example, serve.url, token, stream, "5"]
    before = serve.http.get("/v1/streams/p01/controller").json()["trials"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    counted = serve.http.get("/v1/streams/p01/controller").json()["trials"] - before
    assert "Traceback" not in done.stderr
    if ends is None:
        assert (done.returncode, counted) == (0, 5), done.stderr
    else:
        assert (done.returncode, counted) == (1, 0), done.stderr
        assert "the experiment ended: " in done.stderr
        assert ends in done.stderr
