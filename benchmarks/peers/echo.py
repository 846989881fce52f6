"""The floor with a network: pylsl in, `websockets` out, nothing between. Prints its URL, serves until it is ended.

    python -m benchmarks.peers.echo NAME [NAME…]

Each outlet has a thread that waits for its samples; its messages carry its name as their stream.
"""

from __future__ import annotations

import contextlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pylsl
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from benchmarks.peers.raw_inlet import hops, open_inlet


def main() -> None:
    names = sys.argv[1:]
    inlets = [open_inlet(name) for name in names]

    def pass_on(client: ServerConnection, name: str, inlet: pylsl.StreamInlet) -> None:
        message = {"type": "focus", "stream": name, "valid": True}
        with contextlib.suppress(ConnectionClosed):
            for number, (_, newest_s) in enumerate(hops(inlet, 600.0), start=1):
                client.send(json.dumps({**message, "seq": number, "t_lsl_s": newest_s}))

    def send(client: ServerConnection) -> None:
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(pass_on, repeat(client), names, inlets))  # an outlet that is gone ends it, and says so

    with serve(send, "127.0.0.1", 0, compression=None) as server:
        print(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
