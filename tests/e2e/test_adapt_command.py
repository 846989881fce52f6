"""`focusloop adapt` at a real service: it begins a guided calibration, and Ctrl-C breaks it off."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from focusloop_process import PATIENCE_S, TOKEN, Serve, command, run_focusloop


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("adapt") / "data", "p01=simulator:manual?seed=3") as running:
        yield running


def test_ctrl_c_ends_the_calibration_of_the_service_too(service: Serve) -> None:
    with service.talk() as client:
        client.subscribe("calibration", stream="p01")
        adapt = subprocess.Popen(
            command("adapt", "p01", "--simulated", "--service", service.url, "--token", TOKEN),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun = service.first(
            client, lambda m: m["type"] == "calibration" and m["phase"] in ("cross", "task"), "in its first block"
        )
        assert begun["state"] == "running"
        adapt.send_signal(signal.SIGINT)
        ended = service.first(client, lambda m: m["type"] == "calibration" and m["state"] != "running", "ended")
        out, err = adapt.communicate(timeout=PATIENCE_S)
    assert (ended["state"], ended["code"], ended["certificate"]) == ("cancelled", "broken_off", None)
    assert "begin again" in ended["message"]
    assert adapt.returncode == 130
    assert not out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody",), "nobody"),
        (("p01", "--blocks", "3"), "expected an even number from 16 to 120"),
        (("p01", "--block-seconds", "2"), "10 are usual"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(service: Serve, arguments: tuple[str, ...], says: str) -> None:
    ran = run_focusloop("adapt", *arguments, "--service", service.url, "--token", TOKEN)
    assert ran.returncode == 1, ran.stderr
    assert says in ran.stderr
    assert not ran.stdout


def test_a_token_of_another_service_is_told_from_one_that_is_not_there(service: Serve) -> None:
    ran = run_focusloop("adapt", "p01", "--service", service.url, "--token", "of-quite-another-service")
    assert ran.returncode == 1
    assert "refused the token" in ran.stderr
    assert "--data-dir, or its --token" in ran.stderr


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = run_focusloop(
        "adapt", "p01", "--service", "http://127.0.0.1:9", "--token", TOKEN, "--data-dir", str(tmp_path)
    )
    assert ran.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in ran.stderr
