"""`focusloop export` as a user has it: a session of the real service, while it runs and after."""

from __future__ import annotations

from pathlib import Path

import mne
from focusloop_process import Serve, run_focusloop
from lsl_outlets import Announcement, PacedOutlet


def test_a_session_is_exported_while_it_runs_and_after_it_has_ended(tmp_path: Path) -> None:
    announcement = Announcement(name="Cap one")
    data_dir, running, ended = tmp_path / "data", tmp_path / "running", tmp_path / "ended"
    with (
        PacedOutlet(announcement),
        Serve(data_dir, f"p01=lsl:source_id={announcement.source_id}") as service,
        service.talk() as client,
    ):
        client.subscribe("focus", stream="p01")
        service.first(client, lambda m: m["type"] == "focus" and m["t_lsl_s"] is not None, "a score")
        client.say(type="marker", stream="p01", label="level-up")
        session = service.http.get("/v1/streams/p01").json()["recording"]["session"]
        for _ in range(50):  # two seconds of scores: some writes of the recorder
            service.first(client, lambda m: m["type"] == "focus", "a score")
        done = run_focusloop("export", session, "--to", "csv", "--out", str(running), "--data-dir", str(data_dir))
        assert done.returncode == 0, done.stderr
        assert "still runs" in done.stderr
    command = ("export", session[:8], "--to", "fif", "--out", str(ended), "--data-dir", str(data_dir))
    done = run_focusloop(*command)
    assert (done.returncode, done.stdout.strip()) == (0, str(ended)), done.stderr
    assert "de-identified" in done.stderr
    assert "still runs" not in done.stderr
    (path,) = ended.glob("*_raw.fif")
    assert "marker/level-up" in mne.io.read_raw_fif(path, verbose="error").annotations.description
    again = run_focusloop(*command)
    assert again.returncode == 1
    assert "add --overwrite" in again.stderr
    assert "Traceback" not in again.stderr


def test_an_unknown_session_is_one_sentence(tmp_path: Path) -> None:
    done = run_focusloop("export", "tomorrow", "--to", "csv", "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no session 'tomorrow'; nothing was recorded there yet" in done.stderr
    assert "Traceback" not in done.stderr
