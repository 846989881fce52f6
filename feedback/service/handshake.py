"""What the upgrade request of a WebSocket says of who comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Headers(Protocol):
    """Headers of a handshake."""

    def get_all(self, key: str) -> list[str]:
        """All values of a header."""
        ...


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the upgrade request said of who comes."""

    address: str
    host: str | None
    origin: str | None
    authorization: str | None
    query: str

    @classmethod
    def of(cls, address: str, headers: Headers, query: str) -> Handshake:
        """Read it."""
        return cls(address, _first(headers, "Host"), _first(headers, "Origin"), _first(headers, "Authorization"), query)


def _first(headers: Headers, key: str) -> str | None:
    values = headers.get_all(key)
    return values[0] if len(values) == 1 else ("\0" if values else None)
