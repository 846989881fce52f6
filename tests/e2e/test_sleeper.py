"""A client that stops reading for a minute, by the clock of the real process; a file of its own, for it only waits."""

from __future__ import annotations

from pathlib import Path

import pylsl
from focusloop_process import Serve

MINUTE_OF_SCORES = 60 * 25


def test_who_stops_reading_for_a_minute_sees_nothing_old_after_its_lagged(tmp_path: Path) -> None:
    with (
        Serve(tmp_path, "p01=simulator:manual?seed=3") as service,
        service.talk(max_queue=1, ping_interval=None) as sleeper,
        service.talk() as awake,
    ):
        sleeper.subscribe("focus", stream="p01")
        awake.subscribe("focus", stream="p01")
        heard = (m for m in service.messages(awake, 120.0) if m["type"] == "focus")
        numbers = [next(heard)["seq"] for _ in range(MINUTE_OF_SCORES)]
        assert numbers == list(range(numbers[0], numbers[0] + MINUTE_OF_SCORES)), "another client lost something"
        seqs: list[int] = []
        missed = fresh = 0
        while fresh < 25:
            message = sleeper.hear()
            if message["type"] == "lagged":
                missed += message["missed"]
                continue
            seqs.append(message["seq"])
            if missed:
                fresh += 1
                assert pylsl.local_clock() - message["t_lsl_s"] < 3.0
        assert missed > MINUTE_OF_SCORES // 2
        assert seqs[-1] - seqs[0] + 1 == len(seqs) + missed
