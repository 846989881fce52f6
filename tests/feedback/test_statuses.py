"""What is said of a stream from its first moment on, by the real participants behind the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_service import LiveService
from wire_schemas import hold

import feedback.participants
from bci.config import Config
from feedback.participants import COMPILING, LiveParticipants


def live(folder: Path, uri: str) -> LiveService:
    """A service with the real participants in the place of the fake ones."""
    service = LiveService(folder)
    config = Config.model_validate({"service": {"data_dir": folder}, "participant": [{"id": "p01", "sources": [uri]}]})
    service.participants = LiveParticipants(config, service.metrics)  # type: ignore[assignment] - the port's other implementation
    return service


@contextmanager
def as_if_compiled(tell: Callable[[], None]) -> Iterator[None]:
    tell()
    yield


def test_while_the_signal_path_is_compiled_a_whole_status_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback.participants, "compiling_told", as_if_compiled)
    with live(tmp_path, "simulator:focus") as service, service.talk() as client:
        from_the_first = {"epoch": service.hub.epoch, "p01": {"status": 0}}
        client.subscribe("status", since=from_the_first)
        first = client.hear(60.0)
    hold(first)
    assert (first["state"], first["detail"], first["seq"]) == ("connecting", COMPILING, 1)


def test_what_is_looked_for_is_said_from_the_first_moment_on(tmp_path: Path) -> None:
    with live(tmp_path, "lsl:source_id=nobody") as service, service.talk() as client:
        sought = "looking for lsl:source_id=nobody"
        assert client.welcome["streams"][0]["detail"] == sought
        client.subscribe("status", since={"epoch": service.hub.epoch, "p01": {"status": 0}})
        first = client.hear(60.0)
        hold(first)
        assert (first["state"], first["detail"], first["seq"]) == ("connecting", sought, 1)
        second = client.hear(60.0)
    assert second["detail"].startswith("'lsl:source_id=nobody': no LSL stream with source_id=nobody")
