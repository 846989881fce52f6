"""The floor with a network: pylsl in, `websockets` out, nothing between. Prints its URL, serves until it is ended.

python -m benchmarks.peers.echo NAME
"""

from __future__ import annotations

import json
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from benchmarks.peers.raw_inlet import hops, open_inlet


def main() -> None:
    inlet = open_inlet(sys.argv[1])

    def send(client: ServerConnection) -> None:
        for number, (_, newest_s) in enumerate(hops(inlet, 600.0), start=1):
            try:
                client.send(
                    json.dumps({"type": "focus", "stream": "p01", "seq": number, "t_lsl_s": newest_s, "valid": True})
                )
            except ConnectionClosed:
                return

    with serve(send, "127.0.0.1", 0, compression=None) as server:
        print(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
