"""Options that several commands share: sources, labels, and where the service keeps and finds things."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from bci.errors import ConfigError


def mains(text: str) -> int | str:
    """Read a line frequency; argparse holds it against the choices."""
    return int(text) if text.isdecimal() else text


def until_signalled() -> threading.Event:
    """Give an event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop


@contextmanager
def ending_as_an_error() -> Generator[None]:
    """Let SIGTERM, and a terminal that is closed, unwind as an error does: what is half written is removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # no SIGHUP on Windows
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def end_with_parent(parent: int, stop: threading.Event) -> None:
    """Set `stop` once the parent is gone: a killed demo leaves nothing behind."""
    while not stop.wait(1.0):
        if os.getppid() != parent:
            stop.set()


def add_provider_option(parser: argparse.ArgumentParser) -> None:
    """Add what says where the model is computed."""
    parser.add_argument(
        "--provider",
        action="append",
        choices=("tensorrt", "cuda", "cpu"),
        help="ONNX Runtime provider, in order of preference, may be repeated ($FOCUSLOOP_PROVIDERS; by default the "
        "first of tensorrt, cuda, cpu whose libraries load)",
    )


def add_service_options(parser: argparse.ArgumentParser) -> None:
    """Add what `serve` and `demo` both take."""
    parser.add_argument("--host", help="address to listen on (127.0.0.1); another one needs --token")
    parser.add_argument("--port", type=int, help="port to listen on (8765); 0 takes a free one")
    parser.add_argument("--token", help="the operator's token, at least 16 characters where --host is not loopback")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="token, baselines, recordings, kernels")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where to look for models first")
    parser.add_argument("--mains", type=mains, choices=(50, 60, "auto"), help="line frequency, Hz (auto)")
    add_provider_option(parser)
    parser.add_argument("--osc", metavar="HOST:PORT", help="send scores by OSC as well")
    parser.add_argument(
        "--record",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="record every session below the data directory (on); see `focusloop sessions`",
    )
    parser.add_argument(
        "--record-limit", type=float, metavar="GB", help="what all recordings together may take of the disk (100)"
    )


def add_label_options(add: Callable[..., object]) -> None:
    """Add what says which markers are rest and which are task."""
    add(
        "--rest",
        action="append",
        default=[],
        metavar="NAME",
        help="marker that begins rest, until the next marker or trial; may be repeated (by default rest, cross and "
        "baselines with open eyes)",
    )
    add(
        "--task",
        action="append",
        default=[],
        metavar="NAME",
        help="marker that begins the task, until the next marker; may be repeated; `trials`, the default, stands for "
        "stretches of trials no more than 10 s apart",
    )


def service_overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Give what the command line says of `[service]`; None where it says nothing."""
    names = ("host", "port", "token", "data_dir", "models_dir", "mains", "osc", "record")
    overrides = {name: getattr(args, name) for name in names}
    overrides["record_limit_gb"] = args.record_limit
    overrides["providers"] = args.provider
    return overrides


def participants_of(sources: list[str]) -> list[dict[str, Any]]:
    """Turn `[ID=]URI` arguments into participants; those without an id are p01, p02 and so on, as far as free.

    Raises
    ------
    ConfigError
        If there is no URI behind an id.
    """
    given = [_id_and_uri(text) for text in sources]
    taken = {name for name, _ in given}
    participants: dict[str, dict[str, Any]] = {}
    for number, (said, uri) in enumerate(given, start=1):
        name = said or next(free for n in itertools.count(number) if (free := f"p{n:02d}") not in taken)
        taken.add(name)
        participants.setdefault(name, {"id": name, "sources": []})["sources"].append(uri)
    return list(participants.values())


def _id_and_uri(text: str) -> tuple[str, str]:
    """Part an argument; the id is empty where none is given."""
    head, equals, tail = text.partition("=")
    if not equals or ":" in head:
        return "", text
    if not tail:
        msg = f"--source '{text}': expected ID=URI, for example p01=lsl:name=Muse"
        raise ConfigError(msg)
    return head, tail
