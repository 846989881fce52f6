"""The simulated participant of `focusloop demo` doing trials: answers follow attention and the difficulty that is set.

A process of its own, as a game would be: it knows the service by its address and token alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from bci.simulator.scenarios import attention_at
from feedback.cli.options import end_with_parent, until_signalled
from feedback.difficulty.task import Task

TRIAL_S = 2.0
ABILITY, ATTENTION_EFFECT = 0.5, 2.0
"""Logits: what the demo's participant is able to at medium attention, and what attention adds from 0 to 1."""

SUBPROTOCOL = "focusloop.v1.json"


def main() -> int:
    """Play until a signal ends it, or the demo does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("stream")
    parser.add_argument("--scenario", default="focus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trial-s", type=float, default=TRIAL_S)
    parser.add_argument("--parent", type=int)
    args = parser.parse_args()
    stop = until_signalled()
    if args.parent is not None:
        threading.Thread(target=end_with_parent, args=(args.parent, stop), daemon=True).start()
    began_s = time.monotonic()
    player = Player(args.stream, args.scenario, args.seed)
    while not stop.wait(0.5):
        try:
            with connect(args.url, subprotocols=[SUBPROTOCOL]) as socket:  # type: ignore[list-item] - a str is one
                for _ in player.play(socket, began_s, os.environ["FOCUSLOOP_TOKEN"]):
                    if stop.wait(args.trial_s):
                        return 0
        except (OSError, WebSocketException):
            continue  # the service ends or restarts
    return 0


class Player:
    """Answers a two-alternative task as a logistic learner does.

    Parameters
    ----------
    stream
        Participant.
    scenario, seed
        Of the simulated headset: the same attention moves both.
    """

    def __init__(self, stream: str, scenario: str, seed: int) -> None:
        self._stream, self._scenario, self._seed = stream, scenario, seed
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._task = Task()
        self._run = str(uuid.uuid4())
        self._trial = 0
        self._level = 0.5

    def play(self, socket: ClientConnection, began_s: float, token: str) -> Iterator[None]:
        """Do one trial after the other; the caller says how fast by asking for the next."""
        hello = {"type": "hello", "token": token, "client": "focusloop demo"}
        subscribe = {"type": "subscribe", "id": 1, "stream": self._stream, "topics": ["difficulty"]}
        for message in (hello, subscribe):
            socket.send(json.dumps(message))
        while True:
            self._listen(socket)
            socket.send(json.dumps(self.answer(time.monotonic() - began_s)))
            yield

    def answer(self, t_s: float) -> dict[str, Any]:
        """Answer the next trial at a moment of the simulation."""
        attention = float(attention_at(self._scenario, t_s, self._seed))
        advantage = ABILITY + ATTENTION_EFFECT * (attention - 0.5) - self._task.difficulty(self._level)
        correct = self._random.random() < self._task.p_correct(advantage)
        rt_ms = 600.0 * 2.0 ** (self._random.gauss(0.0, 0.3) - 0.15 * advantage)
        self._trial += 1
        trial = {"type": "trial", "stream": self._stream, "run": self._run, "trial": self._trial, "task": "demo"}
        return {**trial, "correct": correct, "rt_ms": round(rt_ms, 1), "level": self._level}

    def _listen(self, socket: ClientConnection) -> None:
        while True:
            try:
                message = json.loads(socket.recv(timeout=0.0))
            except TimeoutError:
                return
            if message["type"] == "difficulty":
                self._level = message["level"]


if __name__ == "__main__":
    sys.exit(main())
