"""Routes of `/v1`, and the few that need no token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.routing import Match

from feedback.service.access import Principal
from feedback.service.asyncapi import asyncapi_json
from feedback.service.client_files import client_file
from feedback.service.local_files import confine
from feedback.service.loop_routes import loop_routes
from feedback.service.metrics import Metrics
from feedback.service.problems import problem
from feedback.service.routed import (
    In,
    Operator,
    Reader,
    TokenFirst,
    address_of,
    authenticate,
    demand_operator,
    principal_of,
)
from feedback.service.settings import is_loopback
from feedback.service.wire.http_bodies import (
    AddStream,
    ConfirmBaseline,
    IssueToken,
    MoveSimulator,
    Problem,
    SetPaused,
    StartCalibration,
)

PAGE = Path(__file__).resolve().parents[1] / "page"
_PAGE_SCRIPTS = ("page.js", "electrodes.js", "explanation.js", "neurofeedback.js", "trace.js", "words.js")
_PAGE_FILES = {"": "index.html"} | {name: name for name in (*_PAGE_SCRIPTS, "page.css")}


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PROBLEMS: dict[int | str, dict[str, Any]] = {"4XX": {"model": Problem, "content": {"application/problem+json": {}}}}
v1 = APIRouter(prefix="/v1", responses=_PROBLEMS, route_class=TokenFirst)
open_routes = APIRouter()


@v1.get("/streams", summary="All streams that the token may read")
async def list_streams(routed: In, principal: Annotated[Principal, Depends(principal_of)]) -> dict[str, Any]:
    """List streams."""
    participants = routed.participants
    return {"streams": [participants.view(name) for name in participants.streams() if principal.may_read(name)]}


@v1.post("/streams", status_code=201, dependencies=[Operator], summary="Open a stream")
async def add_stream(body: AddStream, routed: In, response: Response) -> dict[str, Any]:
    """Open a stream; its id must be free."""
    sources = [confine(uri, routed.settings.data_dir) for uri in body.sources]
    view = await routed.participants.add(body.id, sources, body.montage, body.model)
    response.headers["Location"] = f"/v1/streams/{body.id}"
    return view


@v1.get("/streams/{stream}", dependencies=[Reader], summary="One stream: device, montage, rate, loss, delay, model")
async def show_stream(stream: str, routed: In) -> dict[str, Any]:
    """Show a stream."""
    return routed.participants.view(stream)


@v1.delete("/streams/{stream}", status_code=204, dependencies=[Operator], summary="Close a stream")
async def remove_stream(stream: str, routed: In) -> None:
    """Close a stream and release its devices."""
    await routed.participants.remove(stream)


@v1.post(
    "/streams/{stream}/calibration",
    status_code=202,
    dependencies=[Operator],
    summary="Record a baseline, or measure a certificate",
)
async def start_calibration(stream: str, routed: In, body: StartCalibration | None = None) -> dict[str, Any]:
    """Begin a calibration; follow it on the `calibration` topic."""
    asked = body or StartCalibration()
    if asked.kind == "certificate":
        return await routed.participants.calibrations.start_certificate(stream, asked.blocks, asked.block_seconds)
    return await routed.participants.calibrations.start(stream, asked.seconds, asked.phases)


@v1.get("/streams/{stream}/calibration", dependencies=[Reader], summary="The running or last calibration")
async def show_calibration(stream: str, routed: In) -> dict[str, Any]:
    """Show a calibration."""
    return routed.participants.calibrations.view(stream)


@v1.put("/streams/{stream}/calibration", dependencies=[Operator], summary="Confirm a baseline that has ended")
async def confirm_baseline(stream: str, body: ConfirmBaseline, routed: In) -> dict[str, Any]:
    """Use again the baseline that ended because the headset was off for 10 s."""
    await routed.participants.calibrations.confirm_baseline(stream)
    return {"confirmed": body.confirm}


@v1.delete(
    "/streams/{stream}/calibration",
    status_code=204,
    dependencies=[Operator],
    summary="Cancel a calibration, or forget the baseline",
)
async def cancel_calibration(stream: str, routed: In, forget: bool = False) -> None:
    """Cancel a running calibration; with `forget=true` forget the baseline in use, or the one that ended, too."""
    await routed.participants.calibrations.cancel(stream, forget=forget)


@v1.put("/streams/{stream}/paused", dependencies=[Operator], summary="Pause or resume scoring")
async def set_paused(stream: str, body: SetPaused, routed: In) -> dict[str, Any]:
    """Pause or resume; paused scores have the reason `paused`."""
    routed.participants.set_paused(stream, body.paused)
    return {"paused": body.paused}


@v1.put("/streams/{stream}/simulator", dependencies=[Operator], summary="The slider and buttons of simulator:manual")
async def move_simulator(stream: str, body: MoveSimulator, routed: In) -> dict[str, Any]:
    """Move the simulated participant's attention, or make a fault."""
    await routed.participants.simulate(stream, body.attention, body.fault)
    return {"attention": body.attention, "fault": body.fault}


