"""The page of a session: what it shows, what it never does, and what it says of a session that lacks something."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from focusloop_process import run_focusloop
from made_eeg import chunk_of, stream_spec
from session_files import chunks, recorded, spec
from written_files import wave_uv, write_muselsl

from feedback.report import svg
from feedback.report.material import NO_SCORES, QualityTrack, ReportMaterial, ScoreTrack
from feedback.report.page import report_page
from feedback.report.recorded import recorded_material
from feedback.report.score_plot import REASON_COLOURS, score_plot
from feedback.report.survey import survey
from feedback.sessions.database import SessionDatabase, SessionRow
from inference.types import REASONS
from streaming.recording.reading import RecordedSession

EVIL = "<script>alert('1')</script><img src=https://evil.example/x.png>"


def track(times_s: Sequence[float], reasons: Sequence[str | None], value: float = 0.5) -> ScoreTrack:
    values = np.array([value if reason is None else np.nan for reason in reasons])
    return ScoreTrack(np.array(times_s, float), values, values, list(reasons), np.ones(len(reasons), bool))


def score_row(value: float | None, reason: int = -1, sent_s: float = 0.0, age_ms: float = 2.0) -> list[float]:
    v = float("nan") if value is None else value
    return [v, v, v, v, float(reason < 0), float(reason), 0.7, 0.9, 1.0, age_ms, 1.0, sent_s]


def quality(usable: float, flags: Sequence[str] = ()) -> dict[str, Any]:
    told = [{"label": c.label, "contact": True, "flags": list(flags), "usable": usable} for c in spec().channels]
    return {"type": "quality", "channels": told}


MESSAGES: dict[str, list[tuple[float, dict[str, Any]]]] = {
    "trials": [
        (101.0, {"type": "trial", "run": "r", "trial": 1, "task": EVIL, "correct": True, "rt_ms": 512.0, "level": 0.4}),
        (102.0, {"type": "trial", "run": "r", "trial": 2, "task": "n-back", "correct": False, "rt_ms": None}),
    ],
    "difficulty": [
        (102.1, {"level": 0.35, "previous": 0.45, "reason": "Easier & slower.", "after": {"run": "r", "trial": 2}})
    ],
    "markers": [(101.5, {"type": "marker", "label": EVIL})],
    "quality": [(100.0 + k, quality(0.5, ["blink"])) for k in range(8)],
    "sent": [(100.2, {"type": "status", "state": "streaming", "lost_samples": 9})],
}


def session_page(folder: Path, **more: Any) -> str:  # noqa: ANN401 - passed on
    scores = [(100.0 + k / 25, score_row(0.5 if k < 60 else None, -1 if k < 60 else 1)) for k in range(100)]
    parts = chunks(120)
    path = recorded(folder, parts, **{"messages": MESSAGES, "scores": scores, **more})
    return report_page(recorded_material(RecordedSession(path)))


class Outside(HTMLParser):
    """Collects whatever could make a browser ask for something, and tags that a person smuggled in."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.asked += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "action", "data")]


def looked_at(page: str) -> Outside:
    found = Outside()
    found.feed(page)
    return found


def test_the_page_asks_for_nothing_outside_and_runs_no_script(tmp_path: Path) -> None:
    page = session_page(tmp_path)
    found = looked_at(page)
    assert found.asked
    assert all(address.startswith("data:image/png;base64,") for address in found.asked)
    assert not found.tags & {"script", "img", "link", "iframe", "object", "embed", "a", "form"}
    assert not re.search(r"url\(|@import", page)


def test_what_a_person_wrote_is_text(tmp_path: Path) -> None:
    fields = {"device": "Cap <b>&", "origin": "live", "montage": "Fp1"}
    page = session_page(tmp_path, header={"participant": "<i>P</i>", "model": EVIL}, fields=fields)
    assert "<script" not in page
    assert "<i>P" not in page
    assert "Cap &lt;b&gt;&amp;" in page
    assert page.count("&lt;script&gt;alert(&#x27;1&#x27;)") >= 3  # marker, trial, model


def test_the_page_shows_what_there_was(tmp_path: Path) -> None:
    page = session_page(tmp_path)
    for expected in (
        "2 trials, 1 of 2 right (50%), median reaction time 512 ms",
        "Easier &amp; slower.",
        "p50 2.00 ms, p95 2.00 ms",
        "51 were counted as lost",
        "blink 100%",
        "no\ndiagnosis",
        "lsl:name=Cap",
        "Spectrogram of Cap",
    ):
        assert expected in page
    assert "0.45</td></tr>" in page  # the level that the second trial was done at
    assert "SIMULATED" not in page


