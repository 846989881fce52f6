"""PsychoPy, over WebSocket: a two-choice task whose contrast follows the level.

python psychopy_websocket.py ws://127.0.0.1:8765 TOKEN p01 [TRIALS]      (pip install psychopy)
"""

import random
import sys

from psychopy import core, event, visual

from focusloop_client import Client, ClientError, Refused

url, token, stream = sys.argv[1:4]
n_trials = int(sys.argv[4]) if len(sys.argv) > 4 else 40
window = visual.Window(fullscr=False, size=(800, 600), color="grey", units="height")
grating = visual.GratingStim(window, size=0.3, sf=8, mask="gauss")
banner = visual.TextStim(window, height=0.03, pos=(0, 0.45), color="orange")
clock = core.Clock()


def check(loop: Client) -> None:
    """End the experiment where its trials are not accepted: it would go on at a fixed level, without data."""
    while (message := loop.receive(0.0)) is not None:  # raises where the token is wrong or has expired
        if isinstance(message, Refused):
            raise ClientError(message.message)


def run(loop: Client) -> None:
    """Do the trials."""
    loop.subscribe("focus", "difficulty")
    if loop.receive(10.0) is None:
        msg = f"no service answers at {url}"
        raise ClientError(msg)
    for _ in range(n_trials):
        check(loop)
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
    for _ in range(30):
        kept = loop.settle(1.0)
        check(loop)
        if kept:
            return
    msg = f"the service has not kept {loop.unacknowledged} trials"
    raise ClientError(msg)


try:
    with Client(url, token, stream=stream, client="psychopy-gratings/1.0") as connected:
        run(connected)
except ClientError as error:
    sys.exit(f"the experiment ended: {error}")
finally:
    window.close()
