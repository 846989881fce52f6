"""Which LSL streams are here, each with the URI to paste."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pylsl

from bci.lsl.describe import OURS
from bci.lsl.setup import configure

SCORES = "Focus"
"""Type of the LSL streams that scores leave by."""


@dataclass(frozen=True, slots=True)
class FoundStream:
    """A stream that some outlet announces.

    Parameters
    ----------
    name, kind, source_id, host
        As announced; `kind` is the content type (`EEG`), any of them may be empty.
    n_channels
        Number of channels.
    nominal_rate_hz
        Samples per second; 0.0 = irregular.
    is_text
        True for a stream of text (markers), which holds no samples.
    uid
        Of this very outlet: another one after a restart.
    uri
        What to paste to get this stream and no other of those found with it.
    """

    name: str
    kind: str
    source_id: str
    host: str
    n_channels: int
    nominal_rate_hz: float
    is_text: bool
    uid: str
    uri: str

    @property
    def why_no_source(self) -> str:
        """What it holds instead of samples of a person; empty for a stream that can be scored."""
        if self.is_text:
            return "holds text (markers), no samples"
        if self.kind == SCORES and self.name.startswith(f"{OURS}-"):
            return "scores that a focusloop service sends, no source"
        return ""

    def __str__(self) -> str:
        """One line for a person, without the URI."""
        rate = f"{self.nominal_rate_hz:g} Hz" if self.nominal_rate_hz else "irregular"
        holds = f"{self.n_channels} channel{'s' * (self.n_channels != 1)}{' of text' * self.is_text}, {rate}"
        return f"{self.name or '(no name)'} ({self.kind or 'no type'}, {holds}, on {self.host})"


def find_streams(wait_s: float = 1.0, known_peers: Iterable[str] = ()) -> list[FoundStream]:
    """List the LSL streams in reach, EEG first, then by name.

    Parameters
    ----------
    wait_s
        How long to listen for answers; below 0.5 s some are missed.
    known_peers
        Hosts to ask directly, where multicast is blocked.
    """
    configure(known_peers)
    return describe_found(pylsl.resolve_streams(wait_s))


def describe_found(infos: Sequence[pylsl.StreamInfo]) -> list[FoundStream]:
    """Describe what a resolver found, each with a URI that tells it from the others, EEG first, then by name."""
    keys = [_key(info) for info in infos]
    same_key = Counter(keys)
    same_key_and_host = Counter((key, info.hostname()) for key, info in zip(keys, infos, strict=True))
    found: list[FoundStream] = []
    for key, info in zip(keys, infos, strict=True):
        query = {k: v for k, v in zip(("name", "type", "source_id"), key, strict=True) if v}
        if same_key[key] > 1:
            query["hostname"] = info.hostname()
        if same_key_and_host[key, info.hostname()] > 1 or not query:
            query["uid"] = info.uid()
        found.append(
            FoundStream(
                name=info.name(),
                kind=info.type(),
                source_id=info.source_id(),
                host=info.hostname(),
                n_channels=info.channel_count(),
                nominal_rate_hz=info.nominal_srate(),
                is_text=info.channel_format() == pylsl.cf_string,
                uid=info.uid(),
                uri="lsl:" + "&".join(f"{k}={quote(v, safe='')}" for k, v in query.items()),
            )
        )
    return sorted(found, key=lambda s: (s.kind.lower() != "eeg", s.name.lower(), s.kind.lower(), s.uri))


def _key(info: pylsl.StreamInfo) -> tuple[str, str, str]:
    return info.name(), info.type(), info.source_id()
