"""Routes of a stream's closed loop: difficulty, proposals, neurofeedback, plan."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from feedback.service.routed import In, Operator, Reader, TokenFirst
from feedback.service.wire.http_bodies import AnswerProposal, SetController, SetNeurofeedback, SetPlan

loop_routes = APIRouter(prefix="/streams/{stream}", route_class=TokenFirst)


@loop_routes.post("/proposals", status_code=204, dependencies=[Reader], summary="Accept or refuse what was proposed")
async def answer_proposal(stream: str, body: AnswerProposal, routed: In) -> None:
    """Accept or refuse a proposal."""
    routed.participants.loop.answer_proposal(stream, body)


@loop_routes.put("/controller", dependencies=[Operator], summary="Policy, target and limits of difficulty")
async def set_controller(stream: str, body: SetController, routed: In) -> dict[str, Any]:
    """Set the difficulty controller; while it runs what was learned is kept where the policy stays the same."""
    return routed.participants.loop.set_controller(stream, body)


@loop_routes.get("/controller", dependencies=[Reader], summary="The difficulty controller")
async def show_controller(stream: str, routed: In) -> dict[str, Any]:
    """Show the difficulty controller."""
    return routed.participants.loop.controller(stream)


@loop_routes.delete("/controller", status_code=204, dependencies=[Operator], summary="End the difficulty controller")
async def end_controller(stream: str, routed: In) -> None:
    """Take the difficulty controller away, and what it learned."""
    routed.participants.loop.end_controller(stream)


@loop_routes.put("/neurofeedback", dependencies=[Operator], summary="Begin a neurofeedback protocol, with rest")
async def set_neurofeedback(stream: str, body: SetNeurofeedback, routed: In) -> dict[str, Any]:
    """Begin a protocol; the person rests while its thresholds are measured."""
    return routed.participants.loop.set_neurofeedback(stream, body)


@loop_routes.get("/neurofeedback", dependencies=[Reader], summary="The neurofeedback protocol, and how far it is")
async def show_neurofeedback(stream: str, routed: In) -> dict[str, Any]:
    """Show the neurofeedback protocol."""
    return routed.participants.loop.neurofeedback(stream)


@loop_routes.delete(
    "/neurofeedback", status_code=204, dependencies=[Operator], summary="End the neurofeedback protocol"
)
async def end_neurofeedback(stream: str, routed: In) -> None:
    """End the neurofeedback protocol."""
    routed.participants.loop.end_neurofeedback(stream)


@loop_routes.put("/plan", dependencies=[Operator], summary="What a person is to do today")
async def set_plan(stream: str, body: SetPlan, routed: In) -> dict[str, Any]:
    """Give a person a plan, of which nothing is done yet."""
    return routed.participants.loop.set_plan(stream, body)


@loop_routes.get("/plan", dependencies=[Reader], summary="The plan, and what is left of it")
async def show_plan(stream: str, routed: In) -> dict[str, Any]:
    """Show the plan."""
    return routed.participants.loop.plan(stream)


@loop_routes.delete("/plan", status_code=204, dependencies=[Operator], summary="Forget the plan")
async def end_plan(stream: str, routed: In) -> None:
    """Forget the plan."""
    routed.participants.loop.end_plan(stream)
