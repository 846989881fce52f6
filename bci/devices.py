"""Which headsets are here, each with the URI to paste, and which could be, each with how to connect it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from serial.tools import list_ports

from bci.errors import FocusloopError
from bci.firmware_profile import FirmwareProfile
from bci.profiles import load_profiles, match_lsl

_CONNECT_S = 3.0
"""What connecting to the system's Bluetooth may take beside listening."""

Way = Literal["lsl", "serial", "bluetooth"]


@dataclass(frozen=True, slots=True)
class HereDevice:
    """Something that is in reach now.

    Parameters
    ----------
    way
        How it was found: `lsl`, `serial` or `bluetooth`.
    name
        One line for a person: what it says it is, and where.
    uri
        What to paste after `--source`; empty for what is no source: a stream of text, or of our own scores.
    profile
        Id of the firmware profile that it fits; None where none does.
    note
        What else to know: how to tell it from its siblings, or that its electrodes need a montage.
    """

    way: Way
    name: str
    uri: str
    profile: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look around found.

    Parameters
    ----------
    devices
        What is here, LSL first.
    notes
        Where nobody could look, and why ("Bluetooth: no adapter").
    """

    devices: tuple[HereDevice, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PossibleDevice:
    """A headset that there is a profile for.

    Parameters
    ----------
    profile, name
        Id of the profile; vendor and board.
    uri
        What to paste, with `…` where a person fills something in.
    connect
        Three lines: put it on, pair it, start it.
    platforms
        Where its driver runs.
    verified
        False where nobody has checked the profile.
    tell_apart
        How to tell it from its siblings; empty where it has none.
    """

    profile: str
    name: str
    uri: str
    connect: tuple[str, str, str]
    platforms: tuple[str, ...]
    verified: bool
    tell_apart: str = ""


def here(wait_s: float = 2.0, known_peers: Sequence[str] = ()) -> Survey:
    """Look for LSL streams, serial ports with a known USB id and Bluetooth names, all at once.

    Parameters
    ----------
    wait_s
        How long to listen, seconds; Bluetooth headsets advertise about once a second.
    known_peers
        Hosts to ask for LSL streams directly, where multicast is blocked.

    Raises
    ------
    ProfileError
        If the firmware profiles do not hold. What cannot be searched on this machine is no error, but a note.
    """
    profiles = tuple(load_profiles().values())
    looks: tuple[tuple[str, Callable[[], list[HereDevice]]], ...] = (
        ("LSL", lambda: _lsl_streams(wait_s, known_peers)),
        ("serial ports", lambda: _serial_ports(profiles)),
        ("Bluetooth", lambda: _bluetooth_names(profiles, wait_s)),
    )
    devices: list[HereDevice] = []
    notes: list[str] = []
    with ThreadPoolExecutor(len(looks), thread_name_prefix="look for headsets") as pool:
        for what, found in [(what, pool.submit(look)) for what, look in looks]:
            try:
                devices += found.result()
            except (FocusloopError, OSError, ImportError, RuntimeError) as error:
                notes.append(f"{what}: {error}")
    return Survey(tuple(devices), tuple(notes))


def possible() -> list[PossibleDevice]:
    """List every headset that there is a profile for, by vendor and board.

    Raises
    ------
    ProfileError
        If the firmware profiles do not hold.
    """
    return sorted((_possible(profile) for profile in load_profiles().values()), key=lambda d: d.name.lower())


def _possible(profile: FirmwareProfile) -> PossibleDevice:
    return PossibleDevice(
        profile=profile.id,
        name=profile.device,
        uri=_form(profile),
        connect=profile.connect,
        platforms=profile.platforms,
        verified=profile.is_verified,
        tell_apart=profile.tell_apart.strip(),
    )


def _form(profile: FirmwareProfile) -> str:
    """Write the URI of a headset with `…` where a person fills something in."""
    if profile.brainflow is None:
        shown = re.sub(r"[^\w -].*", "", profile.lsl.name) if profile.lsl is not None and profile.lsl.name else ""
        return f"lsl:name={shown}" if shown else "lsl:"
    query = {p.name: "…" for p in profile.brainflow.parameters if p.required}
    if profile.channels == "free":
        query["montage"] = "…"
    return _uri(profile, **query)


def _uri(profile: FirmwareProfile, **query: str) -> str:
    return f"brainflow:{profile.name}" + ("?" if query else "") + "&".join(f"{k}={v}" for k, v in query.items())


def _note(profile: FirmwareProfile, siblings: Iterable[str] = ()) -> str:
    notes: list[str] = []
    others = [f"brainflow:{name}" for name in siblings if name != profile.name]
    if others:
        notes.append(f"or {' or '.join(others)}.")
    if profile.tell_apart:
        notes.append(profile.tell_apart.strip())
    if profile.channels == "free":
        caps = " or ".join(f"montage={cap}" for cap in (*profile.montages, "Fp1,Fp2,…"))
        notes.append(f"Its electrodes are where you put them; say where, and scores begin: add {caps}.")
    return " ".join(notes)


def _lsl_streams(wait_s: float, known_peers: Sequence[str]) -> list[HereDevice]:
    from bci.streams import find_streams  # liblsl is loaded only where somebody looks

    found: list[HereDevice] = []
    for stream in find_streams(wait_s, known_peers):
        if stream.why_no_source:
            found.append(HereDevice("lsl", str(stream), "", None, stream.why_no_source))
            continue
        profile = match_lsl(stream.name, stream.kind, stream.n_channels)
        found.append(HereDevice("lsl", str(stream), stream.uri, profile.id if profile is not None else None))
    return found


def _serial_ports(profiles: Sequence[FirmwareProfile]) -> list[HereDevice]:
    found: list[HereDevice] = []
    for port in sorted(list_ports.comports(), key=lambda p: p.device):
        if port.vid is None or port.pid is None:
            continue
        usb_id = f"{port.vid:04x}:{port.pid:04x}"
        fitting = [p for p in profiles if p.brainflow is not None and any(usb.id == usb_id for usb in p.usb)]
        for profile in fitting:
            what = next(usb.name for usb in profile.usb if usb.id == usb_id)
            # On macOS the tty. twin of a port waits for a carrier that never comes.
            device = port.device.replace("/dev/tty.", "/dev/cu.")
            note = _note(profile, [other.name for other in fitting])
            name = f"{what} on {device} (USB {usb_id})"
            found.append(
                HereDevice("serial", name, _uri(profile, serial_port=quote(device, safe="/")), profile.id, note)
            )
    return found


def _bluetooth_names(profiles: Sequence[FirmwareProfile], wait_s: float) -> list[HereDevice]:
    found: list[HereDevice] = []
    for address, name in sorted(asyncio.run(_scan(wait_s)).items(), key=lambda item: item[1]):
        fitting = [p for p in profiles if any(re.match(pattern, name) for pattern in p.bluetooth)]
        for profile in fitting:
            addressed = _addressed(profile, address, name)
            note = _note(profile, [other.name for other in fitting])
            found.append(HereDevice("bluetooth", f"{name} at {address}", addressed, profile.id, note))
    return found


def _addressed(profile: FirmwareProfile, address: str, name: str) -> str:
    known = {p.name for p in profile.brainflow.parameters} if profile.brainflow is not None else set[str]()
    # macOS hides addresses behind identifiers of its own, which BrainFlow does not know.
    if "mac_address" in known and re.fullmatch(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", address):
        return _uri(profile, mac_address=quote(address, safe=":"))
    if "serial_number" in known:
        return _uri(profile, serial_number=quote(name, safe=""))
    return _uri(profile)


async def _scan(wait_s: float) -> dict[str, str]:
    """Names of what advertises over Bluetooth Low Energy, by address.

    Raises
    ------
    OSError
        Where this machine has no Bluetooth, or it is off or not permitted.
    """
    from bleak import BleakScanner
    from bleak.exc import BleakError

    try:
        async with asyncio.timeout(wait_s + _CONNECT_S):
            devices = await BleakScanner.discover(timeout=wait_s)
    except (BleakError, OSError) as error:  # OSError: on Linux, no D-Bus
        msg = f"no adapter that can be used; is there one, is it on, may this program use it? ({error})"
        raise OSError(msg) from error
    return {device.address: device.name for device in devices if device.name}
