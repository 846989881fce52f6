"""The jsPsych example with jsPsych itself, in a real browser, on a page of its own, against the running service."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from focusloop_process import TOKEN, Serve
from playwright.sync_api import Page, expect, sync_playwright

JS = Path(__file__).resolve().parents[2] / "clients" / "js"
MODULES = JS / "node_modules"
FILES = {
    "jspsych.html": JS / "examples" / "jspsych.html",
    "jspsych-focusloop.mjs": JS / "examples" / "jspsych-focusloop.mjs",
    "jspsych.js": MODULES / "jspsych/dist/index.browser.min.js",
    "jspsych.css": MODULES / "jspsych/css/jspsych.css",
    "html-keyboard-response.js": MODULES / "@jspsych/plugin-html-keyboard-response/dist/index.browser.min.js",
}
"""What the example says is to be put into one folder."""

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
TRIALS = 40

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"),
    pytest.mark.skipif(not all(map(Path.is_file, FILES.values())), reason="no jsPsych here: `make check` installs it"),
]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the experiment's folder, as the example's first lines say."""
    folder = tmp_path_factory.mktemp("experiment")
    for name, path in FILES.items():
        shutil.copy(path, folder / name)
    (folder / "favicon.ico").touch()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, name="experiment")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(experiment: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(
        tmp_path_factory.mktemp("data"), "p01=simulator:manual", options=("--allow-origin", experiment)
    ) as running:
        running.http.put("/v1/streams/p01/controller", json={"policy": "weighted"}).raise_for_status()
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            opened = browser.new_page()
            wrong: list[str] = []
            opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
            opened.on("pageerror", lambda error: wrong.append(str(error)))
            yield opened
            assert not wrong
        finally:
            browser.close()


def answer(page: Page, service: Serve, counted: int, *, right: bool) -> float:
    """Answer the stimulus that is shown; gives the level once that trial was counted."""
    fresh = page.locator("#jspsych-html-keyboard-response-stimulus p:not([data-answered])")
    middle = fresh.inner_text()[2]
    shown_ms = fresh.evaluate("shown => { shown.dataset.answered = true; return performance.now(); }")
    page.wait_for_function("ms => performance.now() > ms + 150", arg=shown_ms)  # sooner is no answer to the stimulus
    page.keyboard.press("f" if (middle == "<") == right else "j")
    controller = "/v1/streams/p01/controller"
    service.until(lambda: service.http.get(controller).json()["trials"] == counted + 1, f"counted {counted + 1}")
    return float(service.http.get(controller).json()["level"])


def test_an_experiment_that_is_not_let_in_ends_and_says_so(experiment: str, service: Serve, page: Page) -> None:
    page.goto(f"{experiment}/jspsych.html#service={service.url}&token=wrong-token-wrong-token&stream=p01")
    expect(page.get_by_role("alert")).to_have_text("The experiment ended: the service refuses this page (4401).")
    expect(page.locator("#jspsych-html-keyboard-response-stimulus")).to_have_count(0)


def test_an_experiment_for_nobody_ends_with_its_first_answer(experiment: str, service: Serve, page: Page) -> None:
    page.goto(f"{experiment}/jspsych.html#service={service.url}&token={TOKEN}&stream=nobody")
    shown = page.locator("#jspsych-html-keyboard-response-stimulus p")
    expect(shown).to_be_visible()
    page.keyboard.press("f")
    expect(page.get_by_role("alert")).to_have_text("The experiment ended: a trial was not accepted (no_such_stream).")


def test_the_example_runs_and_its_difficulty_follows(experiment: str, service: Serve, page: Page) -> None:
    page.goto(f"{experiment}/jspsych.html#service={service.url}&token={TOKEN}&stream=p01")
    expect(page.locator("#origin")).to_have_text("SIMULATED")
    levels = [0.5]
    levels += [answer(page, service, number, right=number % 5 != 4) for number in range(TRIALS)]
    assert [now > before for before, now in pairwise(levels[:6])] == [True] * 4 + [False], levels
    expect(page.locator("#task")).to_have_text("done")
    expect(page.locator("#origin")).to_have_text("SIMULATED")
