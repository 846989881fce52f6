"""PsychoPy, over WebSocket: a two-choice task whose contrast follows the level.

python psychopy_websocket.py ws://127.0.0.1:8765 TOKEN p01 [TRIALS]      (pip install psychopy)
"""

import random
import sys

from psychopy import core, event, visual

from focusloop_client import Client

url, token, stream = sys.argv[1:4]
n_trials = int(sys.argv[4]) if len(sys.argv) > 4 else 40
window = visual.Window(fullscr=False, size=(800, 600), color="grey", units="height")
grating = visual.GratingStim(window, size=0.3, sf=8, mask="gauss")
banner = visual.TextStim(window, height=0.03, pos=(0, 0.45), color="orange")
clock = core.Clock()

with Client(url, token, stream=stream, client="psychopy-gratings/1.0") as loop:
    loop.subscribe("focus", "difficulty")
    for _ in range(n_trials):
        newest, focus = loop.difficulty(), loop.focus()
        level = newest.level if newest else 0.5
        tilt = random.choice((-1, 1))  # noqa: S311 - of a stimulus
        grating.ori, grating.contrast = 20 * tilt, 1.0 - 0.95 * level
        banner.text = "SIMULATED" if focus is not None and focus.simulated else ""
        grating.draw()
        banner.draw()
        window.callOnFlip(clock.reset)
        window.flip()
        keys = event.waitKeys(keyList=["left", "right", "escape"], timeStamped=clock)
        key, rt_s = keys[0]
        if key == "escape":
            break
        loop.trial(correct=(key == "right") == (tilt > 0), rt_ms=rt_s * 1000, level=level, task="gratings")
        window.flip()
        core.wait(0.5)
    loop.settle(5.0)
window.close()
