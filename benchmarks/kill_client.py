"""A client of the service that will be killed: it notes what it hears, and may answer trials as fast as scores come."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pylsl
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.children import PATIENCE_S, TOKEN, ChildError

TOPICS = ("focus", "quality", "trial", "marker")
MARKER_EVERY = 5


@dataclass(slots=True)
class Heard:
    """What one client heard of one life of the service.

    Parameters
    ----------
    messages
        By stream and topic: number, and when it was heard, LSL clock.
    acknowledged
        Trials, `run/number`.
    unanswered
        Trials that were sent and not acknowledged, as they were sent.
    killed_s
        When the service was killed, LSL clock.
    began_s
        By stream: when the first score of its samples was heard.
    """

    messages: dict[tuple[str, str], list[tuple[int, float]]] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    unanswered: dict[str, str] = field(default_factory=dict)
    killed_s: float = 0.0
    began_s: dict[str, float] = field(default_factory=dict)


class Client(threading.Thread):
    """One connection, from its hello until the service is gone.

    Parameters
    ----------
    url
        Of the WebSocket.
    streams
        That it listens to, and answers trials of in turn.
    run
        Of its trials; empty for one that only listens.
    unanswered
        Trials of the life before, sent again.
    """

    def __init__(
        self, url: str, streams: Sequence[str], run: str = "", unanswered: dict[str, str] | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.heard = Heard(unanswered=dict(unanswered or {}))
        self._url, self._streams, self._run = url, streams, run
        self._everyone, self._playing = threading.Event(), threading.Event()
        self._silent = set(streams)
        self._sent = 0

    @staticmethod
    def now_s() -> float:
        """LSL clock."""
        return pylsl.local_clock()

    def wait_for_everyone(self) -> None:
        """Wait until every stream has given a score of its samples.

        Raises
        ------
        ChildError
            If one never does.
        """
        if not self._everyone.wait(PATIENCE_S):
            msg = f"no score of {', '.join(sorted(self._silent))} came"
            raise ChildError(msg)

    def play(self, seconds: float) -> None:
        """Answer trials for so long, and go on."""
        self._playing.set()
        threading.Event().wait(seconds)

    def run(self) -> None:
        with connect(self._url, compression=None, max_queue=None) as socket:
            try:
                socket.send(json.dumps({"type": "hello", "token": TOKEN, "client": "kill/1"}))
                socket.send(json.dumps({"type": "subscribe", "id": 1, "stream": "*", "topics": TOPICS}))
                for sent in self.heard.unanswered.values():
                    socket.send(sent)
                while True:
                    self._hear(socket, json.loads(socket.recv()))
            except ConnectionClosed:
                return

    def _hear(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "ack":
            key = f"{message['run']}/{message['trial']}"
            self.heard.acknowledged.append(key)
            self.heard.unanswered.pop(key, None)
        elif kind in TOPICS:
            heard = self.heard.messages.setdefault((message["stream"], kind), [])
            heard.append((message["seq"], self.now_s()))
        if kind != "focus" or message["t_lsl_s"] is None:
            return
        self._silent.discard(message["stream"])
        self.heard.began_s.setdefault(message["stream"], self.now_s())
        if not self._silent:
            self._everyone.set()
        if self._run and self._playing.is_set():
            self._answer(socket, message["stream"])

    def _answer(self, socket: ClientConnection, stream: str) -> None:
        self._sent += 1
        trial = {"type": "trial", "stream": stream, "run": self._run, "trial": self._sent, "task": "n-back"}
        text = json.dumps({**trial, "correct": self._sent % 3 > 0, "rt_ms": 400})
        self.heard.unanswered[f"{self._run}/{self._sent}"] = text
        socket.send(text)
        if self._sent % MARKER_EVERY == 0:
            socket.send(json.dumps({"type": "marker", "stream": stream, "label": f"标记 {self._sent}"}))
