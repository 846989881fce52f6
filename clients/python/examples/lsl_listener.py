"""Over LSL alone (PsychoPy, or any Python with pylsl): hear focus and difficulty; python lsl_listener.py p01 [SECONDS].

Trials still go by the WebSocket: an acknowledgement needs a way back.
"""

import json
import sys
import time

from pylsl import StreamInlet, resolve_byprop

stream = sys.argv[1]
until_s = time.monotonic() + (float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0)
scores = StreamInlet(resolve_byprop("name", f"focusloop-{stream}", timeout=30.0)[0])
markers = StreamInlet(resolve_byprop("name", f"focusloop-{stream}-markers", timeout=30.0)[0])
simulated = scores.info(10.0).desc().child("focusloop").child_value("origin") != "live"
scores.open_stream(10.0)
markers.open_stream(10.0)
print("SIMULATED" if simulated else "live", flush=True)
while time.monotonic() < until_s:
    focus, stamp = scores.pull_sample(timeout=0.1)  # focus, steady, confidence, valid; NaN where not valid
    if stamp and focus[3]:
        print(f"{stamp:.3f} focus {focus[0]:.2f}", flush=True)
    text, stamp = markers.pull_sample(timeout=0.0)
    if stamp:
        message = json.loads(text[0])
        if message["type"] == "difficulty":  # trials, markers, proposals and rewards come here, too
            print(f"{stamp:.3f} level {message['level']:.2f}: {message['reason']}", flush=True)