@pytest.mark.parametrize(("origin", "said"), [("simulator", "SIMULATED: "), ("file", "SIMULATED live: ")])
def test_what_is_not_live_says_simulated_in_words(tmp_path: Path, origin: str, said: str) -> None:
    assert said in session_page(tmp_path, fields={"origin": origin})


def lines_of(drawn: str) -> list[list[float]]:
    return [
        [float(pair.split(",")[0]) for pair in points.split()]
        for points in re.findall(r"<polyline class='valid' points='([^']+)'", drawn)
    ]


def shades_of(drawn: str) -> list[tuple[float, float, str]]:
    found = re.findall(r"<rect class='invalid' x='([\d.]+)' y='\d+' width='([\d.]+)' height='\d+' fill='(#\w+)'", drawn)
    return [(float(x), float(x) + float(w), colour) for x, w, colour in found]


def test_no_line_leads_through_invalid_time() -> None:
    reasons = [None] * 100 + ["artifact"] * 50 + [None] * 100 + ["stale"] * 30 + [None] * 100
    times_s = np.arange(len(reasons)) / 10.0
    times_s[300:] += 20.0  # and a hole without a score
    axis = svg.TimeAxis(0.0, float(times_s[-1]))
    drawn = score_plot(track(times_s.tolist(), reasons), axis)
    lines, shades = lines_of(drawn), shades_of(drawn)
    assert len(lines) == 8  # value and steady, in four stretches
    assert [colour for _, _, colour in shades] == [REASON_COLOURS[r] for r in ("artifact", "stale", NO_SCORES)]
    for line in lines:
        for begin, end, _ in shades:
            assert line[-1] <= begin + 0.1 or line[0] >= end - 0.1


def test_a_single_invalid_score_breaks_the_line() -> None:
    reasons: list[str | None] = [None] * 50
    reasons[25] = "poor_contact"
    drawn = score_plot(track([k / 25 for k in range(50)], reasons), svg.TimeAxis(0.0, 2.0))
    assert len(lines_of(drawn)) == 4
    assert len(shades_of(drawn)) == 1


def test_every_reason_has_a_colour_of_its_own_and_is_named() -> None:
    assert set(REASONS) < set(REASON_COLOURS)
    assert len(set(REASON_COLOURS.values())) == len(REASON_COLOURS)
    drawn = score_plot(track([k / 10 for k in range(len(REASONS))], REASONS), svg.TimeAxis(0.0, 1.0))
    assert all(f"not valid: {reason}" in drawn and REASON_COLOURS[reason] in drawn for reason in REASONS)


def test_a_session_of_0_s_has_a_page(tmp_path: Path) -> None:
    page = report_page(recorded_material(RecordedSession(recorded(tmp_path, []))))
    for sentence in ("No sample was recorded", "There is no score.", "There was no trial.", "Nothing was noted."):
        assert sentence in page


def test_a_material_without_anything_has_a_page() -> None:
    page = report_page(ReportMaterial("nothing", "live", (), (), track([], []), QualityTrack(), ()))
    assert "No sample came." in page


@pytest.mark.parametrize("n_chunks", [1, 10, 60])
def test_a_session_that_was_cut_short_has_a_page(tmp_path: Path, n_chunks: int) -> None:
    path = recorded(tmp_path, chunks(n_chunks), messages=MESSAGES, scores=[(100.0, score_row(0.5))], finish=False)
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    assert "bytes are not whole and left out" in report_page(recorded_material(RecordedSession(path)))


def test_cutting_into_other_blocks_changes_nothing() -> None:
    parts = chunks(300)
    whole = survey(spec(), parts)
    np.testing.assert_array_equal(survey(spec(), [one for one in parts if len(one)]).spectrum_db, whole.spectrum_db)
    assert whole.samples == 3000
    assert whole.missing == 3 * 42
    assert whole.covered.max() <= 1.0


