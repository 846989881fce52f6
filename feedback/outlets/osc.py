"""Scores over OSC, for Max, TouchDesigner, Unity and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bci.errors import ConfigError

_VALUES = ("steady", "confidence", "quality", "relative")


def parse_osc_target(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`.

    Raises
    ------
    ConfigError
        If it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        msg = f"--osc {text}: expected HOST:PORT, for example 127.0.0.1:9000"
        raise ConfigError(msg)
    return host.strip("[]"), int(port)


class OscOutlet:
    """Sends each score as one bundle of messages by UDP.

    `/focusloop/<id>/focus`, `…/steady`, `…/confidence`, `…/quality`, `…/relative` (floats; OSC has no null, so they are
    left out while not valid), `…/valid` (0 or 1), `…/reason` (text, empty while valid), `…/origin`.

    Parameters
    ----------
    host, port
        Who listens. Nobody need be there: datagrams are then lost, and counted in `unsent` where the system says so.

    Raises
    ------
    ConfigError
        If the host has no address.
    """

    def __init__(self, host: str, port: int) -> None:
        from pythonosc.udp_client import UDPClient

        self.unsent = 0
        try:
            self._client = UDPClient(host, port)
        except OSError as error:
            msg = f"--osc {host}:{port}: {error}"
            raise ConfigError(msg) from error

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Nothing to open: a datagram has no connection."""

    def remove(self, stream: str) -> None:
        """Nothing to end, either."""

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Send a score (fields of the `focus` message)."""
        from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
        from pythonosc.osc_message_builder import OscMessageBuilder

        bundle = OscBundleBuilder(IMMEDIATELY)

        def add(name: str, value: float | str) -> None:
            message = OscMessageBuilder(f"/focusloop/{stream}/{name}")
            message.add_arg(value)
            bundle.add_content(message.build())

        add("valid", 1 if score["valid"] else 0)
        add("reason", score["reason"] or "")
        add("origin", score["origin"])
        for name, key in (("focus", "value"), *((name, name) for name in _VALUES)):
            if score["valid"] and score[key] is not None:
                add(name, float(score[key]))
        try:
            self._client.send(bundle.build())
        except OSError:
            # A datagram to nobody, or a network that is down: the next score is 40 ms away.
            self.unsent += 1

    def close(self) -> None:
        """Release the socket."""
        self._client.close()
