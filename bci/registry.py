"""From a source URI to its adapter; adapters, and the vendor libraries behind them, are imported when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from bci.errors import SourceError
from bci.profiles import profile_for_brainflow
from bci.source import Source
from bci.types import Origin
from bci.uri import SourceUri, parse_uri

_ADAPTERS = {
    "lsl": ("bci.sources.lsl", "LslSource"),
    "brainflow": ("bci.sources.brainflow", "BrainflowSource"),
    "file": ("bci.sources.file", "FileSource"),
    "simulator": ("bci.sources.simulator", "simulator_source"),
}


def origin_of(uri: SourceUri) -> Origin:
    """Say where a source's signals will come from, as far as its URI tells before it is open.

    An LSL stream may say of itself, once it is open, that it is simulated or a recording; until then it counts as live.
    """
    if uri.scheme in ("file", "simulator"):
        return cast("Origin", uri.scheme)
    return profile_for_brainflow(uri.target).origin if uri.scheme == "brainflow" else "live"


def open_source(uri: str | SourceUri) -> Source:
    """Construct the adapter of a source URI. Nothing is connected yet: `Source.open` does that.

    Parameters
    ----------
    uri
        A source URI of the contract, as text or parsed.

    Raises
    ------
    UriError
        If the URI does not hold.
    SourceError
        If a library that the adapter stands on cannot be loaded on this machine.
    """
    parsed = parse_uri(uri) if isinstance(uri, str) else uri
    module_name, class_name = _ADAPTERS[parsed.scheme]
    try:
        module = import_module(module_name)
    except (ImportError, OSError, RuntimeError) as error:  # pylsl raises RuntimeError without liblsl
        msg = f"{parsed.text}: the library for '{parsed.scheme}:' cannot be loaded ({error}); run `focusloop doctor`"
        raise SourceError(msg) from error
    return cast("Source", getattr(module, class_name)(parsed))