v1.include_router(loop_routes)


@v1.get("/sessions", dependencies=[Operator], summary="What was recorded, and what it takes of the disk")
async def sessions(routed: In) -> dict[str, Any]:
    """List sessions, the newest first."""
    return await routed.participants.sessions()


@v1.get("/devices", dependencies=[Operator], summary="What is here, and what could be")
async def devices(routed: In) -> Mapping[str, Any]:
    """Look for devices."""
    return await routed.participants.devices()


@v1.get("/models", dependencies=[Operator], summary="Models that were found")
def models(routed: In) -> dict[str, Any]:
    """List models; on a thread, as each graph is loaded."""
    return {"models": routed.participants.models()}


@v1.post("/tokens", status_code=201, dependencies=[Operator], summary="A token that reads one stream")
def issue_token(body: IssueToken, routed: In) -> dict[str, Any]:
    """Make a participant's token; it is shown once."""
    issued = routed.access.issue(body.scope.removeprefix("participant:"), body.hours)
    return {"token": issued.token, "scope": issued.scope, "expires_unix_s": issued.expires_unix_s}


@v1.api_route("/{path:path}", methods=[*_METHODS], include_in_schema=False, dependencies=[Operator])
async def nothing_here(path: str, request: Request) -> Response:
    """Ask for a token before saying that a route does not exist, or not for this method."""
    allowed = ", ".join(_methods_at(request))
    if not allowed:
        return problem(404, "not_found", f"/v1/{path} does not exist; see /openapi.json")
    detail = f"/v1/{path} takes {allowed}, not {request.method}; see /openapi.json"
    return problem(405, "method_not_allowed", detail, {"Allow": allowed})


def _methods_at(request: Request) -> list[str]:
    known = v1.routes[:-1]  # all but the one that takes what is left
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in known)
    ]


@open_routes.get("/healthz", summary="The process lives")
async def healthz(routed: In) -> dict[str, Any]:
    """Say that the event loop runs."""
    return {"status": "ok", "server": routed.server}


@open_routes.get("/readyz", summary="Scores can be made")
async def readyz(routed: In) -> Response:
    """Say whether scores can be made; 503 until then."""
    ready, detail = routed.participants.ready()
    if not ready:
        return problem(503, "not_ready", detail or "the service is starting", {"Retry-After": "1"})
    return JSONResponse({"status": "ready", "detail": detail})


@open_routes.get("/metrics", summary="Prometheus metrics, from loopback or with the operator's token")
async def metrics(request: Request, routed: In) -> Response:
    """Show metrics; they are written on a thread, as scores wait for the event loop."""
    if not is_loopback(address_of(request)):
        demand_operator(authenticate(request))
    return Response(await asyncio.to_thread(Metrics.render, routed.metrics.collect()), media_type=Metrics.MEDIA_TYPE)


@open_routes.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """Describe the routes; on a thread, too: the first time takes FastAPI a tenth of a second."""
    return JSONResponse(request.app.openapi())


@open_routes.get("/asyncapi.json", summary="AsyncAPI 3 description of /v1/ws")
def asyncapi(routed: In) -> Response:
    """Describe the WebSocket; on a thread, as scores wait for the event loop."""
    return Response(asyncapi_json(routed.server.partition("/")[2]), media_type="application/json")


@open_routes.get("/clients/{name:path}", include_in_schema=False)
def client(name: str, routed: In) -> Response:
    """Give out a client of this service's own version."""
    found = client_file(name, routed.server.partition("/")[2])
    if found is None:
        return problem(404, "not_found", f"/clients/{name} does not exist; /clients/ lists what does")
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})


@open_routes.get("/{name}", include_in_schema=False)
@open_routes.get("/", include_in_schema=False)
async def page(name: str = "") -> Response:
    """Give out the live page."""
    file = _PAGE_FILES.get(name)
    if file is None:
        return problem(404, "not_found", f"/{name} does not exist")
    return FileResponse(PAGE / file)
