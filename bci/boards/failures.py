"""What BrainFlow's exit codes mean for the person in front of the headset."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from serial.tools import list_ports

from bci.boards.library import exit_code_name
from bci.errors import SourceError, SourceNotFoundError, UnsupportedStreamError
from bci.firmware_profile import FirmwareProfile, Platform

ALREADY_OPEN = 16
"""BrainFlow's ANOTHER_BOARD_IS_CREATED_ERROR."""

_TAKEN = {1, ALREADY_OPEN}  # 1: PORT_ALREADY_OPEN
_CANNOT_OPEN = {2, 3}  # UNABLE_TO_OPEN_PORT, SET_PORT
_NO_ANSWER = {4, 5, 6, 7, 18}  # BOARD_WRITE, INCOMING_MSG, INITIAL_MSG, BOARD_NOT_READY, SYNC_TIMEOUT
_BAD_ARGUMENTS = 13
_UNSUPPORTED = 14
_GENERAL = 17

SILENT = -1
"""Our own code: the board was opened and sends nothing."""

Params = Mapping[str, str]


def this_platform() -> Platform:
    """Name this machine's platform as profiles do."""
    return {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")  # type: ignore[return-value] # literals


def board_failure(profile: FirmwareProfile, params: Params, code: int) -> SourceError:
    """Say what a BrainFlow exit code means for this board, and what to check.

    Parameters
    ----------
    profile
        Of the board.
    params
        What was given in the URI.
    code
        `BrainFlowExitCodes` value, or `SILENT`.
    """
    name = f"{profile.device} (brainflow:{profile.name})"
    said = "" if code == SILENT else f" [BrainFlow: {exit_code_name(code)}]"
    if code in _TAKEN:
        return SourceError(
            f"{name} is already open in this process, or its port is taken; close the other source, or tell the boards "
            f"apart by serial_port, mac_address or serial_number{said}"
        )
    if code == _BAD_ARGUMENTS:
        return SourceError(f"{name} does not accept {_given(params)}; it takes: {_parameters(profile)}{said}")
    if code == _UNSUPPORTED:
        return UnsupportedStreamError(f"{name}: {_platforms(profile)}{said}")
    if code in _CANNOT_OPEN:
        return SourceNotFoundError(f"{name}: {_cannot_open(profile, params)}{said}")
    if code in _NO_ANSWER or code == SILENT:
        return SourceNotFoundError(f"{name} {_no_answer(profile, params, code)}{said}")
    if code == _GENERAL:
        return SourceNotFoundError(f"{name}: its driver cannot be used or finds no device; {_driver(profile)}{said}")
    return SourceError(f"{name} could not be opened; switch it off and on, then try again{said}")


def _given(params: Params) -> str:
    return ", ".join(f"{key}={value}" for key, value in params.items()) or "being opened without parameters"


def _parameters(profile: FirmwareProfile) -> str:
    link = profile.brainflow
    known = link.parameters if link is not None else ()
    return "; ".join(f"{p.name}{' (needed)' if p.required else ''}: {p.how}" for p in known) or "no parameters"


def _platforms(profile: FirmwareProfile) -> str:
    link = profile.brainflow
    dongle = ", or give serial_port of a BLED112 dongle" if link is not None and link.dongle_board else ""
    return (
        f"its driver runs on {', '.join(profile.platforms)}, not on this {this_platform()}{dongle}; or run "
        f"'focusloop relay brainflow:{profile.name}' on such a machine in this network and read it here as 'lsl:'"
    )


def _cannot_open(profile: FirmwareProfile, params: Params) -> str:
    port = params.get("serial_port")
    if port is None:
        return (
            "no Bluetooth adapter can be used; is there one, is it on, and may this program use it? "
            "(Linux: bluetoothd must run; a container needs the D-Bus socket)"
        )
    here = ", ".join(sorted(p.device for p in list_ports.comports())) or "none"
    if os.name == "posix" and not os.path.exists(port):
        return f"there is no serial port {port}; is the dongle plugged in? Ports here: {here} (see 'focusloop devices')"
    if os.name == "posix" and not os.access(port, os.R_OK | os.W_OK):
        return (
            f"no permission to use {port}; add yourself to the group that owns it "
            "(sudo usermod -aG dialout $USER), then log in again"
        )
    return f"the serial port {port} cannot be opened; does another program hold it? Ports here: {here}"


def _no_answer(profile: FirmwareProfile, params: Params, code: int) -> str:
    sibling = f" {profile.tell_apart.strip()}" if profile.tell_apart else ""
    what = "was opened, but sends no samples" if code == SILENT else "does not answer"
    if port := params.get("serial_port"):
        return (
            f"{what} on {port}; is it switched on and near, its battery charged, and is this the right port? "
            f"(switch it off and on, plug the dongle out and in).{sibling}"
        )
    address = params.get("mac_address") or params.get("serial_number")
    which = f" at {address}" if address else ""
    return (
        f"{what}{which}; is it switched on, charged and near, and not held by another program or telephone? "
        f"First step: {profile.connect[1]}{sibling}"
    )


def _driver(profile: FirmwareProfile) -> str:
    if this_platform() not in profile.platforms:
        return _platforms(profile)
    if this_platform() == "linux":
        return (
            "the vendor's library needs its own packages (libbluetooth, libdbus, udev rules) and the headset switched "
            f"on: {profile.connect[1]}"
        )
    return f"is the vendor's driver installed and the headset switched on? {profile.connect[1]}"