def test_a_tone_is_where_it_belongs() -> None:
    of = stream_spec()
    rate_hz = of.nominal_rate_hz
    tone = 20.0 * np.sqrt(2.0) * np.sin(2 * np.pi * 10.0 * np.arange(round(20 * rate_hz)) / rate_hz)
    found = survey(of, [chunk_of(of, np.tile(tone[:, None], (1, len(of.channels))).astype(np.float32))])
    loudest = found.frequencies_hz[np.argmax(found.spectrum_db, axis=1)]
    np.testing.assert_allclose(loudest, 10.0)
    power_uv2 = np.sum(10.0 ** (found.bands_db / 10.0), axis=1)  # the tone lies on the edge of two bands
    np.testing.assert_allclose(power_uv2, 400.0, rtol=0.01)


def test_what_never_came_is_zero_in_the_coverage_and_no_column_is_left_open() -> None:
    for length_s in (41.0, 43.0, 83.9):
        bins = np.array([b for b in range(int(length_s / 2.0) + 1) if not 5 <= b < 10])
        axis = svg.TimeAxis(0.0, length_s)
        shown = svg.over_time(bins, np.ones((len(bins), 1)), 2.0, axis, holes_are_zero=True)[0]
        assert shown[:4].tolist() == [1.0] * 4
        assert shown[6:9].tolist() == [0.0] * 3
        assert shown[11:].min() == 1.0
        left_out = svg.over_time(bins, np.ones((len(bins), 1)), 2.0, axis)[0]
        assert np.isnan(left_out[6:9]).all()


def test_time_before_the_beginning_is_written_as_such() -> None:
    assert [svg.clock(s) for s in (-1.2, -0.2, 59.6, 3661.0)] == ["-0:01", "0:00", "1:00", "1:01:01"]


def catalogued(data_dir: Path) -> str:
    path = recorded(data_dir / "sessions", chunks(60), messages=MESSAGES, scores=[(100.5, score_row(0.5))])
    database = SessionDatabase(data_dir / "sessions.db")
    database.add_session(
        SessionRow(path.stem, "p01", path.name, (), "Cap", "live", "m", "recovered", "the power went away", 1.0)
    )
    database.close()
    return path.stem


def test_the_command_writes_the_page_of_an_id_and_of_a_path(tmp_path: Path) -> None:
    session = catalogued(tmp_path)
    out = tmp_path / "page.html"
    done = run_focusloop("sessions", "report", session[:15], "--data-dir", str(tmp_path), "--out", str(out))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(out), "")
    page = out.read_text("utf-8")
    assert "the power went away" in page
    assert "interrupted and repaired" in page
    recording = str(tmp_path / "sessions" / f"{session}.xdf")
    other = tmp_path / "other.html"
    assert run_focusloop("sessions", "report", recording, "--out", str(other)).returncode == 0
    assert "not in the catalogue" in other.read_text("utf-8")


def test_an_unknown_id_is_a_sentence_that_lists_the_known(tmp_path: Path) -> None:
    session = catalogued(tmp_path)
    done = run_focusloop("sessions", "report", "nobody", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "no session 'nobody'" in done.stderr
    assert session in done.stderr
    listed = run_focusloop("sessions", "--data-dir", str(tmp_path))
    assert listed.returncode == 0
    assert session in listed.stdout
    assert re.search(r"MB in all, \d+ MB are free", listed.stdout)


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    session = catalogued(tmp_path)
    done = run_focusloop("sessions", "report", session, "--data-dir", str(tmp_path), "--out", str(tmp_path))
    assert done.returncode == 1
    assert "is no file" in done.stderr


def test_score_says_before_it_scores_that_a_report_cannot_be_written(tmp_path: Path) -> None:
    recording = write_muselsl(tmp_path / "muse.csv", wave_uv(256 * 20, 4, 256.0))
    table, nowhere = tmp_path / "s.csv", tmp_path / "no such folder" / "page.html"
    done = run_focusloop("score", str(recording), "--out", str(table), "--report", str(nowhere))
    assert done.returncode == 1
    assert "no such folder is no folder" in done.stderr
    assert not table.exists()


def test_a_recording_that_was_only_scored_has_the_same_page(tmp_path: Path) -> None:
    recording = write_muselsl(tmp_path / "muse.csv", wave_uv(256 * 20, 4, 256.0))
    out = tmp_path / "scored.html"
    done = run_focusloop("score", str(recording), "--out", str(tmp_path / "s.csv"), "--report", str(out))
    assert done.returncode == 0, done.stderr
    page = out.read_text("utf-8")
    assert "SIMULATED live" in page
    for part in ("Focus score over time", "Usable share of each scored channel", "Spectrogram of", "warming_up"):
        assert part in page
    assert all(address.startswith("data:") for address in looked_at(page).asked)
