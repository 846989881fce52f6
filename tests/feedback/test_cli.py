"""The command line as its users meet it: help, usage errors, and one sentence where the work fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from focusloop_process import command, run_focusloop

from feedback.cli.main import COMMANDS
from feedback.cli.options import participants_of


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str) -> None:
    done = run_focusloop(name, "--help")
    assert done.returncode == 0
    assert f"focusloop {name}" in done.stdout.replace("usage: ", "", 1)
    assert "example" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    probe = f"""
import sys
from feedback.cli.main import build_parser
for name in {tuple(COMMANDS)}: build_parser([name]).format_help()
heavy = {{'numpy', 'numba', 'scipy', 'mne', 'pylsl', 'brainflow', 'onnxruntime', 'torch', 'fastapi'}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_service_that_scores_never_loads_scipys_filters_and_statistics() -> None:
    """They would be a fifth of its start; what it needs of them it has itself."""
    probe = """
import sys
import feedback.cli.launch
import inference.personal.cross_validation
from bci.registry import open_source
from streaming.pipeline import Pipeline
source = open_source("simulator:focus?speed=0&seconds=2")
pipeline = Pipeline(source.open())
assert pipeline.process(source.read(500, 1.0)), "no frame"
assert pipeline.report.path == "compiled", pipeline.report
heavy = {'scipy.signal', 'scipy.stats', 'mne', 'brainflow', 'matplotlib', 'torch'} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "COMMAND"),
        (("fly",), 2, "fly"),
        (("serve", "--source", "telepathy:now"), 2, "lsl: brainflow: file: simulator:"),
        (("serve", "--source", "p01="), 2, "ID=URI"),
        (("serve", "--source", "p01=lsl:", "--source", "p01=brainflow:synthetic"), 2, "2 sources"),
        (("serve", "--config", "nowhere.toml"), 2, "nowhere.toml"),
        (("serve", "--port", "70000"), 2, "port"),
        (("serve", "--host", "0.0.0.0"), 2, "16"),  # noqa: S104 - refused, that is the test
        (("serve", "--mains", "55"), 2, "55"),
        (("serve", "--osc", "nowhere"), 2, "osc"),
        (("simulate", "--scenario", "bliss"), 2, "bliss"),
        (("relay", "brainflow:toaster"), 2, "toaster"),
        (("data", "crystals"), 2, "eegmat"),
        (("devices", "--wait", "-1"), 2, "0.1 to 60"),
        (("devices", "--wait", "1e9"), 2, "0.1 to 60"),
        (("devices", "--wait", "nan"), 2, "0.1 to 60"),
        (("serve", "--models-dir", "/nope", "--port", "0"), 2, "/nope: no such folder"),
        (("models", "--models-dir", "/nope"), 2, "/nope: no such folder"),
        (("score", "x.edf", "--models-dir", "/nope"), 2, "/nope: no such folder"),
        (("models", "crystal-ball"), 1, "no model"),
        (("train", "--config", "nowhere.toml"), 2, "nowhere.toml"),
        (("serve", "--host", "nohost.invalid", "--token", "0123456789abcdef", "--port", "0"), 2, "no address is known"),
        (("serve", "--host", "192.0.2.1", "--token", "0123456789abcdef", "--port", "0"), 2, "not have that address"),
        (("adapt", "p01"), 2, "no service has kept its token"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], code: int, says: str, tmp_path: Path) -> None:
    done = run_focusloop(*arguments, FOCUSLOOP_DATA_DIR=str(tmp_path))
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run_focusloop("--debug", "models", "crystal-ball", FOCUSLOOP_DATA_DIR=str(tmp_path))
    assert "Traceback" in done.stderr


def test_sources_get_ids_and_uris_may_hold_equals_signs() -> None:
    given = ["lsl:name=Muse", "anna=lsl:name=Muse&type=EEG", "brainflow:cyton?serial_port=/dev/ttyUSB0"]
    assert participants_of(given) == [
        {"id": "p01", "sources": ["lsl:name=Muse"]},
        {"id": "anna", "sources": ["lsl:name=Muse&type=EEG"]},
        {"id": "p03", "sources": ["brainflow:cyton?serial_port=/dev/ttyUSB0"]},
    ]


def test_a_source_without_an_id_takes_one_that_nobody_has() -> None:
    given = ["p02=simulator:focus", "simulator:focus", "simulator:manual", "p02=lsl:", "p04=lsl:"]
    named = [(one["id"], len(one["sources"])) for one in participants_of(given)]
    assert named == [("p02", 2), ("p03", 1), ("p05", 1), ("p04", 1)]


def test_adapt_makes_no_token_for_a_service_that_never_ran(tmp_path: Path) -> None:
    done = run_focusloop("adapt", "p01", "--data-dir", str(tmp_path / "data"))
    assert "--data-dir, or its --token" in done.stderr
    assert not (tmp_path / "data").exists()


def test_doctor_looks_for_kernels_where_the_service_would_keep_them(tmp_path: Path) -> None:
    def kernels(data_dir: Path) -> dict[str, str]:
        done = run_focusloop("doctor", "--json", "--port", "0", "--data-dir", str(data_dir), **elsewhere)
        return next(one for one in json.loads(done.stdout) if one["what"] == "kernel cache")

    elsewhere = {"FOCUSLOOP_DATA_DIR": str(tmp_path / "elsewhere"), "NUMBA_CACHE_DIR": ""}
    found = kernels(tmp_path / "data")
    assert (found["state"], found["found"]) == ("ok", str(tmp_path / "data" / "numba"))
    (tmp_path / "file").write_text("no folder")
    found = kernels(tmp_path / "file" / "data")
    assert found["state"] == "note"
    assert "--data-dir" in found["mend"]


def test_models_and_devices_speak_json() -> None:
    models = json.loads(run_focusloop("models", "--json").stdout)
    assert [model["usable"] for model in models if model["id"] == "focus-attention@1.0.0"] == [True]
    devices = json.loads(run_focusloop("devices", "--json", "--wait", "0.5").stdout)
    assert {"here", "notes", "possible"} <= set(devices)
    assert any(one["profile"] == "interaxon_muse-2" for one in devices["possible"])


def test_doctor_finds_this_machine_fit_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    found = json.loads(run_focusloop("doctor", "--json", "--port", "0", "--data-dir", str(tmp_path / "data")).stdout)
    assert not [one for one in found if one["state"] == "broken" and not one["what"].startswith("/dev")]
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    done = run_focusloop("doctor", "--json", "--port", "0", "--data-dir", str(blocked / "data"))
    assert done.returncode == 1
    broken = {one["what"]: one for one in json.loads(done.stdout) if one["state"] == "broken"}
    assert "--data-dir" in broken["data directory"]["mend"]


def test_doctor_names_a_folder_of_models_that_is_none(tmp_path: Path) -> None:
    done = run_focusloop("doctor", "--json", "--port", "0", "--data-dir", str(tmp_path), "--models-dir", "/nope")
    assert done.returncode == 1
    broken = {one["what"]: one for one in json.loads(done.stdout) if one["state"] == "broken"}
    assert "/nope" in broken["models"]["found"]
    assert "--models-dir" in broken["models"]["mend"]


@pytest.mark.parametrize("arguments", [("train",), ("evaluate", "focus")])
def test_training_without_its_extra_fails_with_the_command_that_installs_it(arguments: tuple[str, ...]) -> None:
    absent = "import sys\nfor name in ('torch', 'onnx', 'sklearn'): sys.modules[name] = None\n"
    probe = f"{absent}from feedback.cli.main import main\nsys.exit(main({list(arguments)!r}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert "torch, onnx, sklearn not installed" in line
    assert ".[train]" in line


def test_data_sets_stand_in_columns(tmp_path: Path) -> None:
    done = run_focusloop("data", "--to", str(tmp_path))
    *lines, where = done.stdout.splitlines()
    assert str(tmp_path) in where
    state = lines[0].index("not here")
    licence = lines[0].index("Open Data Commons")
    assert {line.index("not here") for line in lines} == {state}
    for line in lines:
        assert line[licence - 2 : licence] == "  "
        assert line[licence] != " "


def test_another_distribution_in_the_place_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "streaming").mkdir()
    (tmp_path / "streaming" / "__init__.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "FOCUSLOOP_DATA_DIR": str(tmp_path)}
    root = Path(__file__).resolve().parents[2]
    probe = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.path.append({str(root)!r})\n"
        "from feedback.cli.main import main; sys.exit(main(['models']))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe], capture_output=True, text=True, env=environment, check=False, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert "'streaming'" in done.stderr
    assert "virtual environment" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with subprocess.Popen(
        command("devices", "--wait", "0.2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
