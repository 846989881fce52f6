from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from fake_participants import FOCUS
from pythonosc.osc_bundle import OscBundle

from bci.errors import ConfigError
from feedback.outlets.lsl import CHANNELS, LslOutlets
from feedback.outlets.osc import OscOutlet, parse_osc_target

SILENT = FOCUS | {"value": None, "steady": None, "confidence": None, "quality": None, "relative": None} | {
    "valid": False,
    "reason": "stale",
}  # fmt: skip


@pytest.fixture
def outlets() -> Iterator[LslOutlets]:
    made = LslOutlets(rate_hz=25.0)
    yield made
    made.close()


def test_a_score_is_an_lsl_sample_stamped_with_its_newest_sample(outlets: LslOutlets) -> None:
    from pylsl import StreamInlet, local_clock, resolve_byprop

    outlets.open("p01", origin="simulator", model="focus-attention@1.0.0")
    found = resolve_byprop("name", "focusloop-p01", timeout=10.0)
    assert len(found) == 1
    inlet = StreamInlet(found[0])
    try:
        info = inlet.info(timeout=10.0)
        assert info.type() == "Focus"
        assert info.nominal_srate() == 25.0
        assert info.get_channel_labels() == list(CHANNELS)
        assert info.desc().child("focusloop").child_value("origin") == "simulator"
        inlet.open_stream(timeout=10.0)
        stamp_s = local_clock()
        for score in (FOCUS, SILENT):
            outlets.on_score("p01", score | {"t_lsl_s": stamp_s})
        first, came_s = inlet.pull_sample(timeout=10.0)
        assert first == pytest.approx([FOCUS["value"], FOCUS["steady"], FOCUS["confidence"], 1.0])
        assert came_s == stamp_s
        second, _ = inlet.pull_sample(timeout=10.0)
        assert all(math.isnan(value) for value in second[:3])
        assert second[3] == 0.0
    finally:
        inlet.close_stream()


def test_before_the_device_is_known_there_is_no_outlet(outlets: LslOutlets) -> None:
    from pylsl import resolve_byprop

    outlets.on_score("p03", SILENT | {"reason": "no_data", "t_lsl_s": None})
    assert not resolve_byprop("name", "focusloop-p03", timeout=0.5)


def test_an_outlet_ends_with_its_participant(outlets: LslOutlets) -> None:
    from pylsl import resolve_byprop

    outlets.open("p02")
    assert resolve_byprop("name", "focusloop-p02", timeout=10.0)
    outlets.remove("p02")
    outlets.remove("p02")
    assert not resolve_byprop("name", "focusloop-p02", timeout=0.5)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5.0)
        yield udp


def bundle(listener: socket.socket) -> dict[str, Any]:
    came = OscBundle(listener.recv(4096))
    return {message.address: message.params[0] for message in came}  # type: ignore[union-attr]


def test_a_score_is_an_osc_bundle(listener: socket.socket) -> None:
    outlet = OscOutlet("127.0.0.1", listener.getsockname()[1])
    outlet.on_score("p01", FOCUS)
    said = bundle(listener)
    assert said["/focusloop/p01/focus"] == pytest.approx(FOCUS["value"])
    assert said["/focusloop/p01/valid"] == 1
    assert said["/focusloop/p01/reason"] == ""
    assert said["/focusloop/p01/origin"] == "simulator"
    outlet.on_score("p01", SILENT)
    said = bundle(listener)
    assert said["/focusloop/p01/valid"] == 0
    assert said["/focusloop/p01/reason"] == "stale"
    assert "/focusloop/p01/focus" not in said  # never the last good value
    outlet.close()


def test_nobody_need_listen(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    outlet = OscOutlet("127.0.0.1", port)
    for _ in range(3):
        outlet.on_score("p01", FOCUS)
    outlet.close()


def test_targets() -> None:
    assert parse_osc_target("127.0.0.1:9000") == ("127.0.0.1", 9000)
    assert parse_osc_target("[::1]:9000") == ("::1", 9000)
    for bad in ("9000", "host:", "host:0", "host:99999", ":9", "host:port"):
        with pytest.raises(ConfigError, match="--osc"):
            parse_osc_target(bad)
    with pytest.raises(ConfigError):
        OscOutlet("no such host.invalid", 9)
