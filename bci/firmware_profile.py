"""The schema of a firmware profile: what is known about one headset, units in the names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bci.errors import MontageError, ProfileError
from bci.montage import eeg_channel, parse_labels
from bci.types import Channel, Origin

Platform = Literal["linux", "windows", "macos"]
ParameterName = Literal[
    "serial_port", "mac_address", "serial_number", "ip_address", "ip_port", "ip_protocol", "other_info", "timeout"
]
Line = Annotated[str, Field(min_length=1, max_length=160)]
Regex = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(_Section):
    """A BrainFlow input parameter that a person gives in the URI, and how to find its value."""

    name: ParameterName
    required: bool = False
    how: Line


class Counter(_Section):
    """How the board numbers its packets, so that loss can be told from the numbers.

    `modulus`: the number after the last one is 0 again (None: it never wraps). `step`: from one packet to the next.
    `samples`: how many samples share a number.
    """

    modulus: int | None = Field(default=None, gt=1)
    step: int = Field(default=1, ge=1)
    samples: int = Field(default=1, ge=1)


class BrainflowLink(_Section):
    """How BrainFlow names the board and reads it.

    `dongle_board` is used in place of `board` where a `serial_port` is given (a BLED112 dongle). `stamps`: `host` where
    BrainFlow stamps on arrival with this machine's Unix clock, `device` where the headset's own clock comes through.
    `battery`: the preset that holds the charge in percent. `silence_s`: without a sample for so long, it is gone.
    """

    board: str
    dongle_board: str | None = None
    parameters: tuple[Parameter, ...] = ()
    counter: Counter | None = None
    stamps: Literal["host", "device"] = "host"
    battery: Literal["default", "auxiliary", "ancillary"] | None = None
    silence_s: float = Field(default=3.0, gt=0.0)


class LslPattern(_Section):
    """By what an LSL stream of this headset is known; every part given must match, the name from its beginning."""

    name: Regex | None = None
    kind: str | None = None
    n_channels: tuple[int, ...] = ()
    made_by: Line
    specific: bool = True


class UsbId(_Section):
    """USB vendor and product id of its dongle or board, as `lsusb` prints them (`0403:6015`)."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
    name: Line


class FirmwareProfile(_Section):
    """What is known about one headset.

    Parameters
    ----------
    id
        Name of the file without `.toml`: `<vendor>_<board>`.
    name
        What stands in the URI: `brainflow:NAME`.
    vendor, board
        As people say it.
    firmware
        Range of firmware that this holds for, in words.
    platforms
        Where its driver runs (for an LSL-only headset: where the vendor's program does).
    brainflow, lsl, usb, bluetooth
        By what it is found and read; `bluetooth` are regular expressions of advertised names.
    n_channels
        EEG channels; None where it varies.
    channels
        10-20 labels in order; `free` where a person places the electrodes (unassigned until a montage is given);
        `named` where the stream itself names them.
    montages
        Named montages that a person may confirm with `montage=NAME` on a free board.
    reference, ground
        Where they sit.
    rate_hz
        Nominal rate; None where it varies.
    unit, scale_to_uv
        What the driver delivers, and the factor that makes µV of it.
    rails_uv
        Lowest and highest value that the converter can give, µV.
    origin
        `simulator` for a board that is none.
    verified
        `descriptor`: a test holds it against the driver's own board descriptor; `document`: somebody compared it with
        the vendor's document that is named in `source`; `no`: nobody has.
    unverified
        Fields that the verification does not reach.
    source
        Where the facts are from.
    tell_apart, quirks
        How to tell it from its siblings; what surprises people.
    connect
        Three lines: how to put it on, pair it and start it.
    """

    id: str
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    aliases: tuple[str, ...] = ()
    vendor: str
    board: str
    firmware: Line
    platforms: tuple[Platform, ...]
    brainflow: BrainflowLink | None = None
    lsl: LslPattern | None = None
    usb: tuple[UsbId, ...] = ()
    bluetooth: tuple[Regex, ...] = ()
    n_channels: int | None = Field(default=None, ge=1, le=256)
    channels: tuple[str, ...] | Literal["free", "named"]
    montages: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    reference: str
    ground: str
    rate_hz: float | None = Field(default=None, gt=0.0)
    unit: Literal["uV", "mV", "V"] = "uV"
    scale_to_uv: float = Field(default=1.0, gt=0.0)
    rails_uv: tuple[float, float] | None = None
    origin: Origin = "live"
    verified: Literal["descriptor", "document", "no"]
    unverified: tuple[str, ...] = ()
    source: Line
    tell_apart: str = ""
    quirks: tuple[Line, ...] = ()
    connect: tuple[Line, Line, Line]

    @model_validator(mode="after")
    def _holds_together(self) -> FirmwareProfile:
        if isinstance(self.channels, tuple):
            if self.n_channels != len(self.channels):
                msg = f"n_channels = {self.n_channels}, but channels names {len(self.channels)}"
                raise ValueError(msg)
            _check_labels(self.channels)
        if self.channels == "free" and self.n_channels is None:
            msg = "channels = 'free' needs n_channels"
            raise ValueError(msg)
        for labels in self.montages.values():
            _check_labels(labels)
        if self.brainflow is not None and (self.n_channels is None or self.rate_hz is None):
            msg = "a BrainFlow board needs n_channels and rate_hz"
            raise ValueError(msg)
        if self.verified == "descriptor" and self.brainflow is None:
            msg = "verified = 'descriptor' needs a BrainFlow board"
            raise ValueError(msg)
        if self.rails_uv is not None and not self.rails_uv[0] < self.rails_uv[1]:
            msg = f"rails_uv = {self.rails_uv}: lowest first"
            raise ValueError(msg)
        if unknown := set(self.unverified) - set(FirmwareProfile.model_fields) - {"counter", "battery", "stamps"}:
            msg = f"unverified names no field: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        for pattern in (*self.bluetooth, *([self.lsl.name] if self.lsl and self.lsl.name else ())):
            _check_pattern(pattern)
        return self

    @property
    def device(self) -> str:
        """What a person calls it: vendor and board."""
        return f"{self.vendor} {self.board}"

    @property
    def is_verified(self) -> bool:
        """True where it was checked against the vendor's document or the driver's descriptor."""
        return self.verified != "no"

    def eeg_channels(self) -> tuple[Channel, ...]:
        """Give the EEG channels in µV, in the driver's order; numbered from 1 and without position where they are free.

        Raises
        ------
        ProfileError
            Where the stream names them itself.
        """
        if isinstance(self.channels, tuple):
            return tuple(eeg_channel(label) for label in self.channels)
        if self.channels == "named" or self.n_channels is None:
            msg = f"profile {self.id}: the stream names its channels itself"
            raise ProfileError(msg)
        return tuple(Channel(str(i + 1)) for i in range(self.n_channels))

    def montage(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Resolve a montage that a person gives: one name of `montages` stands for its labels."""
        if len(labels) == 1 and labels[0] in self.montages:
            return self.montages[labels[0]]
        return labels


def _check_labels(labels: tuple[str, ...]) -> None:
    try:
        parse_labels(labels, device="channels")
    except MontageError as error:
        raise ValueError(str(error)) from error


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"'{pattern}' is no regular expression: {error}"
        raise ValueError(msg) from error
