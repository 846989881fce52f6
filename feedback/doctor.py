"""What focusloop needs of a machine: each check says what was found, and how to mend it."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from bci.config import ServiceConfig
from bci.errors import ConfigError, FocusloopError

_LIBRARIES = ("numpy", "scipy", "numba", "pylsl", "brainflow", "mne", "pyxdf", "fastapi", "uvicorn", "websockets")
_ENOUGH_BYTES = 500_000_000
_SETTLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    state
        `ok`, `note` (works, but worth knowing) or `broken`.
    what, found
        What was looked at, and what it is.
    mend
        What to do; empty where nothing is.
    """

    state: Literal["ok", "note", "broken"]
    what: str
    found: str
    mend: str = ""

    def fields(self) -> dict[str, str]:
        """Give it for JSON."""
        return asdict(self)


def examine(service: ServiceConfig) -> Iterator[Finding]:
    """Look at everything, one finding after the other.

    Parameters
    ----------
    service
        Where the service would listen and keep things.
    """
    yield from _libraries()
    yield from _signal_path()
    yield from _models(service)
    yield from _profiles()
    yield _data_dir(service.data_dir)
    yield _port(service.host, service.port)
    yield _clock()
    yield _lsl()
    yield from _permissions()


def _libraries() -> Iterator[Finding]:
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
            yield Finding("ok", name, version(name))
        except (ImportError, OSError, PackageNotFoundError) as error:
            yield Finding("broken", name, str(error), "install focusloop again: pip install -c constraints.txt -e .")
    from inference.session import missing_library, runtime_description

    yield Finding("ok", "onnxruntime", runtime_description())
    for provider in ("tensorrt", "cuda"):
        lacking = missing_library(provider)
        if lacking is None:
            yield Finding("ok", f"provider {provider}", "its libraries load")
        else:
            yield Finding("note", f"provider {provider}", f"not used: {lacking}", "the CPU is used; it is fast enough")


def _signal_path() -> Iterator[Finding]:
    from bci.compiled import cache_folder

    folder = cache_folder()
    if folder is None:
        mend = "give a writable folder with --data-dir or FOCUSLOOP_DATA_DIR, or every start compiles anew"
        yield Finding("note", "kernel cache", "nowhere to write it", mend)
    else:
        yield Finding("ok", "kernel cache", str(folder))


def _models(service: ServiceConfig) -> Iterator[Finding]:
    from inference.listing import list_models

    try:
        listed = list_models(service.models_dir)
    except ConfigError as error:
        yield Finding("broken", "models", str(error), "correct --models-dir or FOCUSLOOP_MODELS_DIR, or leave it out")
        return
    if not any(model["usable"] for model in listed):
        yield Finding("broken", "models", "none can be used", "reinstall, or train one with `focusloop train`")
    for model in listed:
        if model["usable"]:
            yield Finding("ok", f"model {model['id']}", str(model["folder"]))
        else:
            yield Finding("note", f"model {model['id']}", str(model["problem"]), "remove it or train it again")


def _profiles() -> Iterator[Finding]:
    from bci.profiles import load_profiles, profile_folders

    try:
        profiles = load_profiles()
    except FocusloopError as error:
        yield Finding("broken", "firmware profiles", str(error), "mend the file that is named")
        return
    in_use = ", ".join(str(folder) for folder in profile_folders() if folder.is_dir())
    yield Finding("ok", "firmware profiles", f"{len(profiles)} in {in_use}")


def _data_dir(folder: Path) -> Finding:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        mend = "choose another with --data-dir or FOCUSLOOP_DATA_DIR"
        return Finding("broken", "data directory", f"{folder}: {error.strerror}", mend)
    free = shutil.disk_usage(folder).free
    if free < _ENOUGH_BYTES:
        return Finding("note", "data directory", f"{folder}: {free / 1e6:.0f} MB free", "make room")
    return Finding("ok", "data directory", f"{folder}, {free / 1e9:.0f} GB free")


def _port(host: str, port: int) -> Finding:
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            ours = _running(host, port)
            if ours:
                return Finding("ok", f"port {port}", f"{ours} is running there")
            mend = "stop what uses it, or serve with --port"
            return Finding("broken", f"port {port}", error.strerror or str(error), mend)
    return Finding("ok", f"port {port}", "free")


def _running(host: str, port: int) -> str:
    """Name the focusloop that answers on a port; empty where none does."""
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked for, not bound
    connection = http.client.HTTPConnection(asked, port, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        server = json.loads(connection.getresponse().read(1000))["server"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""
    finally:
        connection.close()
    return str(server) if str(server).startswith("focusloop/") else ""


def _clock() -> Finding:
    """LSL stamps come from the monotonic clock: it has to run like the clock of the wall."""
    from bci.clock import lsl_now_s

    lsl, wall = lsl_now_s(), time.time()
    deadline = wall + _SETTLE_S
    while (now := time.time()) < deadline:
        pass
    drift = abs((lsl_now_s() - lsl) - (now - wall))
    if drift > _SETTLE_S / 10:
        mend = "let the system clock settle (NTP); stamps in messages would be off"
        return Finding("note", "clock", f"LSL and system clock drift {drift * 1e3:.1f} ms in 50 ms", mend)
    return Finding("ok", "clock", "LSL and system clock run alike")


def _lsl() -> Finding:
    # An outlet of our own has to be found by our own inlet; that needs multicast or loopback.
    import uuid

    import pylsl

    from bci.lsl.setup import configure

    configure()
    name = f"focusloop-doctor-{uuid.uuid4().hex[:8]}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Doctor", 1, 0.0, source_id=name))
    found = pylsl.resolve_byprop("source_id", name, timeout=2.0)
    del outlet
    if found:
        return Finding("ok", "LSL discovery", "a stream of this machine is found")
    mend = "allow multicast and UDP/TCP 16571-16604 in the firewall, or name hosts with known_peers= in the URI"
    return Finding("broken", "LSL discovery", "a stream of this machine is not found", mend)


def _permissions() -> Iterator[Finding]:
    from serial.tools import list_ports

    ports = [port.device for port in list_ports.comports()]
    if not ports:
        yield Finding("note", "serial ports", "none", "plug the dongle in, if the headset has one")
    for device in ports:
        if os.access(device, os.R_OK | os.W_OK) or os.name != "posix":
            yield Finding("ok", device, "may be opened")
        else:
            mend = "sudo usermod -aG dialout $USER, then log in again"
            yield Finding("broken", device, "may not be opened by this user", mend)
