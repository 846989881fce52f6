"""How liblsl is set up in this process: known peers, and its own log kept out of ours.

liblsl reads its configuration once, at its first use. So whatever of ours uses it calls `configure` first.
"""

from __future__ import annotations

import configparser
import io
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pylsl

from bci.errors import ConfigError, SourceError

_QUIET = "-3"  # only fatal errors; what happens to a stream, its status says

_RESERVES = {"InletBufferReserveMs": "500", "OutletBufferReserveMs": "500", "OutletBufferReserveSamples": "8"}
"""What liblsl allocates for each inlet and outlet; it would take 5 s, or 128 samples. Each grows if it must."""

_lock = threading.Lock()
_peers: frozenset[str] | None = None  # None until liblsl was configured


def configure(known_peers: Iterable[str] = ()) -> None:
    """Prepare liblsl; call before anything else of pylsl (`local_clock` aside).

    Keeps what the user's own `lsl_api.cfg` says (found where liblsl looks: `$LSLAPICFG`, the working directory,
    `~/lsl_api`, `/etc/lsl_api`) and adds to it.

    Parameters
    ----------
    known_peers
        Hosts to ask directly, where multicast is blocked.

    Raises
    ------
    SourceError
        If a peer is new and liblsl has been configured already: it cannot learn it any more.
    ConfigError
        If the user's `lsl_api.cfg` cannot be read.
    """
    global _peers
    wanted = frozenset(peer.strip() for peer in known_peers if peer.strip())
    with _lock:
        if _peers is None:
            pylsl.set_config_content(_content(_users_config(), wanted))
            _peers = wanted
            return
        late = wanted - _peers
    if late:
        msg = (
            f"known_peers={','.join(sorted(late))}: LSL learns its peers when it is first used, and it has been; "
            "name all peers in the first lsl: source or under [lab] KnownPeers in lsl_api.cfg, and start again"
        )
        raise SourceError(msg)


def parse_peers(text: str | None) -> tuple[str, ...]:
    """Read `known_peers=10.0.0.5,10.0.0.6`."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _users_config() -> configparser.RawConfigParser:
    config = configparser.RawConfigParser(strict=False)
    config.optionxform = str  # type: ignore[method-assign] # documented way to keep the case that liblsl expects
    path = _config_path()
    if path is None:
        return config
    try:
        config.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        msg = f"{path}: LSL's configuration cannot be read ({error}); mend it or move it away"
        raise ConfigError(msg) from error
    return config


def _config_path() -> Path | None:
    named = os.environ.get("LSLAPICFG")
    candidates = ([Path(named)] if named else []) + [
        Path("lsl_api.cfg"),
        Path.home() / "lsl_api" / "lsl_api.cfg",
        Path("/etc/lsl_api/lsl_api.cfg"),
    ]
    return next((path for path in candidates if path.is_file()), None)


def _content(config: configparser.RawConfigParser, peers: frozenset[str]) -> str:
    for section in ("lab", "log", "tuning"):
        if not config.has_section(section):
            config.add_section(section)
    if not config.has_option("log", "level"):
        config.set("log", "level", _QUIET)
    for option, amount in _RESERVES.items():
        if not config.has_option("tuning", option):
            config.set("tuning", option, amount)
    if peers:
        known = config.get("lab", "KnownPeers", fallback="{}").strip().strip("{}")
        everyone = dict.fromkeys([*(p.strip() for p in known.split(",") if p.strip()), *sorted(peers)])
        config.set("lab", "KnownPeers", "{" + ", ".join(everyone) + "}")
    text = io.StringIO()
    config.write(text, space_around_delimiters=True)
    return text.getvalue()
