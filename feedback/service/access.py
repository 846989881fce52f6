"""Who may do what: tokens, scopes, hosts and origins. Nothing here knows HTTP or sockets."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from bci.errors import AccessError
from feedback.private_files import write_private
from feedback.service.protocol import TokenBucket
from feedback.service.settings import ServiceError, ServiceSettings, is_loopback

FREE_FAILURES = 20
FAILURES_PER_S = 0.2
"""Tokens judged from one address after it has used up its free failures."""

MAX_ADDRESSES = 1024
MAX_TOKENS = 10_000
_TOKEN_PARAMETERS = frozenset({"token", "access_token", "authorization", "api_key", "apikey", "key"})


class UnauthorizedError(AccessError):
    """No token, or one that is wrong or has expired."""


class ForbiddenError(AccessError):
    """The token is good, but does not reach that far; or host or origin are not ours."""


class TooManyFailuresError(AccessError):
    """Too many wrong tokens came from this address; `retry_after_s` says when the next is judged."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token stands for.

    Parameters
    ----------
    stream
        The one stream of a participant's token; None for the operator.
    expires_unix_s
        None for never.
    """

    stream: str | None = None
    expires_unix_s: float | None = None

    @property
    def operator(self) -> bool:
        """True where everything is allowed."""
        return self.stream is None

    def may_read(self, stream: str) -> bool:
        """Say whether this stream may be read."""
        return self.stream is None or self.stream == stream


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token, shown once."""

    token: str
    scope: str
    expires_unix_s: float


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


OPERATOR_FILE = "operator.token"
"""File of the data directory that a token is kept in where nobody names one."""


def operator_token(settings: ServiceSettings) -> str:
    """Give the operator's token: the explicit one, else the one kept in the data directory, made at first start.

    Raises
    ------
    ServiceError
        If the data directory cannot be read or written.
    """
    if settings.token is not None:
        return settings.token
    path = settings.data_dir / OPERATOR_FILE
    try:
        if path.exists():
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)  # not always: a read-only disk refuses it
            kept = path.read_text(encoding="ascii").strip()
            if kept:
                return kept
        made = secrets.token_urlsafe(32)
        write_private(path, f"{made}\n")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the operator's token cannot be kept there ({error}); choose a folder of yours with --data-dir"
        raise ServiceError(msg) from error
    return made


