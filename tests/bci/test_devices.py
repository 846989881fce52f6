"""What is here comes with a URI to paste; what could be, with how to connect it; and no machine is an error."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from types import SimpleNamespace

import pylsl
import pytest

from bci import devices
from bci.devices import here, possible
from bci.errors import ProfileError, SourceError
from bci.profiles import load_profiles
from bci.sources.brainflow import BrainflowSource
from bci.uri import parse_uri


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ports, no Bluetooth, no streams: each test plugs in what it is about."""
    monkeypatch.setattr(devices.list_ports, "comports", list)
    air(monkeypatch)
    monkeypatch.setattr("bci.streams.find_streams", lambda *_: [])


def plug_in(monkeypatch: pytest.MonkeyPatch, *ports: tuple[str, int | None, int | None]) -> None:
    listed = [SimpleNamespace(device=device, vid=vid, pid=pid) for device, vid, pid in ports]
    monkeypatch.setattr(devices.list_ports, "comports", lambda: listed)


def air(monkeypatch: pytest.MonkeyPatch, **names: str) -> None:
    async def scan(_wait_s: float) -> dict[str, str]:
        return {address.replace("_", ":"): name for address, name in names.items()}

    monkeypatch.setattr(devices, "_scan", scan)


def test_scores_of_a_focusloop_service_are_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    from bci.streams import describe_found

    name = f"focusloop-{uuid.uuid4().hex[:8]}"
    scores = pylsl.StreamInfo(name, "Focus", 4, 25.0, pylsl.cf_float32, name)
    headset = pylsl.StreamInfo("focusloop-simulator", "EEG", 8, 250.0, pylsl.cf_float32, "simulator")
    monkeypatch.setattr("bci.streams.find_streams", lambda *_: describe_found([scores, headset]))
    offered, named = here(0.1).devices
    assert offered.uri.startswith("lsl:name=focusloop-simulator")
    assert named.uri == ""
    assert "no source" in named.note


def test_a_bare_machine_has_nothing_and_nothing_to_complain_about() -> None:
    survey = here(0.1)
    assert survey.devices == ()
    assert survey.notes == ()


def test_a_dongle_is_offered_as_each_board_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("/dev/ttyUSB0", 0x0403, 0x6015), ("/dev/ttyS0", None, None), ("/dev/ttyUSB1", 0x1234, 1))
    found = here(0.1).devices
    assert [d.uri for d in found] == [
        "brainflow:cyton?serial_port=/dev/ttyUSB0",
        "brainflow:cyton_daisy?serial_port=/dev/ttyUSB0",
    ]
    for device in found:
        source = BrainflowSource(parse_uri(device.uri))
        assert source.spec.unassigned, "nobody has said where the electrodes are"
        assert "montage=ultracortex" in device.note
        source.close()
    assert "or brainflow:cyton_daisy." in found[0].note


def test_on_macos_the_port_that_works_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("/dev/tty.usbserial-DM01", 0x0403, 0x6015))
    assert here(0.1).devices[0].uri == "brainflow:cyton?serial_port=/dev/cu.usbserial-DM01"


def test_a_bluetooth_name_is_offered_as_each_headset_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    air(monkeypatch, **{"00_55_DA_B3_81_73": "MuseS-8173", "11_22_33_44_55_66": "Somebody's telephone"})
    found = here(0.1).devices
    assert [d.uri for d in found] == [
        "brainflow:muse_s?mac_address=00:55:DA:B3:81:73",
        "brainflow:muse_s_athena?mac_address=00:55:DA:B3:81:73",
    ]
    assert all("Athena" in d.note for d in found), "how to tell them apart"
    for device in found:
        assert BrainflowSource(parse_uri(device.uri)).spec.scored


def test_where_the_system_hides_addresses_the_name_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    air(monkeypatch, **{"9F3C0A52-0000-1111": "Muse-3D4A"})
    assert "brainflow:muse_2?serial_number=Muse-3D4A" in [d.uri for d in here(0.1).devices]


def test_lsl_streams_come_first_with_their_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # real LSL, in the world of the tests
    monkeypatch.setattr(devices.list_ports, "comports", list)
    air(monkeypatch, **{"00_55_DA_B3_81_73": "Ganglion-1a2b"})
    name = f"Muse {uuid.uuid4().hex[:6]}"
    eeg = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 4, 256.0, pylsl.cf_float32, "muse-1"))
    marks = pylsl.StreamOutlet(pylsl.StreamInfo("marks", "Markers", 1, 0.0, pylsl.cf_string, "marks-1"))
    found = [d for d in here(1.0).devices if d.way != "lsl" or name in d.name or "marks" in d.name]
    del eeg, marks
    assert [d.way for d in found] == ["lsl", "lsl", "bluetooth"]
    assert parse_uri(found[0].uri).params["name"] == name
    assert found[0].profile == "interaxon_muse-lsl"
    assert found[1].uri == "", "text is no source"


def test_where_nobody_could_look_is_said_and_the_rest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("COM3", 0x0403, 0x6015))

    async def no_adapter(_wait_s: float) -> dict[str, str]:
        raise OSError("no adapter that can be used")

    def no_liblsl(*_: object) -> list[object]:
        raise SourceError("liblsl cannot be loaded")

    monkeypatch.setattr(devices, "_scan", no_adapter)
    monkeypatch.setattr("bci.streams.find_streams", no_liblsl)
    survey = here(0.1)
    assert survey.devices[0].uri == "brainflow:cyton?serial_port=COM3"
    assert survey.notes == ("LSL: liblsl cannot be loaded", "Bluetooth: no adapter that can be used")


class Scanner:
    outcome: Exception | None = None

    @classmethod
    async def discover(cls, timeout: float) -> list[SimpleNamespace]:  # noqa: ASYNC109 - bleak's own
        if cls.outcome is not None:
            raise cls.outcome
        return [SimpleNamespace(address="00:11", name="Muse-1"), SimpleNamespace(address="00:22", name=None)]


@pytest.fixture
def scanner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scanner]]:
    monkeypatch.undo()
    monkeypatch.setattr("bleak.BleakScanner", Scanner)
    yield Scanner
    Scanner.outcome = None


def test_only_what_has_a_name_is_listed(scanner: type[Scanner]) -> None:
    assert asyncio.run(devices._scan(0.1)) == {"00:11": "Muse-1"}


def test_a_machine_without_bluetooth_says_what_to_check(scanner: type[Scanner]) -> None:
    from bleak.exc import BleakError

    for outcome in (BleakError("Bluetooth device is turned off"), FileNotFoundError(2, "No such file or directory")):
        scanner.outcome = outcome
        with pytest.raises(OSError, match="is it on"):
            asyncio.run(devices._scan(0.1))


def test_every_profile_could_be_connected() -> None:
    listed = possible()
    assert {d.profile for d in listed} == set(load_profiles())
    assert [d.name.lower() for d in listed] == sorted(d.name.lower() for d in listed)
    for device in listed:
        assert len(device.connect) == 3
        parse_uri(device.uri.replace("…", "x"))
    assert {d.profile: d.uri for d in listed}["openbci_cyton"] == "brainflow:cyton?serial_port=…&montage=…"
    assert {d.profile: d.verified for d in listed}["generic_lsl-10-20"] is False


def test_profiles_that_do_not_hold_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOCUSLOOP_PROFILES", "/no/such/folder")
    with pytest.raises(ProfileError, match="/no/such/folder"):
        here(0.1)
