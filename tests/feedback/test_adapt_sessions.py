"""`focusloop adapt --session`: who can be read from a recording passes, and the service finds it; others hear why."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from labelled_sessions import START_S, guided_session, marked, person_chunks, trials, write

from bci.clock import ClockAnchor
from feedback.baselines import BaselineStore
from feedback.certificates import CertificateStore
from feedback.cli.main import main
from feedback.sessions.catalogue import lock_of
from inference.bundle import find_model
from inference.personal.cued_session import Condition
from inference.scorer import StreamScorer
from streaming.features import SCHEMA
from streaming.recording.reading import RecordedSession

ALTERNATING: tuple[Condition, ...] = ("cross", "task") * 15
NAMES: dict[Condition, str] = {"cross": "pause", "task": "puzzle"}


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guided_session(tmp_path_factory.mktemp("guided"), "readable", 300)


@pytest.fixture(scope="module")
def alternating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alternating")
    parts = person_chunks("readable", 301, ALTERNATING)
    return write(folder, parts, marked(ALTERNATING, NAMES), session="20261126T080000Z-p01-cd34")


def adapt(*arguments: str | Path, data_dir: Path) -> int:
    return main(["adapt", *map(str, arguments), "--mains", "50", "--data-dir", str(data_dir)])


def stores(data_dir: Path) -> tuple[CertificateStore, BaselineStore]:
    return CertificateStore(data_dir / "certificates"), BaselineStore(data_dir / "baselines")


def scorer_of(path: Path) -> StreamScorer:
    """Open the stream as the service does at its next start."""
    (stream,) = RecordedSession(path).streams
    return StreamScorer("p01", stream.spec, find_model(), SCHEMA, hop_s=0.04, group_delay_s=0.2)


def test_who_can_be_read_passes_and_the_service_scores_with_their_own_head(
    guided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adapt("--session", guided, data_dir=tmp_path) == 0
    said = capsys.readouterr()
    assert said.out.startswith("We can read your focus with .")
    assert "Note:" not in said.out
    assert "15 of guided calibration" in said.err
    assert "SIMULATOR, no live headset" in said.err
    scorer = scorer_of(guided)
    certificates, baselines = stores(tmp_path)
    certificate, note = certificates.newest(scorer.owner)
    baseline, _ = baselines.find(scorer.owner)
    assert note is None
    assert certificate is not None
    assert baseline is not None
    assert certificate.passed
    assert certificate.pairs == 15
    ended_s = START_S + 8.0 + 300.0
    assert certificate.taken_unix_s == pytest.approx(ClockAnchor(1795640400.5, 100.0).to_unix(ended_s), abs=0.11)
    scorer.use_baseline(baseline)
    scorer.use_certificate(certificate)
    assert scorer.uses_head


def test_a_newer_measurement_stays_and_the_same_session_again_is_no_earlier_one(
    guided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adapt("--session", guided, "--json", data_dir=tmp_path) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["stored"]
    assert first["caveat"] is None
    certificates, _ = stores(tmp_path)
    owner = scorer_of(guided).owner
    (certificate,) = certificates.history(owner)[0]
    later = certificate.model_copy(update={"taken_unix_s": certificate.taken_unix_s + 2 * 86400.0})
    certificates.save(later)
    with lock_of(tmp_path):  # a service runs
        assert adapt("p01", "--session", guided, "--json", data_dir=tmp_path) == 0
    said = capsys.readouterr()
    again = json.loads(said.out)
    assert not again["stored"]
    assert again["earlier"] is None
    assert again["brain"] == first["brain"]
    assert "not stored: what was measured after the end of these sessions counts (passed, ." in said.err
    assert certificates.newest(owner)[0] == later


def test_who_cannot_be_read_is_told_so_and_it_is_kept_without_a_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = guided_session(tmp_path, "unreadable", 300)
    with lock_of(tmp_path):  # a service runs
        assert adapt("--session", path, data_dir=tmp_path) == 1
    said = capsys.readouterr()
    assert said.out.startswith("We cannot read your focus with this headset")
    assert f"a service runs on {tmp_path}: it uses this from its next start on" in said.err
    certificates, baselines = stores(tmp_path)
    certificate, _ = certificates.newest(scorer_of(path).owner)
    assert certificate is not None
    assert certificate.head is None
    assert baselines.find(scorer_of(path).owner)[0] is None


def test_markers_in_fixed_turns_are_balanced_and_said(
    alternating: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adapt("--session", alternating, "--rest", "pause", "--task", "puzzle", "--json", data_dir=tmp_path) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"] == 10
    assert "rest nearly always came before the task" in found["caveat"]
    assert "10 instead of 15" in found["caveat"]


def test_trials_against_rest_markers_need_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    starts = [START_S + 8.0 + 10.0 * number for number in range(30)]
    said = {
        "markers": [(at_s, {"type": "marker", "label": "rest"}) for at_s in starts[::2]],
        "trials": [one for at_s in starts[1::2] for one in trials(at_s, at_s + 10.0)],
    }
    path = write(tmp_path, person_chunks("readable", 301, ALTERNATING), said)
    assert adapt("--session", path, data_dir=tmp_path) == 0
    told = capsys.readouterr()
    assert told.out.startswith("We can read your focus with ")
    assert "Note: rest nearly always came before the task" in told.out
    assert "task: 15 of trials; rest: 15 of markers 'rest'" in told.err
    assert "10 pairs of neighbouring blocks of 10 s each" in told.err


def test_two_sessions_of_one_person_are_one_measurement(
    guided: Path, alternating: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half: tuple[Condition, ...] = ("cross", "task", "task", "cross") * 3
    for seed, name in ((300, "20261127T080000Z-p01-aaaa"), (301, "20261128T080000Z-p01-bbbb")):
        parts = person_chunks("readable", seed, half, device="Cap")
        write(tmp_path, parts, marked(half, {"cross": "rest", "task": "count"}), session=name)
    one, two = sorted((tmp_path / "sessions").glob("*.xdf"))
    assert adapt("--session", one, "--task", "count", data_dir=tmp_path) == 1
    assert (
        "calibration refused: too_few_blocks: 6 blocks of cross and 6 of task make 6 pairs" in capsys.readouterr().err
    )
    assert adapt("--session", one, "--session", two, "--task", "count", "--json", data_dir=tmp_path) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"] == 12
    assert adapt("--session", one, "--session", alternating, "--task", "count", "--task", "puzzle", "--rest", "pause",
                 "--rest", "rest", data_dir=tmp_path) == 1  # fmt: skip
    assert "calibration refused: other_headset: the sessions are of different headsets" in capsys.readouterr().err


def test_closed_eyes_at_rest_are_refused_as_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: tuple[Condition, ...] = ("cross", "task", "task", "cross") * 4
    closed = ",".join(f"eyes-closed@{8 + 10 * i}-{18 + 10 * i}" for i, c in enumerate(order) if c == "cross")
    parts = person_chunks("unreadable", 1, order, faults=closed)
    path = write(tmp_path, parts, marked(order, {"cross": "rest", "task": "count"}))
    assert adapt("--session", path, "--task", "count", data_dir=tmp_path) == 1
    assert "calibration refused: eye_state" in capsys.readouterr().err


def test_a_session_that_does_not_say_lists_what_it_holds(
    alternating: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adapt("--session", alternating, data_dir=tmp_path) == 1
    said = capsys.readouterr().err
    assert "no rest found (looked for rest, cross, a baseline with open eyes)" in said
    assert "'pause' (15), 'puzzle' (15), 'end' (1); its trials: 0" in said
    assert "--rest NAME" in said


def test_one_long_block_of_each_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = person_chunks("readable", 1, ("cross", "task"), 60.0)
    said = {"markers": [(START_S + 8.0, {"type": "marker", "label": "rest"})],
            "trials": trials(START_S + 68.0, START_S + 128.0)}  # fmt: skip
    assert adapt("--session", write(tmp_path, parts, said), data_dir=tmp_path) == 1
    assert "too_few_blocks: 1 blocks of cross and 1 of task make 1 pairs" in capsys.readouterr().err


def test_wrong_usage_is_said_before_anything_is_measured(
    guided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = person_chunks("readable", 1, ("cross",), 6.0)
    other = write(tmp_path, parts, {}, session="20261126T080000Z-p02-ffff", participant="p02")
    wrong: dict[str, list[str | Path]] = {
        "say whose focus": [],
        "name markers of a recorded session": ["p01", "--rest", "x"],
        "sessions of 2 participants": ["--session", guided, "--session", other],
        "are of 'p02', not of 'p01'": ["p01", "--session", other],
        "is given twice": ["--session", guided, "--session", guided],
        "guide a person now": ["--session", guided, "--blocks", "16"],
        "--simulated, --blocks": ["--session", guided, "--simulated"],
        "'x' is named as rest and as task": ["--session", guided, "--rest", "x", "--task", "x"],
    }
    for sentence, arguments in wrong.items():
        assert adapt(*arguments, data_dir=tmp_path) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "certificates").exists()


def test_what_is_not_there_is_named(guided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "no.xdf"
    text.write_text("no recording")
    for arguments, sentence in (
        (["--session", "tomorrow"], "tomorrow"),
        (["--session", tmp_path / "gone.xdf"], "gone.xdf does not exist; was it deleted or moved?"),
        (["--session", text], "does not begin as an XDF file"),
        (["--session", guided, "--model", "nobody"], "no model 'nobody'; there are focus-attention@1.0.0"),
    ):
        assert adapt(*arguments, data_dir=tmp_path) == 1
        assert sentence in capsys.readouterr().err


def test_a_disk_that_does_not_take_it_is_said(
    guided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CertificateStore, "save", full)
    assert adapt("--session", guided, data_dir=tmp_path) == 1
    assert "the certificate could not be stored (No space left on device)" in capsys.readouterr().err
