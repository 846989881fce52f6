"""Sample → band power with mne-lsl: `StreamLSL` as it comes, Welch's method over the last 0.8 s every ten samples.

python -m benchmarks.peers.mne_lsl_bands NAME SECONDS
"""

from __future__ import annotations

import json
import sys
import time

import mne
import pylsl
from mne.time_frequency import psd_array_welch

from benchmarks.peers.raw_inlet import HOP, settled

TOKEN_S = 0.8


def main() -> None:
    from mne_lsl.stream import StreamLSL

    mne.set_log_level("ERROR")
    stream = StreamLSL(bufsize=4.0, name=sys.argv[1]).connect()
    rate_hz = stream.info["sfreq"]
    end_s = time.monotonic() + 2.0 + float(sys.argv[2])
    ages_ms: list[float] = []
    while time.monotonic() < end_s:
        if stream.n_new_samples < HOP:
            time.sleep(0.0005)
            continue
        samples, stamps = stream.get_data(TOKEN_S)
        psd_array_welch(samples, rate_hz, fmin=1.0, fmax=45.0, n_fft=samples.shape[1])
        ages_ms.append((pylsl.local_clock() - float(stamps[-1])) * 1e3)
    stream.disconnect()
    print(json.dumps(settled(ages_ms)))


if __name__ == "__main__":
    main()
