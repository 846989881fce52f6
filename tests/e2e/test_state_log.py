"""An operator who looks at the terminal, and nowhere else, sees what becomes of each source."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from focusloop_process import Serve
from lsl_outlets import Announcement, OutletProcess


def said_of(service: Serve, stream: str) -> list[tuple[str, str, str]]:
    """State, level and sentence of each line of the log about a stream."""
    lines = [json.loads(line) for line in service.lines if line.startswith("{")]
    ours = [one for one in lines if one.get("logger") == "focusloop.streams"]
    return [(one["event"], one["level"], one.get("detail", "")) for one in ours if one.get("stream") == stream]


def test_each_change_of_a_source_is_logged_once_with_its_sentence(tmp_path: Path) -> None:
    cap = Announcement()
    sources = (f"cap=lsl:source_id={cap.source_id}", "nofile=file:gone.edf", "short=simulator:focus?seconds=2")
    with Serve(tmp_path, *sources) as service:

        def until(stream: str, state: str, times: int = 1) -> None:
            service.until(lambda: [s for s, *_ in said_of(service, stream)].count(state) >= times, f"{stream}: {state}")

        until("nofile", "failed")
        until("cap", "connecting")
        with OutletProcess(cap) as outlet:
            until("cap", "streaming")
            outlet.kill()
        until("cap", "stalled")
        until("cap", "reconnecting")
        with OutletProcess(cap):
            until("cap", "streaming", 2)
        until("short", "closed")
        with service.stream("later", "simulator:focus"):
            until("later", "streaming")
    cap_said = said_of(service, "cap")
    assert all(one != following for one, following in pairwise(cap_said))
    assert cap_said[0][:2] == ("connecting", "info")
    assert cap.source_id in cap_said[0][2]
    levels = {state: level for state, level, _ in cap_said}
    assert (levels["streaming"], levels["stalled"], levels["reconnecting"]) == ("info", "warning", "warning")
    assert any(state == "reconnecting" and "is gone" in detail for state, _, detail in cap_said)
    assert all(detail for state, _, detail in cap_said if state != "streaming")
    (state, level, detail), *rest = said_of(service, "nofile")
    assert (state, level) == ("failed", "error")
    assert "gone.edf: does not exist" in detail
    assert [state for state, *_ in rest] == ["closed"]  # with the service
    assert [state for state, *_ in said_of(service, "short")][-2:] == ["streaming", "closed"]
    assert "ended after 2 s" in said_of(service, "short")[-1][2]
    assert said_of(service, "later")[-1] == ("closed", "info", "removed")
