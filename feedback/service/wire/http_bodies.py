"""What an HTTP client may send, and the problem it gets where that cannot be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bci.config import NeurofeedbackConfig, ParticipantId, PlanConfig, participant_id
from feedback.service.wire.topics import ProposalKind


class RequestBody(BaseModel):
    """Base of HTTP bodies: a misspelt key is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _split_montage(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class AddStream(RequestBody):
    """Open a stream."""

    id: ParticipantId
    sources: Annotated[list[Annotated[str, Field(min_length=1, max_length=2048)]], Field(min_length=1, max_length=8)]
    montage: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=512)] | None = None
    model: Annotated[str, Field(max_length=128)] | None = None

    _montage = field_validator("montage", mode="before")(_split_montage)


class StartCalibration(RequestBody):
    """Record a baseline; with the kind `certificate` measure how well focus can be read from this person."""

    kind: Annotated[
        Literal["baseline", "certificate"],
        Field(description="`certificate`: blocks of cross and task, eyes open, instead of rest alone"),
    ] = "baseline"

    seconds: Annotated[float, Field(ge=5.0, le=300.0)] = 30.0
    phases: Annotated[list[Literal["eyes_open", "eyes_closed"]], Field(min_length=1, max_length=8)] = ["eyes_open"]
    blocks: Annotated[int, Field(description="of a certificate: how many, cross and task together")] = 30
    block_seconds: Annotated[float, Field(description="of a certificate: how long each is")] = 10.0

    @model_validator(mode="after")
    def _blocks_belong_to_a_certificate(self) -> StartCalibration:
        if self.kind == "baseline" and self.model_fields_set & {"blocks", "block_seconds"}:
            msg = "`blocks` and `block_seconds` go with the kind `certificate`"
            raise ValueError(msg)
        if self.kind == "certificate" and self.model_fields_set & {"seconds", "phases"}:
            msg = "the kind `certificate` takes `blocks` and `block_seconds`, not `seconds` and `phases`"
            raise ValueError(msg)
        return self


class ConfirmBaseline(RequestBody):
    """Use again the baseline that ended because the headset was off."""

    confirm: Literal[True]


class SetController(RequestBody):
    """Give a stream a difficulty controller, or change the one it has."""

    policy: Annotated[str, Field(max_length=64)] = "fused"
    target: float | None = Field(default=None, description="Share of correct answers; .80 where it is left out")
    limits: dict[str, float] = {}
    params: dict[str, bool | float] = {}


class SetNeurofeedback(NeurofeedbackConfig):
    """Begin a neurofeedback protocol, with rest."""


class SetPlan(PlanConfig):
    """Give a person a plan, of which nothing is done yet."""


class AnswerProposal(RequestBody):
    """Accept or refuse what was proposed; it is not proposed again for five minutes."""

    kind: ProposalKind
    accepted: bool


class IssueToken(RequestBody):
    """Make a token for a game or a task."""

    scope: Annotated[str, Field(description="participant: and the id of a stream, which need not be there yet")]
    hours: Annotated[float, Field(gt=0.0, le=24.0 * 90)] = 8.0

    @field_validator("scope")
    @classmethod
    def _of_one_participant(cls, value: str) -> str:
        kind, _, stream = value.partition(":")
        if kind != "participant":
            raise PydanticCustomError("scope", "expected participant: and an id, as in participant:p01")
        return f"{kind}:{participant_id(stream)}"


class SetPaused(RequestBody):
    """Pause or resume scoring."""

    paused: bool


class MoveSimulator(RequestBody):
    """Move the slider of `simulator:manual`, press one of its buttons."""

    attention: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    fault: Annotated[str, Field(max_length=64)] | None = None


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
