"""From an `lsl:` URI to the one stream that it means."""

from __future__ import annotations

import threading
import time

import pylsl

from bci.errors import AmbiguousSourceError, SourceError, SourceNotFoundError, UriError
from bci.streams import FoundStream, describe_found
from bci.uri import SourceUri

PROPERTIES = {
    "name": "name",
    "type": "type",
    "source_id": "source_id",
    "hostname": "hostname",
    "uid": "uid",
    "session_id": "session_id",
    "channel_count": "channel_count",
    "nominal_srate": "nominal_srate",
    "manufacturer": "desc/manufacturer",
}
"""Parameters of the URI, and what they are in the stream's own description."""

_POLL_S = 0.02
_SETTLE_S = 1.0  # by then all have answered: multicast at once, known peers after half a second
_SETTLE_LATE_S = 0.3  # of a stream that came while it was waited for


def resolve(uri: SourceUri, timeout_s: float, cancelled: threading.Event) -> pylsl.StreamInfo:
    """Find the stream that a URI means.

    Among several that match, the only one of type EEG is meant where the URI names no type.

    Parameters
    ----------
    uri
        Without any property it means the only EEG stream.
    timeout_s
        How long to wait for a stream to appear.
    cancelled
        Set from another thread to give up.

    Returns
    -------
    pylsl.StreamInfo
        As resolved: without the full description.

    Raises
    ------
    SourceNotFoundError
        Naming what is there instead and what to check.
    AmbiguousSourceError
        Listing each that matches with the URI that means it alone.
    """
    # One resolver for as long as it takes: each new one asks known peers only after half a second.
    resolver = pylsl.ContinuousResolver(pred=_predicate(uri), forget_after=timeout_s + _SETTLE_S)
    began = time.monotonic()
    found: list[pylsl.StreamInfo] = []
    while not found and not cancelled.wait(_POLL_S) and time.monotonic() - began < timeout_s:
        found = resolver.results()
    if found and not {"uid", "source_id"} & uri.params.keys():
        # A second stream that matches must not be missed.
        cancelled.wait(max(_SETTLE_S - (time.monotonic() - began), _SETTLE_LATE_S))
        found = resolver.results()
    if cancelled.is_set():
        msg = f"'{uri.text}': closed while it was looked for"
        raise SourceError(msg)
    if not found:
        others = [stream for stream in describe_found(pylsl.resolve_streams(_SETTLE_S)) if not stream.why_no_source]
        raise SourceNotFoundError(_not_found(uri, others))
    return _only(uri, found)


def quoted(text: str) -> str:
    """Quote text for XPath 1.0, which knows no escapes.

    Raises
    ------
    UriError
        If it holds both kinds of quotes.
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    msg = f"{text}: an LSL property cannot be asked for with both kinds of quotes; choose the stream by another"
    raise UriError(msg)


def _predicate(uri: SourceUri) -> str:
    parts = [f"{path}={quoted(uri.params[key])}" for key, path in PROPERTIES.items() if key in uri.params]
    # The content type is a convention, and some write it in lower case.
    return " and ".join(parts) or "translate(type,'eg','EG')='EEG'"


def _only(uri: SourceUri, infos: list[pylsl.StreamInfo]) -> pylsl.StreamInfo:
    eeg = [info for info in infos if info.type().lower() == "eeg"]
    if len(infos) > 1 and len(eeg) == 1 and "type" not in uri.params:
        return eeg[0]
    if len(infos) == 1:
        return infos[0]
    lines = "".join(f"\n  {stream.uri}    {stream}" for stream in describe_found(infos))
    msg = f"'{uri.text}': {len(infos)} streams match, say which:{lines}"
    raise AmbiguousSourceError(msg)


def _not_found(uri: SourceUri, others: list[FoundStream]) -> str:
    asked = ", ".join(f"{k}={v}" for k, v in uri.params.items() if k in PROPERTIES) or "type EEG"
    if others:
        lines = "".join(f"\n  {stream.uri}    {stream}" for stream in others)
        return f"'{uri.text}': no LSL stream with {asked}. These are here:{lines}"
    return (
        f"'{uri.text}': no LSL stream with {asked}, nor any other source, answers. Is the program that sends it "
        "running, and on this network? Does a firewall block UDP 16571 or TCP/UDP 16572-16604? Where multicast is "
        "blocked add known_peers=ADDRESS of the sender. `focusloop devices` lists what is here"
    )
