"""liblsl reads its configuration once a process; so each case has a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bci.lsl.setup import parse_peers


def run(code: str, config: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LSLAPICFG": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lsl_api.cfg"
    path.write_text("[lab]\nKnownPeers = {10.0.0.9}\nSessionID = mine\n[multicast]\nResolveScope = machine\n")
    return path


def test_peers_are_added_to_what_the_user_configured(config: Path) -> None:
    code = (
        "from bci.lsl import setup\n"
        "print(setup._content(setup._users_config(), frozenset({'127.0.0.1'})))\n"
        "setup.configure(['127.0.0.1'])\n"
        "import pylsl\n"
        "outlet = pylsl.StreamOutlet(pylsl.StreamInfo('n', 'EEG', 1, 1.0, 'float32', 'configured'))\n"
        "print([i.session_id() for i in pylsl.resolve_byprop('source_id', 'configured', 1, 5.0)])\n"
    )
    said = run(code, config)
    assert "KnownPeers = {10.0.0.9, 127.0.0.1}" in said
    assert "ResolveScope = machine" in said
    assert "['mine']" in said


def test_a_peer_that_comes_too_late_is_refused_in_words(config: Path) -> None:
    code = (
        "from bci.lsl.setup import configure\n"
        "configure(['10.0.0.1', '10.0.0.2'])\n"
        "configure()\n"
        "configure(['10.0.0.2'])\n"
        "configure(['10.0.0.3'])\n"
    )
    said = run(code, config)
    assert "SourceError: known_peers=10.0.0.3: " in said
    assert "start again" in said


def test_a_configuration_that_cannot_be_read_is_named(config: Path) -> None:
    config.write_text("this is no configuration")
    said = run("from bci.lsl.setup import configure\nconfigure()", config)
    assert f"ConfigError: {config}" in said


def test_peers_are_read_from_the_uri() -> None:
    assert parse_peers("10.0.0.5, host.lan,") == ("10.0.0.5", "host.lan")
    assert parse_peers(None) == ()
