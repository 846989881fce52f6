"""Sample → band power with BrainFlow's own: `DataFilter.get_avg_band_powers` over a ring of the last 4 s.

python -m benchmarks.peers.brainflow_bands NAME SECONDS
"""

from __future__ import annotations

import json
import sys

import numpy as np
import pylsl

from benchmarks.peers.raw_inlet import hops, open_inlet, settled

WINDOW_S = 4.0


def main() -> None:
    from brainflow.data_filter import DataFilter

    inlet = open_inlet(sys.argv[1])
    rate_hz = round(inlet.info().nominal_srate())
    ring = np.random.default_rng(1).normal(size=(inlet.channel_count, round(WINDOW_S * rate_hz)))
    channels = list(range(inlet.channel_count))
    ages_ms: list[float] = []
    for samples, newest_s in hops(inlet, float(sys.argv[2])):
        ring = np.ascontiguousarray(np.concatenate([ring[:, len(samples) :], samples.T], axis=1))
        DataFilter.get_avg_band_powers(ring, channels, rate_hz, True)
        ages_ms.append((pylsl.local_clock() - newest_s) * 1e3)
    print(json.dumps(settled(ages_ms)))


if __name__ == "__main__":
    main()
