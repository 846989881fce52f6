"""The Unity client: it compiles, and the part that needs no Unity joins the loop of the running service."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from focusloop_process import TOKEN, Serve
from programs import readme_block

ROOT = Path(__file__).resolve().parents[2]
UNITY = ROOT / "clients" / "unity"
COMPILER, MONO = shutil.which("mcs"), shutil.which("mono")


OURS = sorted(UNITY.glob("*.cs"))
TESTS = ROOT / "tests" / "clients" / "unity"


def compiled(made: Path, *more: str | Path) -> Path:
    """Compile the client, and more, as strictly as can be."""
    if COMPILER is None or MONO is None:
        pytest.skip("no C# compiler here (apt-get install mono-mcs)")
    command = [COMPILER, "-warnaserror", "-langversion:7", f"-out:{made}", *map(str, [*OURS, *more])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("unity") / "probe.exe", *sorted(TESTS.glob("*.cs")))


def run(probe: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert MONO is not None
    return subprocess.run([MONO, str(probe), *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_a_game_joins_the_loop_on_its_main_thread(serve: Serve, probe: Path) -> None:
    asked = {"criteria": [{"band_hz": [8, 13]}]}
    serve.http.put("/v1/streams/p01/neurofeedback", json=asked).raise_for_status()
    done = run(probe, serve.url, TOKEN, "p01", "3")
    assert "SIMULATED neurofeedback rest rewards 0" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED focus value" in done.stdout or "SIMULATED focus null" in done.stdout
    assert done.stdout.count("level ") == 3
    assert "unacknowledged 0 missed 0" in done.stdout
    assert "OTHER THREAD" not in done.stdout


def test_null_stays_null(serve: Serve, probe: Path) -> None:
    serve.http.put("/v1/streams/p01/simulator", json={"fault": "not_worn"}).raise_for_status()
    try:
        serve.until(
            lambda: "focus null not_worn" in run(probe, serve.url, TOKEN, "p01", "0").stdout, "null in a C# client"
        )
    finally:
        serve.http.put("/v1/streams/p01/simulator", json={"fault": None}).raise_for_status()


def test_a_wrong_token_is_told(serve: Serve, probe: Path) -> None:
    assert "denied" in run(probe, serve.url, "wrong-token-wrong-token", "p01", "1").stdout


def test_it_survives_kill_9_of_the_service_and_resumes(probe: Path, tmp_path: Path) -> None:
    assert MONO is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = tmp_path / "focusloop.toml"
    config.write_text(
        '[[participant]]\nid = "p01"\nsources = ["simulator:manual"]\n[participant.controller]\npolicy = "weighted"\n'
    )
    options = ("--port", str(port), "--config", str(config))
    with Serve(tmp_path / "data", options=options) as before:
        command = [MONO, str(probe), before.url, TOKEN, "p01", "3", "survive"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as game:
            try:
                assert game.stdout is not None
                assert any(line == "before\n" for line in game.stdout)
                before.stop(signal.SIGKILL)
                with Serve(tmp_path / "data", options=options) as after:
                    said = ""  # Mono itself sometimes takes most of a minute to end, after all was said and closed
                    while "unacknowledged " not in said and (line := game.stdout.readline()):
                        said += line
                    assert "after 2" in said
                    assert "unacknowledged 0" in said
                    assert after.http.get("/v1/streams/p01/controller").json()["trials"] == 6
            finally:
                game.kill()


def test_the_conversation_without_a_network_keeps_its_promises(probe: Path) -> None:
    done = run(probe, "scenarios")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("held: ") == 9


def test_webgl_builds_compile(tmp_path: Path) -> None:
    made = compiled(tmp_path / "webgl.dll", "-define:UNITY_WEBGL", "-target:library", TESTS / "UnityStubs.cs")
    assert b"FocusLoopNextText" in made.read_bytes()


GAME = """
using UnityEngine;

sealed class Label { public string text; }

sealed class Game : MonoBehaviour
{
    readonly Label label = new Label();
    void SetSpeed(double speed) { }
    public void Start()
    {
%s
        label.text += "";
    }
}
"""


def test_the_lines_of_the_readme_compile(tmp_path: Path) -> None:
    game = tmp_path / "Game.cs"
    game.write_text(GAME % readme_block("csharp"))
    compiled(tmp_path / "game.dll", "-target:library", TESTS / "UnityStubs.cs", game)


def test_webgl_builds_find_every_function_that_they_import() -> None:
    imported = set(re.findall(r"extern \w+ (FocusLoop\w+)\(", (UNITY / "WebGLTransport.cs").read_text()))
    library = (UNITY / "Plugins" / "WebGL" / "FocusLoop.jslib").read_text()
    assert imported == set(re.findall(r"^  (FocusLoop\w+): function", library, re.MULTILINE))
    assert len(imported) == 6
