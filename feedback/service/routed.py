"""What the routes work on, and who may use them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from feedback.service.access import Access, ForbiddenError, Principal, bearer
from feedback.service.metrics import Metrics
from feedback.service.ports import Participants
from feedback.service.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Routed:
    """What the routes work on; kept in `app.state.routed`."""

    participants: Participants
    access: Access
    settings: ServiceSettings
    metrics: Metrics
    server: str


def routed_of(request: Request) -> Routed:
    """Give what the routes work on."""
    routed: Routed = request.app.state.routed
    return routed


def address_of(request: Request) -> str:
    """Give where a request comes from."""
    return request.client.host if request.client is not None else ""


def authenticate(request: Request) -> Principal:
    """Say who asks, by the token that the request carries.

    Raises
    ------
    AccessError
        Without a good token.
    """
    access = routed_of(request).access
    return access.authenticate(bearer(request.headers.get("authorization")), address_of(request))


class TokenFirst(APIRoute):
    """A route that asks for a token before the body is read; FastAPI reads and judges the body first."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the question before what FastAPI does."""
        handle = super().get_route_handler()

        async def ask(request: Request) -> Response:
            request.state.principal = authenticate(request)
            return await handle(request)

        return ask


def principal_of(request: Request) -> Principal:
    """Say who asks on a route that was `TokenFirst`."""
    principal: Principal = request.state.principal
    return principal


def demand_operator(principal: Annotated[Principal, Depends(principal_of)]) -> Principal:
    """Let the operator alone go on.

    Raises
    ------
    ForbiddenError
        For anyone else.
    """
    if not principal.operator:
        msg = f"this token reads '{principal.stream}' only; it takes the operator's token"
        raise ForbiddenError(msg)
    return principal


def _reader(stream: str, principal: Annotated[Principal, Depends(principal_of)]) -> Principal:
    if not principal.may_read(stream):
        msg = f"this token reads '{principal.stream}' only"
        raise ForbiddenError(msg)
    return principal


In = Annotated[Routed, Depends(routed_of)]
Operator = Depends(demand_operator)
Reader = Depends(_reader)
