"""Source URIs, the same on the command line, in a configuration file and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from bci.errors import UriError

SCHEMES = ("lsl", "brainflow", "file", "simulator")


@dataclass(frozen=True, slots=True)
class SourceUri:
    """A parsed source URI.

    Parameters
    ----------
    scheme
        `lsl`, `brainflow`, `file` or `simulator`.
    target
        What stands between the scheme and the query: board, path, scenario; empty for LSL.
    params
        The query without `montage`, each key once.
    montage
        Electrode labels in channel order, as somebody said them; None where nobody did.
    text
        The URI as it was given.
    """

    scheme: str
    target: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    montage: tuple[str, ...] | None = None
    text: str = ""

    def allow(self, *known: str) -> None:
        """Refuse a parameter that the scheme does not know.

        Raises
        ------
        UriError
            Naming the unknown parameter and the known ones.
        """
        for key in self.params:
            if key not in known:
                names = ", ".join(sorted((*known, "montage")))
                msg = f"{self.text}: unknown parameter '{key}'; '{self.scheme}:' knows {names}"
                raise UriError(msg)

    def with_montage(self, labels: tuple[str, ...]) -> SourceUri:
        """Say where the electrodes are, whatever the URI said."""
        return replace(self, montage=labels)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """Read a parameter as a number within bounds.

        Raises
        ------
        UriError
            If it is no number or out of bounds.
        """
        text = self.params.get(key)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            msg = f"{self.text}: {key}={text}, expected a number from {low:g} to {high:g}"
            raise UriError(msg)
        return value


def parse_uri(text: str) -> SourceUri:
    """Parse a source URI of the contract.

    `lsl:` takes its parameters with or without a question mark (`lsl:name=Muse`, `lsl:?name=Muse`).

    Raises
    ------
    UriError
        For an unknown scheme, a parameter without value or given twice, an empty target where one is needed, or a
        character that no path and no name can hold.
    """
    scheme, colon, rest = text.strip().partition(":")
    if not colon or scheme not in SCHEMES:
        known = " ".join(f"{s}:" for s in SCHEMES)
        msg = f"'{text}' is no source URI: it starts with one of {known} (see `focusloop devices`)"
        raise UriError(msg)
    if scheme == "lsl":
        target, query = "", rest.removeprefix("?")
    else:
        target, _, query = rest.partition("?")
        target = unquote(target)
        if not target:
            example = {"brainflow": "brainflow:synthetic", "file": "file:rest.edf", "simulator": "simulator:focus"}
            msg = f"'{text}' does not say which; for example {example[scheme]}"
            raise UriError(msg)
    params: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        msg = f"'{text}': expected key=value pairs joined by '&', got '{query}'"
        raise UriError(msg) from error
    for key, value in pairs:
        if key in params or not value:
            msg = f"'{text}': parameter '{key}' {'is given twice' if key in params else 'has no value'}"
            raise UriError(msg)
        params[key] = value
    if not all(part.isprintable() for part in (target, *params.values())):
        msg = f"{text!r}: holds a control character"
        raise UriError(msg)
    montage = params.pop("montage", None)
    labels = tuple(part.strip() for part in montage.split(",")) if montage is not None else None
    return SourceUri(scheme, target, MappingProxyType(params), labels, text)
