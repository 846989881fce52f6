"""`focusloop score`: a recording becomes a table, and what cannot be scored a sentence."""

from __future__ import annotations

import csv
import io
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from focusloop_process import command, run_focusloop
from written_files import wave_uv, write_edf, write_openbci

HEADER = ["t_s", "value", "raw", "valid", "reason", "confidence", "quality", "calibrated"]


def simulated_uv(person: str, n: int) -> np.ndarray:
    """So many samples of a simulated participant, (samples, channels)."""
    from bci.registry import open_source

    source = open_source(f"simulator:{person}&speed=0")
    source.open()
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < n:
        chunk = source.read(2560, 1.0)
        assert chunk is not None
        pieces.append(chunk.data)
    source.close()
    return np.concatenate(pieces)[:n]


@pytest.fixture(scope="module")
def muse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a simulated participant, as muselsl writes them."""
    path = tmp_path_factory.mktemp("recording") / "muse.csv"
    samples = simulated_uv("focus?seed=2&rate=256&montage=TP9,AF7,AF8,TP10&channels=4", 120 * 256)
    samples = samples - np.median(samples, axis=0)  # a Muse is AC-coupled: offsets do not come through
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["timestamps", "TP9", "AF7", "AF8", "TP10", "Right AUX"])
        for count, row in enumerate(samples):
            writer.writerow([f"{1.6e9 + count / 256:.3f}", *(f"{value:.3f}" for value in row), "0.0"])
    return path


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_recording_becomes_ten_scores_a_second(muse: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    done = run_focusloop("score", str(muse), "--out", str(out))
    assert done.returncode == 0, done.stderr
    rows = table(out.read_text())
    assert list(rows[0]) == HEADER
    assert len(rows) == pytest.approx(1200, abs=2)
    valid = [row for row in rows if row["valid"] == "1"]
    assert len(valid) > 0.8 * len(rows)
    assert all(0.0 <= float(row["value"]) <= 1.0 for row in valid)
    assert all(row["value"] == "" and row["reason"] for row in rows if row["valid"] == "0")
    assert rows[0]["reason"] == "warming_up"
    assert float(rows[-1]["t_s"]) == pytest.approx(120.0, abs=0.2)


def test_a_baseline_of_ones_own_rest_is_used(muse: Path) -> None:
    done = run_focusloop("score", str(muse), "--calibrate-from", f"{muse}@0:30", "--force-baseline")
    assert done.returncode == 0, done.stderr
    assert {row["calibrated"] for row in table(done.stdout)} == {"1"}
    assert "of clean rest" in done.stderr


@pytest.fixture
def rest_and_task(tmp_path: Path) -> tuple[Path, Path]:
    """A person's EDF files: of EEGMAT where there is any, else of a simulated participant."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    rest, task = (Path(os.environ.get("FOCUSLOOP_DATA", beside)) / "eegmat" / f"Subject03_{i}.edf" for i in (1, 2))
    if rest.is_file() and task.is_file():
        return rest, task
    labels = ("F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
    for name, attention in (("rest", 0.1), ("task", 0.9)):
        person = f"manual?seed=2&attention={attention}&montage={','.join(labels)}&channels=8"
        write_edf(tmp_path / f"{name}.edf", simulated_uv(person, 40 * 250), labels)
    return tmp_path / "rest.edf", tmp_path / "task.edf"


def test_a_task_is_scored_against_the_rest_of_another_file(rest_and_task: tuple[Path, Path]) -> None:
    rest, task = rest_and_task
    done = run_focusloop("score", str(task), "--calibrate-from", f"{rest}@0:30")
    assert done.returncode == 0, done.stderr
    assert "29 s of clean rest" in done.stderr
    rows = table(done.stdout)
    assert {row["calibrated"] for row in rows} == {"1"}
    assert sum(row["valid"] == "1" for row in rows) > 0.8 * len(rows)
    assert {row["reason"] for row in rows} == {"", "warming_up"}


def test_a_baseline_of_three_seconds_ends_the_command_with_its_code(muse: Path) -> None:
    done = run_focusloop("score", str(muse), "--calibrate-from", f"{muse}@0:3")
    assert done.returncode == 1
    assert "too_short" in done.stderr
    assert done.stdout == ""


def test_a_baseline_of_another_headset_is_refused(muse: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(muse.read_text().replace("AF7", "Fz", 1))
    done = run_focusloop("score", str(muse), "--calibrate-from", f"{other}@0:30")
    assert done.returncode == 1
    assert "other_headset" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--calibrate-from", "rest.edf@30:0"), 2, "START:STOP"),
        (("--channels", "Cz,AF7"), 1, "has no Cz"),
        (("--model", "crystal-ball"), 1, "no model 'crystal-ball'"),
        (("--mains", "55"), 2, "55"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(muse: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = run_focusloop("score", str(muse), *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_span_beyond_the_end_is_told(muse: Path) -> None:
    beyond = run_focusloop("score", str(muse), "--calibrate-from", f"{muse}@500:530")
    assert beyond.returncode == 1
    assert "baseline refused: too_short" in beyond.stderr
    assert "ends after 120 s, and the span begins at 500 s" in beyond.stderr
    assert beyond.stdout == ""
    partly = run_focusloop("score", str(muse), "--calibrate-from", f"{muse}@90:150", "--force-baseline")
    assert partly.returncode == 0, partly.stderr
    assert "ends after 120 s, the span that was asked for would go to 150 s" in partly.stderr
    assert "of clean rest" in partly.stderr


def test_a_file_whose_electrodes_nobody_named_says_so_and_what_to_do(tmp_path: Path) -> None:
    path = write_openbci(tmp_path / "session.txt", wave_uv(2500, 8))
    done = run_focusloop("score", str(path))
    assert done.returncode == 0, done.stderr
    assert {row["reason"] for row in table(done.stdout)} == {"unassigned"}
    assert "--montage" in done.stderr
    assert "8 names" in done.stderr
    named = run_focusloop("score", str(path), "--montage", "Fp1,Fp2,C3,C4,P7,P8,O1,O2")
    assert "unassigned" not in named.stdout
    assert "--montage" not in named.stderr


def test_a_montage_is_for_the_file_that_does_not_say_where_its_electrodes_are(tmp_path: Path) -> None:
    names = "Fp1,Fp2,C3,C4,P7,P8,O1,O2"
    samples = simulated_uv(f"focus?seed=2&rate=250&montage={names}&channels=8", 40 * 250)
    bare = write_openbci(tmp_path / "rest.txt", samples)
    labels = list(reversed(names.split(",")))
    labelled = write_edf(tmp_path / "task.edf", samples[:, ::-1] - np.median(samples[:, ::-1], axis=0), labels)
    refused = run_focusloop("score", str(labelled), "--calibrate-from", str(bare))
    assert refused.returncode == 1
    assert "--montage" in refused.stderr
    one, other = (
        run_focusloop("score", str(task), "--calibrate-from", str(rest), "--montage", names, "--force-baseline")
        for task, rest in ((labelled, bare), (bare, bare))
    )
    assert (one.returncode, other.returncode) == (0, 0), one.stderr + other.stderr
    values, others = ([float(row["value"] or 0.0) for row in table(done.stdout)] for done in (one, other))
    assert np.corrcoef(values, others)[0, 1] > 0.9, "no electrode of the file that names them is renamed"


def test_a_montage_that_names_one_of_nineteen_channels_is_refused(tmp_path: Path) -> None:
    labels = [
        "Fp1",
        "Fp2",
        "F3",
        "F4",
        "F7",
        "F8",
        "T3",
        "T4",
        "C3",
        "C4",
        "T5",
        "T6",
        "P3",
        "P4",
        "O1",
        "O2",
        "Fz",
        "Cz",
        "Pz",
    ]
    path = write_edf(tmp_path / "rest.edf", wave_uv(2500, 19), labels)
    done = run_focusloop("score", str(path), "--montage", "Fp1")
    assert done.returncode == 2
    assert "the montage names 1 of 19 EEG channels" in done.stderr
    assert "--channels" in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_none_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    done = run_focusloop("score", str(path))
    assert done.returncode == 1
    assert "notes.txt" in done.stderr


def test_nothing_half_written_is_left(muse: Path, tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    done = run_focusloop("score", str(muse), "--out", str(folder / "scores.csv"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert not folder.exists()


needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="devices, pipes and links of Unix")


@needs_unix
def test_a_link_stays_a_link_and_its_target_gets_the_table(muse: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    link.symlink_to(real)
    done = run_focusloop("score", str(muse), "--out", str(link))
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert len(table(real.read_text())) > 1000
    assert {path.name for path in tmp_path.iterdir()} == {"real.csv", "link.csv"}


@needs_unix
def test_a_pipe_gets_the_table_and_stays_a_pipe(muse: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(command("score", str(muse), "--out", str(pipe)), stderr=subprocess.PIPE) as process:
        rows = table(pipe.read_text())
        assert process.wait(60.0) == 0
    assert len(rows) > 1000
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_one_sentence_and_stays_what_it_is(muse: Path) -> None:
    done = run_focusloop("score", str(muse), "--out", "/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "focusloop score: /dev/full cannot be written: No space left on device"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [("score", ""), ("models",), ("devices", "--wait", "0.2")])
def test_a_full_standard_output_is_one_sentence(muse: Path, arguments: tuple[str, ...]) -> None:
    given = [argument or str(muse) for argument in arguments]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(*given), stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 1
    says = f"focusloop {arguments[0]}: standard output cannot be written: No space left on device"
    assert done.stderr.splitlines()[-1] == says
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


HELD = """
import sys
from feedback.cli import score
from feedback.cli.main import main

def held(scores, begin_s, target):
    next(scores)
    target.write("half")
    target.flush()
    print("writing", flush=True)
    sys.stdin.read()

score.write_table = held
sys.exit(main(["score", *sys.argv[1:]]))
"""
"""`focusloop score` that has begun its table, and does not go on."""


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a word")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_asked_to_end_it_leaves_the_earlier_table_and_nothing_else(muse: Path, tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    out = tmp_path / "scores.csv"
    out.write_text("earlier")
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(muse), "--out", str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(number)
        assert process.wait() == 128 + number
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("scores.csv", "earlier")]
