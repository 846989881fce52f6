"""What the header of a recorded session says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from bci.clock import ClockAnchor


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """What the header of a recording says; empty where it does not.

    Parameters
    ----------
    session, participant
        Ids.
    started_unix_s
        When its file was made, Unix time; None where the header does not say.
    sources
        URIs.
    device, profile, origin, baseline, model, configuration, ended
        As the header has them, for a person; `configuration` is a SHA-256.
    montage
        Labels of the scored electrodes.
    latency_ms
        p50 and p95 of the age of scores when they were sent, as last noted: each half minute, and at
        the end; None before.
    versions
        Of the programs that made it.
    """

    session: str
    participant: str
    started_unix_s: float | None
    sources: tuple[str, ...]
    device: str
    profile: str
    origin: str
    montage: tuple[str, ...]
    baseline: str
    model: str
    configuration: str
    ended: str
    latency_ms: tuple[float, float] | None
    versions: Mapping[str, str]


def read_about(path: Path) -> Element | None:
    """Give what the header of a recording of ours says; None where it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(16384)
        inspect_from = head.index(b"<?xml")
        text = head[inspect_from : head.index(b"</info>") + len(b"</info>")]
        return fromstring(text.decode("utf-8", "replace")).find("focusloop")  # noqa: S314 - expat limits entities
    except (OSError, ValueError, ParseError):
        return None


def header_of(about: Element) -> SessionHeader:
    """Read what it says."""

    def text(name: str) -> str:
        return (about.findtext(name) or "").strip()

    latency = _number(text("latency_p50_ms")), _number(text("latency_p95_ms"))
    return SessionHeader(
        session=text("session"),
        participant=text("participant"),
        started_unix_s=_unix_s(text("started")),
        sources=tuple(e.text or "" for e in about.iterfind("sources/source")),
        device=text("device"),
        profile=text("profile"),
        origin=text("origin"),
        montage=() if text("montage") == "unassigned" else tuple(text("montage").split()),
        baseline=text("baseline"),
        model=text("model"),
        configuration=text("configuration"),
        ended=text("ended"),
        latency_ms=None if latency[0] is None or latency[1] is None else (latency[0], latency[1]),
        versions={e.tag: e.text or "" for e in about.iterfind("versions/*")},
    )


def anchor_of(about: Element) -> ClockAnchor | None:
    """Give the pair of Unix and LSL time that it holds; None where it holds none."""
    unix_s, lsl_s = _number(about.findtext("unix_s") or ""), _number(about.findtext("lsl_s") or "")
    return None if unix_s is None or lsl_s is None else ClockAnchor(unix_s, lsl_s)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unix_s(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
