"""The floor: a pylsl inlet that waits for ten samples and does nothing with them.

python -m benchmarks.peers.raw_inlet NAME SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import pylsl

HOP = 10


def open_inlet(name: str) -> pylsl.StreamInlet:
    found = pylsl.resolve_byprop("name", name, timeout=10.0)
    if not found:
        raise SystemExit(f"no stream {name}")
    inlet = pylsl.StreamInlet(found[0], max_buflen=10, processing_flags=0)
    inlet.open_stream(10.0)
    return inlet


def hops(inlet: pylsl.StreamInlet, seconds: float) -> Iterator[tuple[np.ndarray, float]]:
    """Give the samples of each hop and the stamp of the newest, after two seconds to come to rest."""
    samples = np.zeros((1024, inlet.channel_count), np.float32)
    end_s = time.monotonic() + 2.0 + seconds
    while time.monotonic() < end_s:
        _, stamps = inlet.pull_chunk(timeout=0.2, max_samples=1024, dest_obj=samples, min_samples=HOP)
        if len(stamps) >= HOP:
            yield samples[: len(stamps)], stamps[-1]


def settled(ages_ms: list[float]) -> list[float]:
    """Leave the first two seconds out."""
    return ages_ms[2 * 25 :]


def main() -> None:
    name, seconds = sys.argv[1], float(sys.argv[2])
    ages_ms = [(pylsl.local_clock() - newest_s) * 1e3 for _, newest_s in hops(open_inlet(name), seconds)]
    print(json.dumps(settled(ages_ms)))


if __name__ == "__main__":
    main()
