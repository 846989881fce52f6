from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from bci.errors import ConfigError
from feedback.service.access import (
    FREE_FAILURES,
    Access,
    TooManyFailuresError,
    UnauthorizedError,
    bearer,
    operator_token,
    token_in_query,
)
from feedback.service.settings import ServiceError, ServiceSettings


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def access(folder: Path, clock: Clock | None = None, **settings: object) -> Access:
    ticking = clock or Clock()
    told = ServiceSettings(data_dir=folder, **({"token": "right"} | settings))  # type: ignore[arg-type]
    return Access(told, clock=ticking, wall_clock=ticking)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_operators_token_is_made_once_and_private(tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path / "new")
    token = operator_token(settings)
    assert len(token) >= 32
    assert operator_token(settings) == token
    assert mode(tmp_path / "new" / "operator.token") == 0o600
    assert operator_token(ServiceSettings(data_dir=tmp_path, token="explicit")) == "explicit"  # noqa: S106


def test_a_token_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "operator.token").write_text("kept\n")
    (tmp_path / "operator.token").chmod(0o644)
    assert operator_token(ServiceSettings(data_dir=tmp_path)) == "kept"
    assert mode(tmp_path / "operator.token") == 0o600


def test_a_kept_token_opens_the_service_from_a_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = operator_token(ServiceSettings(data_dir=tmp_path))

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "chmod", refuse)
    assert operator_token(ServiceSettings(data_dir=tmp_path)) == kept


def test_a_data_directory_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="--data-dir"):
        operator_token(ServiceSettings(data_dir=tmp_path / "file"))


def test_scopes_reach_as_far_as_they_say(tmp_path: Path) -> None:
    door = access(tmp_path)
    operator = door.authenticate("right", "a")
    participant = door.authenticate(door.issue("p01", 8).token, "a")
    assert operator.operator
    assert operator.may_read("p02")
    assert not participant.operator
    assert participant.may_read("p01")
    assert not participant.may_read("p02")


@pytest.mark.parametrize("token", [None, "", "wrong", "righ", "right ", "r\udce9ight", "é"])
def test_other_tokens_open_nothing(tmp_path: Path, token: str | None) -> None:
    with pytest.raises(UnauthorizedError):
        access(tmp_path).authenticate(token, "a")


def test_participants_tokens_survive_a_restart_hashed_and_expire(tmp_path: Path) -> None:
    clock = Clock()
    issued = access(tmp_path, clock).issue("p01", hours=2)
    assert issued.expires_unix_s == clock.now_s + 7200
    kept = tmp_path / "tokens.json"
    assert mode(kept) == 0o600
    assert issued.token not in kept.read_text()
    again = access(tmp_path, clock)
    principal = again.authenticate(issued.token, "a")
    assert not again.expired(principal)
    clock.now_s += 7200
    assert again.expired(principal)
    with pytest.raises(UnauthorizedError, match="expired"):
        again.authenticate(issued.token, "a")
    again.issue("p02", hours=1)
    assert "p01" not in kept.read_text()


def test_a_damaged_token_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"half":')
    with pytest.raises(ServiceError, match=r"tokens\.json is damaged"):
        access(tmp_path)


def test_guessing_from_one_address_is_slowed_and_harms_nobody_else(tmp_path: Path) -> None:
    clock = Clock()
    door = access(tmp_path, clock)
    door.authenticate("right", "classroom")
    fresh = door.issue("p01", 8).token
    for guess in range(FREE_FAILURES):
        with pytest.raises(UnauthorizedError):
            door.authenticate(f"guess {guess}", "classroom")
    for guess in range(3 * FREE_FAILURES):
        with pytest.raises(TooManyFailuresError) as refused:
            door.authenticate(f"another guess {guess}", "classroom")
        assert 0 < refused.value.retry_after_s < 60
    assert door.authenticate("right", "elsewhere").operator
    assert door.authenticate("right", "classroom").operator  # let in from there before
    with pytest.raises(TooManyFailuresError):
        door.authenticate(fresh, "classroom")  # a guess that hits is not looked at either
    clock.now_s += 60.0
    assert door.authenticate(fresh, "classroom").stream == "p01"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:8765", "127.0.0.2", "localhost."]
)
def test_loopback_names_are_ours(tmp_path: Path, host: str) -> None:
    assert access(tmp_path).allows_host(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", None, "192.168.1.5", "[::", "a b", "\0"]
)
def test_rebound_names_are_not(tmp_path: Path, host: str | None) -> None:
    assert not access(tmp_path).allows_host(host)


def test_an_open_host_takes_addresses_and_named_proxies_but_no_other_name(tmp_path: Path) -> None:
    door = access(tmp_path, host="0.0.0.0", token="x" * 16, allow_origins=("https://focus.lab.example",))  # noqa: S104
    assert door.allows_host("192.168.1.5:8765")
    assert door.allows_host("focus.lab.example")
    assert not door.allows_host("evil.example:8765")


def test_origins(tmp_path: Path) -> None:
    door = access(tmp_path, allow_origins=("https://Game.example:443/",))
    assert door.allows_origin(None, "127.0.0.1:8765")
    assert door.allows_origin("http://127.0.0.1:8765", "127.0.0.1:8765")
    assert door.allows_origin("https://game.example", "127.0.0.1:8765")
    for other in ("http://127.0.0.1:9999", "http://game.example", "https://evil.example", "null", ""):
        assert not door.allows_origin(other, "127.0.0.1:8765")


@pytest.mark.parametrize(
    "told",
    [
        {"host": "0.0.0.0"},  # noqa: S104
        {"host": "0.0.0.0", "token": "fifteen-letters"},  # noqa: S104
        {"host": "lab-pc", "token": "short"},
        {"port": 70000},
        {"token": ""},
        {"token": "with space"},
        {"allow_origins": ("game.example",)},
        {"allow_origins": ("https://game.example/path",)},
        {"allow_origins": ("*",)},
    ],
)
def test_settings_that_would_open_the_house_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ServiceSettings(**told)  # type: ignore[arg-type]


def test_where_a_token_may_travel() -> None:
    assert bearer(None) is None
    assert bearer("Bearer abc") == "abc"
    assert bearer("bearer  abc ") == "abc"
    for bad in ("Basic abc", "Bearer", "Bearer ", "abc"):
        with pytest.raises(UnauthorizedError):
            bearer(bad)
    assert token_in_query("a=1&Token=x")
    assert not token_in_query("stream=token")
