"""`focusloop demo` and `demo.py` as a person starts them: scores follow the scenario, and nothing is left behind."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import threading
import venv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import psutil
import pytest
from focusloop_process import PATIENCE_S, TOKEN, run_focusloop
from live_service import Talk
from websockets.sync.client import connect

from bci.files import Recording, read_recording
from bci.registry import open_source
from bci.simulator.scenarios import PERIOD_S
from feedback.cli.demo import demo_uri, write_rest
from inference.bundle import find_model
from inference.offline import RecordingScorer, Span
from inference.session import FocusSession

ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """A demo that runs: what it says, where it is, and the processes that it started."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            arguments,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()

    def until(self, pattern: str) -> str:
        """Wait for a line."""

        def seen() -> str | None:
            return next((found.group(0) for line in self.lines if (found := re.search(pattern, line))), None)

        with self._changed:
            assert self._changed.wait_for(seen, PATIENCE_S), "\n".join(self.lines)
            return seen() or ""

    def talk(self) -> Talk:
        url = self.until(r"http://\S+?/#").removesuffix("/#")
        client = Talk(connect(url.replace("http", "ws") + "/v1/ws", max_queue=None))
        client.say(type="hello", token=TOKEN)
        assert client.hear(PATIENCE_S)["type"] == "welcome"
        return client

    @property
    def simulator(self) -> psutil.Process:
        """The process of the simulated participant."""
        return next(one for one in psutil.Process(self.process.pid).children() if "simulate" in one.cmdline())

    def ended(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@contextmanager
def demo(
    data_dir: Path, arguments: Sequence[str] = ("-m", "feedback.cli.main", "demo"), **environment: str
) -> Iterator[Demo]:
    options = ["--no-browser", "--port", "0", "--token", TOKEN, "--data-dir", str(data_dir)]
    running = Demo([sys.executable, *arguments, *options], environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
        running.ended()


def test_an_unknown_scenario_is_told_at_once_with_those_that_there_are(tmp_path: Path) -> None:
    done = run_focusloop("demo", "--scenario", "zz", "--no-browser", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no such scenario; there are focus, flat, inverted" in line
    assert not (tmp_path / "data").exists()


def levels(client: Talk) -> Iterator[tuple[float, float]]:
    """Give what the page's curve shows: the moment, LSL clock, and the mean of the last 5 s of valid scores."""
    recent: deque[float] = deque(maxlen=25)
    while True:
        score = client.hear(PATIENCE_S)
        if score["t_lsl_s"] is not None:  # the device is known
            assert (score["origin"], score["calibrated"]) == ("simulator", True)
        if score["valid"]:
            recent.append(score["value"])
        if len(recent) == recent.maxlen:
            yield score["t_lsl_s"], fmean(recent)


def test_scores_follow_the_scenario_up_and_down(tmp_path: Path) -> None:
    """The participant rests for 20 s, concentrates from 30 to 50 s, lets go: over real LSL, as the page sees it."""
    with demo(tmp_path) as running, running.talk() as client:
        client.subscribe("focus", stream="demo", rate_hz=5)
        curve = levels(client)
        begun_s, lowest = next(curve)
        risen_s, highest = math.inf, 0.0
        for now_s, level in curve:
            assert now_s - begun_s < 2 * PERIOD_S, (lowest, risen_s - begun_s, highest)
            if risen_s > now_s:
                lowest = min(lowest, level)
                risen_s = now_s if level > max(0.65, lowest + 0.2) else math.inf
                continue
            highest = max(highest, level)
            if level < (lowest + highest) / 2:
                assert now_s - risen_s > 20.0, "it fell while the participant concentrated"
                break
        running.process.send_signal(signal.SIGTERM)
        simulator = running.simulator
        assert running.ended() == 0
        assert not simulator.is_running() or simulator.status() == psutil.STATUS_ZOMBIE


def test_a_demo_whose_simulator_dies_ends_with_a_sentence(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.until(r"focusloop is at")
        running.simulator.kill()
        assert running.ended() == 1
    assert running.lines[-1] == (
        "focusloop demo: the process of the simulated participant ended (exit code -9); start the demo again"
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A virtual environment as `demo.py` leaves it, whose `focusloop` is that of the tests."""
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True)
    focusloop = binaries / "focusloop"
    focusloop.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m feedback.cli.main "$@"\n')
    focusloop.chmod(0o755)
    wanted = (ROOT / "pyproject.toml").read_text("utf-8") + (ROOT / "constraints.txt").read_text("utf-8")
    (tmp_path / "venv" / "installed-base.txt").write_text(wanted, "utf-8")
    return tmp_path / "venv"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to send")
def test_sigterm_to_demo_py_ends_all_that_it_started(tmp_path: Path, installed: Path) -> None:
    with demo(tmp_path / "data", (str(ROOT / "demo.py"),), VENV=str(installed)) as running:
        running.until(r'"event": "ready"')
        family = [running.simulator, *psutil.Process(running.process.pid).children(recursive=True)]
        running.process.terminate()
        assert running.ended() == 0
        _, alive = psutil.wait_procs(family, timeout=5.0)
        assert alive == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("too_early", [False, True], ids=["while it installs", "while it starts the installer"])
def test_a_signal_while_demo_py_installs_ends_the_installer(
    tmp_path: Path, installed: Path, number: int, code: int, too_early: bool
) -> None:
    (installed / "installed-base.txt").unlink()
    (installed / "bin" / "pip").touch()
    pip = installed / "bin" / "python"
    pip.write_text("#!/bin/sh\nsleep 600 &\necho installing >&2\nsleep 600\n")
    pip.chmod(0o755)
    script = ROOT / "demo.py"
    if too_early:
        script = tmp_path / "signalled.py"
        script.write_text(SIGNALLED.format(root=str(ROOT), number=int(number)), "utf-8")
    with demo(tmp_path / "data", (str(script),), VENV=str(installed)) as running:
        family = []
        if not too_early:
            running.until("installing")
            family = psutil.Process(running.process.pid).children(recursive=True)
            assert family
            running.process.send_signal(number)
        assert running.ended() == code  # its stderr has ended, too: nobody is left who holds it
        _, alive = psutil.wait_procs(family, timeout=5.0)
        assert alive == []


SIGNALLED = """
import signal, subprocess, sys
sys.path.insert(0, {root!r})
import demo

class Signalled(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        signal.raise_signal({number})

subprocess.Popen = Signalled
sys.exit(demo.main())
"""
"""`demo.py` to which a signal comes while it starts the installer, before it could know of it."""


def test_a_virtual_environment_whose_making_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    alone |= {"VENV": str(folder), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, str(ROOT / "demo.py"), "--install", "test"]
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"making a virtual environment in {folder}\ninstalling")
    assert list(folder.glob("*/pip*"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("the installation failed (exit code 1)")  # there is no index


def test_against_its_own_rest_the_demos_participant_rises_and_falls_and_rises(tmp_path: Path) -> None:
    """The very participant of the demo, two minutes long, as fast as it goes."""
    write_rest(tmp_path / "rest_eeg.fif", 1)
    scorer = RecordingScorer(FocusSession(find_model()))
    baseline = scorer.baseline(read_recording(tmp_path / "rest_eeg.fif"), Span())
    source = open_source(demo_uri("focus", 1, speed=0))
    spec = source.open()
    chunks = [source.read(2500, 1.0) for _ in range(11)]
    source.close()
    samples = np.concatenate([chunk.data for chunk in chunks if chunk is not None])
    count = np.arange(len(samples))
    played = Recording(replace(spec, origin="file"), samples, count / spec.nominal_rate_hz, count)
    scores = list(scorer.score(played, baseline=baseline))

    def mean(begin_s: float, end_s: float) -> float:
        at_s = [(score.end_s or 0.0, score.value) for score in scores]
        return fmean(value for t_s, value in at_s if value is not None and begin_s <= t_s < end_s)

    rest, work, rest_again, work_again = mean(8, 20), mean(36, 50), mean(67, 80), mean(96, 110)
    assert min(work, work_again) > max(rest, rest_again) + 0.15
    assert 0.3 < rest < 0.6
