"""What the service is told at start; parsed once, frozen. Imports nothing heavy: the command line's help needs it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_data_path

from bci.errors import ConfigError, FocusloopError

MIN_TOKEN_CHARS = 16


class ServiceError(FocusloopError):
    """The service cannot start or go on; the message says what to do."""


def is_loopback(host: str) -> bool:
    """Say whether an address or name is this machine's own and reachable from nowhere else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def normal_origin(origin: str) -> str:
    """Bring an origin into the form that browsers send (`https://game.example`, no path, no default port).

    Raises
    ------
    ConfigError
        If it is no origin.
    """
    try:
        parts = urlsplit(origin.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        msg = f"'{origin}' is no origin: expected scheme://host or scheme://host:port, for example https://game.example"
        raise ConfigError(msg)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None and port != default else "")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Settings of one service.

    Parameters
    ----------
    host, port
        Where it listens; port 0 takes a free one. A host other than loopback needs an explicit token.
    token
        The operator's token; None makes one at first start and keeps it in the data directory.
    allow_origins
        Origins of other web pages that may talk to the service (`https://game.example`), and of a reverse proxy that
        stands before it.
    data_dir
        Tokens, baselines and recordings; `file:` sources over HTTP lie below it.
    osc
        `HOST:PORT` that scores are sent to by OSC, None for no OSC.
    debug
        Tracebacks in the log.

    Raises
    ------
    ConfigError
        For a port out of range, a short token on a host that others reach, or a bad origin.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    allow_origins: tuple[str, ...] = ()
    data_dir: Path = field(default_factory=lambda: user_data_path("focusloop", appauthor=False))
    osc: str | None = None
    debug: bool = False

    def __post_init__(self) -> None:
        """Refuse what would start an open or unreachable service."""
        if not 0 <= self.port <= 65535:
            msg = f"port {self.port}: expected 0 to 65535"
            raise ConfigError(msg)
        if self.token is not None and (not self.token.isascii() or not self.token.isprintable() or " " in self.token):
            msg = "the token may hold printable ASCII characters without spaces only"
            raise ConfigError(msg)
        if not is_loopback(self.host) and len(self.token or "") < MIN_TOKEN_CHARS:
            msg = (
                f"host {self.host} is reachable from other machines: give a token of at least {MIN_TOKEN_CHARS} "
                "characters (--token or FOCUSLOOP_TOKEN)"
            )
            raise ConfigError(msg)
        if self.token == "":
            msg = "the token is empty: leave it out to have one made"
            raise ConfigError(msg)
        object.__setattr__(self, "allow_origins", tuple(normal_origin(o) for o in self.allow_origins))
