"""The real thing: `focusloop …` in a process of its own, and plain clients that talk to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from live_service import Talk
from websockets.sync.client import connect

TOKEN = "operator-token-of-the-tests"  # noqa: S105 - of a service that lives for a test
PATIENCE_S = 60.0
"""How long a test waits for what has to come; nothing is asserted about how fast it does."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "feedback.cli.main", *arguments]


def run_focusloop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, env={**os.environ, **environment}, check=False
    )


class Serve:
    """`focusloop serve` on a free port, started on entering, ended by SIGTERM on leaving."""

    def __init__(self, data_dir: Path, *sources: str, options: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self._arguments = ["serve", "--port", "0", "--token", TOKEN, "--data-dir", str(data_dir), *options]
        for source in sources:
            self._arguments += ["--source", source]
        self.exit_code: int | None = None
        self.lines: list[str] = []
        self._announced = threading.Event()
        self.url = ""

    def __enter__(self) -> Serve:
        self.process = subprocess.Popen(
            command(*self._arguments), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._reader = threading.Thread(target=self._read, name="stderr of serve")
        self._reader.start()
        if not self._announced.wait(PATIENCE_S) or not self.url:
            self.stop(signal.SIGKILL)
            raise AssertionError("the service did not announce itself:\n" + "\n".join(self.lines))
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30.0)
        self.until(lambda: self.http.get("/readyz").status_code == 200, "ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        if self.exit_code is None:
            self.stop()
        if error is not None:
            print("\n".join(self.lines[-40:]))  # noqa: T201 - pytest shows it with the failure

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            found = re.search(r"focusloop is at (http://\S+?)/#", line)
            if found:
                self.url = found.group(1)
                self._announced.set()
        self._announced.set()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """End the process; gives the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.exit_code = self.process.wait(PATIENCE_S)
        took = time.monotonic() - begun
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return took

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Poll the service until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        pause = threading.Event()
        while not holds():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"never {what}:\n" + "\n".join(self.lines[-20:]))
            pause.wait(0.05)

    def open(self, **options: object) -> Talk:
        """Connect a plain `websockets` client that says nothing yet; it holds whatever comes until it is read."""
        options.setdefault("max_queue", None)
        options.setdefault("subprotocols", ["focusloop.v1.json"])
        return Talk(connect(self.url.replace("http", "ws") + "/v1/ws", **options))  # type: ignore[arg-type] - passed on

    def talk(self, token: str = TOKEN, **options: object) -> Talk:
        """Connect, and say hello."""
        client = self.open(**options)
        client.say(type="hello", token=token, client="tests/1")
        client.welcome = client.hear(PATIENCE_S)
        assert client.welcome["type"] == "welcome", client.welcome
        return client

    @contextmanager
    def stream(self, name: str, uri: str, **more: object) -> Iterator[dict[str, Any]]:
        """Have a stream for a while; gives what the service says of it at first."""
        added = self.http.post("/v1/streams", json={"id": name, "sources": [uri], **more})
        assert added.status_code == 201, added.text
        try:
            yield added.json()
        finally:
            removed = self.http.delete(f"/v1/streams/{name}")
        assert removed.status_code == 204, removed.text

    def messages(self, client: Talk, seconds: float = PATIENCE_S) -> Iterator[dict[str, Any]]:
        """Give what comes, for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            yield client.hear(left)

    def first(self, client: Talk, matches: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Give the first message that matches."""
        last: dict[str, Any] = {}
        try:
            for last in self.messages(client):
                if matches(last):
                    return last
        except TimeoutError:
            pass
        raise AssertionError(f"no message with {what}; the last was {last}")
