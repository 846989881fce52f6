"""What an operator's machine does to the service: ports, disks, models, signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from focusloop_process import TOKEN, Serve, run_focusloop

from bci.compiled import cache_folder
from inference.bundle import DEFAULT_MODEL, find_model


def refused(*arguments: str) -> str:
    """What `focusloop serve` says when it cannot: one sentence, exit 1, no traceback."""
    done = run_focusloop("serve", "--port", "0", *arguments)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("focusloop serve: ")]
    assert len(said) == 1, done.stderr
    return said[0]


def test_a_port_in_use_is_one_sentence_and_leaves_the_first_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused("--port", port, "--data-dir", str(tmp_path), "--token", TOKEN)
    assert port in said
    assert "--port" in said


def test_a_data_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert "--data-dir" in refused("--data-dir", str(blocked / "data"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of models of the test's own, holding a copy of the default one."""
    bundle = find_model(DEFAULT_MODEL)
    root = tmp_path / "models"
    shutil.copytree(bundle.folder, root / bundle.folder.parent.name / bundle.folder.name)
    return root


@pytest.mark.parametrize(
    ("file", "was", "becomes", "says"),
    [
        ("model.onnx", rb"\A.{100}", b"\x00", "changed or cut short"),
        ("model.onnx", rb".{1000}\Z", b"", "changed or cut short"),
        ("model.toml", rb'feature_schema = "[^"]+"', b'feature_schema = "other/1"', "other/1"),
        ("model.toml", rb"opset = \d+", b"opset = 'many'", "opset"),
        ("model.toml", rb"\A", b"= no toml\n", "no TOML"),
        ("model.toml", rb"bands_hz = \[\[4\.0, 6\.0\]", b"bands_hz = [[0.1, 0.2]", "0.1-0.2 Hz"),
    ],
)
def test_a_model_that_is_not_what_it_says_is_refused_at_start(
    models: Path, tmp_path: Path, file: str, was: bytes, becomes: bytes, says: str
) -> None:
    path = next(models.rglob(file))
    content, changes = re.subn(was, lambda _m: becomes, path.read_bytes(), count=1, flags=re.DOTALL)
    assert changes == 1
    path.write_bytes(content)
    said = refused("--models-dir", str(models), "--data-dir", str(tmp_path / "data"), "--token", TOKEN)
    assert says in said
    assert str(models) in said


@pytest.mark.skipif(sys.platform != "linux", reason="a full disk is made with prlimit")
def test_a_full_disk_takes_no_token_and_no_score(tmp_path: Path) -> None:
    """That it takes no baseline either is seen in test_calibration_codes.py."""
    from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit

    with Serve(tmp_path, "p01=simulator:focus") as service, service.talk() as client:
        client.subscribe("focus")
        prlimit(service.process.pid, RLIMIT_FSIZE, (0, RLIM_INFINITY))
        token = {"scope": "participant:p01", "hours": 1}
        full = service.http.post("/v1/tokens", json=token)
        assert (full.status_code, full.json()["code"]) == (503, "service_error")
        assert "free some space" in full.json()["detail"]
        service.first(client, lambda m: m["type"] == "focus" and m["valid"], "a valid score")
        prlimit(service.process.pid, RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
        assert service.http.post("/v1/tokens", json=token).status_code == 201
        assert service.stop(signal.SIGTERM) < 5.0
        assert service.exit_code == 0
        assert client.close_code() == 1012
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "no half-written file is left"


def test_compiling_is_told_where_it_happens_and_not_on_a_warm_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting(tmp_path / "data")  # whatever was compiled before, now all of it is
    cache = shutil.copytree(os.environ["NUMBA_CACHE_DIR"], tmp_path / "numba", ignore=shutil.ignore_patterns("*.tmp.*"))
    lost = list(cache.rglob("window_kernel.normalise-*"))
    assert lost
    for path in lost:
        path.unlink()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    told = [[line for line in starting(tmp_path / "data") if "being compiled" in line] for _ in range(2)]
    assert [len(lines) for lines in told] == [1, 0]
    assert "preparing" in told[0][0]


def starting(data_dir: Path) -> list[str]:
    """What a service says until it is ready."""
    with Serve(data_dir) as service:
        return list(service.lines)


def test_doctor_knows_our_own_service_by_its_port_and_a_stranger_by_his(tmp_path: Path) -> None:
    def port_found(port: int) -> tuple[str, str]:
        done = run_focusloop("doctor", "--json", "--port", str(port), "--data-dir", str(tmp_path))
        (one,) = [one for one in json.loads(done.stdout) if one["what"] == f"port {port}"]
        return one["state"], one["found"]

    with Serve(tmp_path) as service:
        state, found = port_found(int(service.url.rpartition(":")[2]))
        assert (state, found.startswith("focusloop/")) == ("ok", True)
        assert "is running there" in found
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert port_found(taken.getsockname()[1])[0] == "broken"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB that is full; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here (that takes root, on Linux)")
    try:
        (folder / "filling").write_bytes(bytes(16384))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_first_start_on_a_full_disk_is_one_sentence_and_leaves_nothing(full_disk: Path) -> None:
    said = refused("--data-dir", str(full_disk / "data"))
    assert "No space left on device" in said
    assert "--data-dir" in said
    assert [path for path in full_disk.rglob("*") if path.is_file()] == [full_disk / "filling"]


def test_with_a_token_of_ones_own_a_first_start_on_a_full_disk_scores(full_disk: Path) -> None:
    with Serve(full_disk / "data", "p01=simulator:focus") as service, service.talk() as client:
        client.subscribe("focus")
        service.first(client, lambda m: m["type"] == "focus" and m["valid"], "a valid score")


def test_a_full_disk_is_no_place_for_compiled_kernels(full_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(full_disk / "numba"))
    assert cache_folder() is None