class Access:
    """Judges tokens, and makes those of participants.

    Parameters
    ----------
    settings
        Token, data directory, hosts and origins.
    wall_clock, clock
        Unix and monotonic seconds; injected in tests.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_clock, self._clock = wall_clock, clock
        self._operator = _digest(operator_token(settings))
        self._path = settings.data_dir / "tokens.json"
        self._lock = threading.Lock()
        self._participants: dict[str, Principal] = self._load()
        self._failures: OrderedDict[str, TokenBucket] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._open_to_all = not is_loopback(settings.host)
        self._hosts = {"localhost", *(str(urlsplit(o).hostname) for o in settings.allow_origins)}
        if self._open_to_all:
            name = socket.gethostname().lower()
            self._hosts |= {settings.host.lower(), name, f"{name}.local"}
        self.allow_origins = settings.allow_origins

    def authenticate(self, token: str | None, address: str) -> Principal:
        """Say who a token stands for.

        Parameters
        ----------
        token
            As it came; None where none came.
        address
            Of the one who sent it; wrong tokens are counted by it.

        Raises
        ------
        UnauthorizedError
            No token, a wrong one, or an expired one.
        TooManyFailuresError
            Too many wrong ones from this address; this one was not looked at. Who has been let in from there before
            still is: a game that reconnects does not suffer from a neighbour behind the same address.
        """
        if not token:
            msg = "a token is needed: Authorization: Bearer …, or hello with token"
            raise UnauthorizedError(msg)
        digest = _digest(token)
        bucket = self._failures.get(address)
        if bucket is not None and (address, digest) not in self._known and not bucket.take(self._clock()):
            wait_s = bucket.wait_s()
            msg = f"too many wrong tokens from {address}; try again in {math.ceil(wait_s)} s"
            raise TooManyFailuresError(msg, wait_s)
        principal = self._find(digest)
        if principal is None:
            if bucket is None:
                fresh = self._failures[address] = TokenBucket(FAILURES_PER_S, FREE_FAILURES)
                fresh.take(self._clock())
            _trim(self._failures)
            self._known.pop((address, digest), None)
            msg = "this token is wrong or has expired"
            raise UnauthorizedError(msg)
        self._known[address, digest] = None
        self._known.move_to_end((address, digest))
        _trim(self._known)
        return principal

    def _find(self, digest: str) -> Principal | None:
        # Digests are compared in constant time, all of them, so that time tells nothing about any.
        found: Principal | None = Principal() if hmac.compare_digest(digest, self._operator) else None
        now_s = self._wall_clock()
        for known, principal in list(self._participants.items()):
            good = principal.expires_unix_s is None or principal.expires_unix_s > now_s
            if hmac.compare_digest(digest, known) and good:
                found = found or principal
        return found

    def expired(self, principal: Principal) -> bool:
        """Say whether a principal let in before has run out."""
        return principal.expires_unix_s is not None and principal.expires_unix_s <= self._wall_clock()

    def issue(self, stream: str, hours: float) -> IssuedToken:
        """Make a token that reads one stream. Only its digest is kept.

        Raises
        ------
        ServiceError
            If it cannot be written down.
        """
        token = secrets.token_urlsafe(32)
        now_s = self._wall_clock()
        expires = now_s + hours * 3600.0
        with self._lock:
            alive = {d: p for d, p in self._participants.items() if (p.expires_unix_s or 0.0) > now_s}
            if len(alive) >= MAX_TOKENS:
                msg = f"{MAX_TOKENS} tokens are valid at once; wait until some expire"
                raise ServiceError(msg)
            alive[_digest(token)] = Principal(stream, expires)
            kept = [{"sha256": d, "stream": p.stream, "expires_unix_s": p.expires_unix_s} for d, p in alive.items()]
            try:
                write_private(self._path, orjson.dumps(kept).decode())
            except OSError as error:
                msg = f"{self._path}: the token cannot be written down ({error}); free some space or mend permissions"
                raise ServiceError(msg) from error
            self._participants = alive
        return IssuedToken(token, f"participant:{stream}", expires)

    def _load(self) -> dict[str, Principal]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            msg = f"{self._path}: cannot be read ({error})"
            raise ServiceError(msg) from error
        try:
            entries = [(str(e["sha256"]), str(e["stream"]), float(e["expires_unix_s"])) for e in orjson.loads(raw)]
        except (ValueError, TypeError, KeyError) as error:
            msg = f"{self._path} is damaged ({error}); delete it: participants then need new tokens"
            raise ServiceError(msg) from error
        return {digest: Principal(stream, expires) for digest, stream, expires in entries}

    def allows_host(self, host_header: str | None) -> bool:
        """Say whether a `Host` header names this service: else a page elsewhere had its name rebound to us."""
        if not host_header:
            return False
        try:
            host = (urlsplit(f"//{host_header}").hostname or "").rstrip(".")
            if host in self._hosts:
                return True
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        # An address cannot be rebound; which of ours it is does not matter.
        return self._open_to_all or address.is_loopback

    def allows_origin(self, origin: str | None, host_header: str | None) -> bool:
        """Say whether a page may talk to us: none (no browser), our own, or one that was admitted."""
        if origin is None or origin in self.allow_origins:
            return True
        if not host_header:
            return False
        return origin in (f"http://{host_header}", f"https://{host_header}")


def _trim(table: OrderedDict[Any, Any]) -> None:
    while len(table) > MAX_ADDRESSES:
        table.popitem(last=False)


def bearer(header: str | None) -> str | None:
    """Take the token out of an `Authorization` header; None where there is none.

    Raises
    ------
    UnauthorizedError
        For another scheme than Bearer.
    """
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        msg = "Authorization: expected 'Bearer' and a token"
        raise UnauthorizedError(msg)
    return token.strip()


def token_in_query(query: str) -> bool:
    """Say whether somebody put a token where logs and histories would keep it."""
    return any(pair.partition("=")[0].lower() in _TOKEN_PARAMETERS for pair in query.split("&") if pair)
