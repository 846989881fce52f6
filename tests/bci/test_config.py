"""What the configuration takes, and the sentence for what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bci.config import read_config
from bci.errors import ConfigError


def started_with(stream: str) -> str:
    """Give the id that a service started with it would have."""
    wish = {"id": stream, "sources": ["simulator:focus"]}
    (participant,) = read_config(None, {"participant": [wish]}, {}).participants
    return participant.id


@pytest.mark.parametrize("stream", ["p01", "7", "Anna-Lena_2.b", "p" * 64])
def test_an_id_is_taken_as_it_is(stream: str) -> None:
    assert started_with(stream) == stream


@pytest.mark.parametrize("stream", ["_p01", "-p01", ".p01", "p 01", "*", "", "p" * 65, "p01\n", "pé", "../p01"])
def test_an_id_that_clients_could_not_use_is_refused_at_start(stream: str) -> None:
    with pytest.raises(ConfigError, match=r"participant\.0\.id: an id begins with a letter or digit"):
        started_with(stream)


def test_the_word_that_stands_beside_ids_where_a_client_resumes_is_none(tmp_path: Path) -> None:
    path = tmp_path / "focusloop.toml"
    path.write_text('[[participant]]\nid = "epoch"\nsources = ["simulator:focus"]\n')
    with pytest.raises(ConfigError, match="this id is reserved; choose another, got 'epoch'"):
        read_config(path, {}, {})
