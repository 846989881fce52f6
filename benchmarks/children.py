"""Programs that a benchmark starts, and ends on leaving: outlets that are not ours, the service, a client, peers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bci.compiled import cache_folder
from benchmarks.surroundings import ROOT

TOKEN = "benchmark-token-0123"  # noqa: S105 - of a service that lives for seconds
PATIENCE_S = 120.0


class ChildError(Exception):
    """A program of the benchmark could not do its work; the message is what it said last."""


def pin(core: int | None) -> list[str]:
    """Give the prefix that keeps a program, with all its threads, on one core; empty where that cannot be done."""
    if core is None or not hasattr(os, "sched_getaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core % len(cores)])]


def run_module(module: str, *arguments: str, core: int | None = None, timeout_s: float = PATIENCE_S) -> Any:  # noqa: ANN401 - JSON
    """Run `python -m module` to its end and give the JSON of its last line.

    Raises
    ------
    ChildError
        If it fails or takes too long.
    """
    command = [*pin(core), sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        msg = f"{module}: no answer in {timeout_s:.0f} s"
        raise ChildError(msg) from error
    if done.returncode != 0 or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ChildError(last)
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextmanager
def outlets(
    log: Path, *, streams: int = 1, channels: int = 8, rate_hz: float = 250.0, chunk: int = 10, core: int | None = None
) -> Generator[None]:
    """Publish streams `bench-00`, `bench-01`, … from a process of its own; `log` gets every stamp, see `outlets.py`."""
    options = [str(log), str(streams), str(channels), str(rate_hz), str(chunk)]
    command = [*pin(core), sys.executable, "-m", "benchmarks.outlets", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            msg = "the outlets did not start"
            raise ChildError(msg)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def echo(names: Sequence[str], core: int | None = None) -> Generator[tuple[str, psutil.Process]]:
    """Pass on what these outlets send, by pylsl and `websockets` alone (`peers/echo.py`); give its URL and process."""
    command = [*pin(core), sys.executable, "-m", "benchmarks.peers.echo", *names]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            msg = "the echo did not start"
            raise ChildError(msg)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def cpu_s(process: psutil.Process) -> float:
    """Time that a program has had of a core so far, s."""
    times = process.cpu_times()
    return times.user + times.system


@dataclass(slots=True)
class Service:
    """A running `focusloop serve`."""

    process: psutil.Process
    url: str
    ready_s: float
    """From the start of the process to /readyz 200."""
    refused: int
    """How often /readyz said 503 before."""
    lines: list[str]
    """What it said until it was ready."""

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws") + "/v1/ws"

    def rss_mib(self) -> float:
        return self.process.memory_info().rss / 2**20

    def cpu_s(self) -> float:
        return cpu_s(self.process)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Ask something over HTTP."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60.0) as answer:  # noqa: S310 - our own service
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Say something over HTTP; see `put`."""
        self.put(path, body, method="POST")

    def put(self, path: str, body: dict[str, Any], *, method: str = "PUT") -> None:
        """Say something over HTTP.

        Raises
        ------
        ChildError
            With what it answered.
        """
        request = urllib.request.Request(  # noqa: S310 - our own service
            self.url + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            urllib.request.urlopen(request, timeout=60.0).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            raise ChildError(error.read().decode(errors="replace")) from error


@contextmanager
def service(
    folder: Path,
    models_dir: Path,
    *sources: str,
    options: Sequence[str] = (),
    core: int | None = None,
    cache: Path | None = None,
) -> Generator[Service]:
    """Run `focusloop serve` until the block ends.

    Parameters
    ----------
    folder
        Its data directory; made if need be.
    models_dir
        Where its model is.
    sources
        `[ID=]URI`, as on the command line.
    options
        Further ones of `serve`.
    core
        It stays on that one.
    cache
        Compiled kernels; by default those of this user, so that only the first run compiles, which takes memory, too.

    Raises
    ------
    ChildError
        If it does not become ready.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [*pin(core), sys.executable, "-m", "feedback.cli.main", "serve", "--port", "0", "--token", TOKEN]
    command += ["--data-dir", str(folder), "--models-dir", str(models_dir), *options]
    for source in sources:
        command += ["--source", source]
    kept = cache or cache_folder()
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(kept)} if kept is not None else None
    log = folder / f"stderr-{time.monotonic_ns()}.log"
    began_s = time.monotonic()
    with log.open("w") as said:
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said, env=environment)
    try:
        url = _announced(log, child)
        refused = _wait_ready(url, log, child)
        ready_s = time.monotonic() - began_s
        yield Service(psutil.Process(child.pid), url, ready_s, refused, log.read_text("utf-8").splitlines())
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def _announced(log: Path, child: subprocess.Popen[bytes]) -> str:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and child.poll() is None:
        found = re.search(r"focusloop is at (http://\S+?)/#", log.read_text("utf-8"))
        if found:
            return found.group(1)
        time.sleep(0.01)
    raise ChildError(_last_line(log))


def _wait_ready(url: str, log: Path, child: subprocess.Popen[bytes]) -> int:
    deadline_s = time.monotonic() + PATIENCE_S
    refused = 0
    while time.monotonic() < deadline_s and child.poll() is None:
        try:
            urllib.request.urlopen(url + "/readyz", timeout=10.0).close()  # noqa: S310 - our own service
        except urllib.error.HTTPError as error:
            error.close()
            refused += error.code == 503
            time.sleep(0.02)
        except OSError:
            time.sleep(0.02)  # it does not listen yet
        else:
            return refused
    raise ChildError(_last_line(log))


def _last_line(log: Path) -> str:
    return (log.read_text("utf-8").strip().splitlines() or ["the service said nothing"])[-1]


def delivery(heard: dict[str, Any]) -> str:
    """Say what came, and what was not valid."""
    why = ", ".join(f"{reason} {count}" for reason, count in heard["reasons"].items())
    told = f"{heard['valid']:.0%} valid{f' ({why})' if why else ''}"
    return f"{told}, {heard['missed']} of {len(heard['age_ms'])} messages missed"


def listen(url: str, seconds: float, streams: Sequence[str], core: int | None = None) -> dict[str, Any]:
    """Let a plain client listen for some seconds; see `client.py`."""
    arguments = (url, TOKEN, str(seconds), ",".join(streams))
    return run_module("benchmarks.client", *arguments, core=core, timeout_s=seconds + PATIENCE_S)
