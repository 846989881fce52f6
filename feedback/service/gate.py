"""The door of HTTP: host, origin, tokens in queries, body sizes and headers that every answer carries."""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bci.errors import FocusloopError
from feedback.service.access import Access, ForbiddenError, token_in_query
from feedback.service.problems import from_error, problem

MAX_BODY_BYTES = 64 * 1024
_TOO_BIG = f"a body holds at most {MAX_BODY_BYTES} bytes"

_log = structlog.get_logger("focusloop.http")

_ALWAYS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Gate:
    """ASGI middleware that judges a request before any route sees it.

    Parameters
    ----------
    app
        What lies behind.
    access
        Judges hosts and origins.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge, and time for the log; the path is logged without its query."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
            await send(message)

        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                # FastAPI lets this one through, and answers any other error in a body with 400.
                raise HTTPException(413, _TOO_BIG, {"Connection": "close"})
            return message

        try:
            refusal = self._judge(scope)
            await (refusal or self._app)(scope, limited, note)
        finally:
            address = scope["client"][0] if scope["client"] else ""
            took_ms = round((time.perf_counter() - began_s) * 1e3, 2)
            _log.debug(
                "request", method=scope["method"], path=scope["path"], status=status, address=address, ms=took_ms
            )

    def _judge(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else None
        origin = headers.get("origin")
        error: FocusloopError | None = None
        if not self._access.allows_host(host):
            error = ForbiddenError(f"host '{host}' is not this service's; a proxy's is admitted by --allow-origin")
        elif not self._access.allows_origin(origin, host):
            error = ForbiddenError(f"pages of '{origin}' are not admitted; see --allow-origin")
        if error is not None:
            return from_error(error)
        if token_in_query(scope["query_string"].decode("latin-1")):
            return problem(400, "token_in_query", "a token never travels in a query: send 'Authorization: Bearer …'")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return problem(413, "too_big", _TOO_BIG, {"Connection": "close"})
        return None
