"""Ten lines that join the loop: python game.py ws://127.0.0.1:8765 TOKEN p01."""

import sys

from focusloop_client import Client, Difficulty, Focus

url, token, stream = sys.argv[1:4]
with Client(url, token, stream=stream, client="my-game/1.0") as loop:
    loop.subscribe("focus", "difficulty", rate_hz=10)
    loop.trial(correct=True, rt_ms=532)
    for message in loop:
        if isinstance(message, Focus):
            print(message, flush=True)  # says SIMULATED until it is live
        elif isinstance(message, Difficulty):
            print(f"level {message.level:.2f}: {message.reason}", flush=True)
            loop.trial(correct=True, rt_ms=532)
