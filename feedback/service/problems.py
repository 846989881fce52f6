"""Errors as RFC 9457 problem details, each with a `code` that a program can branch on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bci.errors import AccessError, ConfigError, ConflictError, FocusloopError, NoSuchStreamError
from feedback.service.access import ForbiddenError, TooManyFailuresError, UnauthorizedError
from feedback.service.settings import ServiceError

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger("focusloop.http")

# The first that an error is an instance of.
_KINDS: tuple[tuple[type[FocusloopError], int, str | None], ...] = (
    (UnauthorizedError, 401, "unauthorized"),
    (TooManyFailuresError, 429, "rate_limited"),
    (ForbiddenError, 403, "not_allowed"),
    (AccessError, 403, "not_allowed"),
    (NoSuchStreamError, 404, "no_such_stream"),
    (ConflictError, 409, "conflict"),
    (ConfigError, 422, None),
    (ServiceError, 503, "service_error"),
    (FocusloopError, 422, None),
)


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Make a problem response."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def code_of(error: FocusloopError) -> str:
    """Name an error for programs: `SourceNotFoundError` is `source_not_found`."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def from_error(error: FocusloopError) -> JSONResponse:
    """Turn an error of ours into its problem."""
    status, code = next((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="focusloop"'
    if isinstance(error, TooManyFailuresError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return problem(status, code or code_of(error), str(error), headers)


def _where(location: tuple[int | str, ...]) -> str:
    parts = location[1:] if location and location[0] in ("body", "path", "query") else location
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "body"


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"the body is no JSON: {error['ctx']['error']}, at character {error['loc'][1] + 1}"
    return f"{_where(tuple(error['loc']))}: {error['msg']}"


def install(app: FastAPI) -> None:
    """Have every error of an application answered as a problem."""

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        return from_error(error) if isinstance(error, FocusloopError) else problem(500, "internal", "internal error")

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        sentences = [_sentence(one) for one in found[:8]]
        return problem(422, "bad_request", "; ".join(sentences) or "the request cannot be read")

    async def plain(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            return problem(500, "internal", "internal error")
        phrase = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
        code = "too_big" if error.status_code == 413 else phrase
        return problem(error.status_code, code, str(error.detail), dict(error.headers or {}))

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        request.app.state.routed.metrics.count_internal_error("http")
        _log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
        return problem(500, "internal", "an internal error; the service's log has the details")

    app.add_exception_handler(FocusloopError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)
