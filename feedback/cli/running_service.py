"""A guided calibration through a service that runs: start it over HTTP, follow it on the WebSocket."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import quote

from bci.errors import AccessError, CertificateRefusedError, ConfigError, SourceError
from bci.simulator.cued import AT_REST, AT_WORK

Fields = Mapping[str, Any]

_UNAUTHORIZED = 4401
"""Close code of the contract."""


class RunningService:
    """The operator's side of a service.

    Parameters
    ----------
    url
        As `serve` announces it.
    token
        The operator's.

    Raises
    ------
    ConfigError
        If the URL is none.
    """

    def __init__(self, url: str, token: str) -> None:
        if not url.startswith(("http://", "https://")):
            msg = f"--service {url}: expected a URL, for example http://127.0.0.1:8765"
            raise ConfigError(msg)
        self._url, self._token = url.rstrip("/"), token

    def certify(
        self, stream: str, blocks: int, block_s: float, show: Callable[[Fields], None], *, simulated: bool = False
    ) -> Fields:
        """Guide the person of a stream through a calibration; Ctrl-C breaks it off.

        Parameters
        ----------
        stream
            Its id.
        blocks, block_s
            How many, and how long, s.
        show
            Told the fields of each `calibration` message.
        simulated
            Move the slider of a `simulator:manual` as the cues say.

        Returns
        -------
        What was measured, as `certificate` of the `calibration` topic.

        Raises
        ------
        SourceError
            If the service does not answer, or refuses to begin.
        AccessError
            If it does not take the token.
        CertificateRefusedError
            Why there is nothing to measure.
        """
        from websockets.exceptions import ConnectionClosed, WebSocketException
        from websockets.sync.client import connect

        base = f"/v1/streams/{quote(stream, safe='')}"
        path = f"{base}/calibration"
        if simulated:
            show = self._followed(f"{base}/simulator", show)
        try:
            with connect(
                f"{self._url.replace('http', 'ws', 1)}/v1/ws",
                additional_headers={"Authorization": f"Bearer {self._token}"},
                subprotocols=cast("Any", ["focusloop.v1.json"]),
                proxy=None,
            ) as socket:
                _say(socket, {"type": "hello", "client": "focusloop adapt"})
                _say(socket, {"type": "subscribe", "id": 1, "stream": stream, "topics": ["calibration"]})
                _hear(socket, "subscribed")
                self._request("POST", path, {"kind": "certificate", "blocks": blocks, "block_seconds": block_s})
                try:
                    return _follow(socket, show)
                except KeyboardInterrupt:
                    self._request("DELETE", path)
                    raise
        except ConnectionClosed as error:
            if error.rcvd is None or error.rcvd.code != _UNAUTHORIZED:
                msg = f"{self._url} has ended the connection ({error}); begin again once it runs"
                raise SourceError(msg) from error
            msg = f"{self._url} refused the token ({error.rcvd.reason}); give its --data-dir, or its --token"
            raise AccessError(msg) from error
        except (OSError, WebSocketException) as error:
            msg = f"{self._url} does not answer ({error}); is `focusloop serve` running?"
            raise SourceError(msg) from error

    def _followed(self, path: str, show: Callable[[Fields], None]) -> Callable[[Fields], None]:
        told = ""

        def follow(fields: Fields) -> None:
            nonlocal told
            if fields["phase"] != told:
                told = fields["phase"]
                self._request("PUT", path, {"attention": {"cross": AT_REST, "task": AT_WORK}.get(told, 0.5)})
            show(fields)

        return follow

    def _request(self, method: str, path: str, body: Fields | None = None) -> None:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, content, headers, method=method)  # noqa: S310 - checked above
        try:
            urllib.request.urlopen(request, timeout=30.0).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            detail = json.loads(error.read() or b"{}").get("detail", error.reason)
            msg = f"the service refused: {detail}"
            raise SourceError(msg) from error


def _follow(socket: Any, show: Callable[[Fields], None]) -> Fields:  # noqa: ANN401 - imported late
    while True:
        fields = _hear(socket, "calibration")
        show(fields)
        if fields["state"] == "running":
            continue
        if fields.get("certificate") is None:
            raise CertificateRefusedError(fields["code"] or "broken_off", fields["message"])
        return cast("Fields", fields["certificate"])


def _say(socket: Any, message: Fields) -> None:  # noqa: ANN401
    socket.send(json.dumps(message))


def _hear(socket: Any, kind: str) -> Fields:  # noqa: ANN401
    while True:
        message: dict[str, Any] = json.loads(socket.recv())
        if message["type"] == "error":
            raise SourceError(str(message["message"]))
        if message["type"] == "subscribed" and message["refused"]:
            raise SourceError(str(message["refused"][0]["message"]))
        if message["type"] == kind:
            return message
