"""What a WebSocket client may send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from feedback.service.wire.topics import Topic


class ClientMessage(BaseModel):
    """Base of what comes in: right types only, unknown fields ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Hello(ClientMessage):
    """First message of a connection."""

    type: Literal["hello"]
    token: Annotated[str, Field(max_length=512)] | None = None
    client: Annotated[str, Field(max_length=200)] = ""


MessageId = int | Annotated[str, Field(max_length=64)]
SinceFields = dict[str, str | dict[str, Annotated[int, Field(ge=0)]]]
_SINCE = 'expected {"epoch": "…", "<stream>": {"<topic>": number}} with the epoch of these numbers, none below 0'


def _one_person(stream: str) -> str:
    if stream == "*":
        raise PydanticCustomError("stream", "'*' is everyone; name one stream")
    return stream


OneStream = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_one_person)]


class Subscribe(ClientMessage):
    """Ask for topics of a stream, or of all streams (`*`)."""

    type: Literal["subscribe"]
    id: MessageId | None = None
    stream: Annotated[str, Field(min_length=1, max_length=64)]
    topics: Annotated[list[Topic], Field(min_length=1)]
    rate_hz: Annotated[float, Field(gt=0.0, le=1000.0)] | None = None
    since: SinceFields | None = Field(
        default=None, description='Where reading stopped: {"epoch": …, "<stream>": {"<topic>": seq}}'
    )

    @field_validator("since", mode="wrap")
    @classmethod
    def _readable(cls, value: object, read: ValidatorFunctionWrapHandler) -> SinceFields | None:
        """Say what is expected as a whole: of a number that is wrong pydantic says that it is no string."""
        try:
            since: SinceFields | None = read(value)
        except ValidationError as error:
            raise PydanticCustomError("since", _SINCE) from error
        if since is not None and [key for key, seen in since.items() if isinstance(seen, str)] != ["epoch"]:
            raise PydanticCustomError("since", _SINCE)
        return since


class Unsubscribe(ClientMessage):
    """Ask for no more of topics."""

    type: Literal["unsubscribe"]
    id: MessageId | None = None
    stream: Annotated[str, Field(min_length=1, max_length=64)]
    topics: Annotated[list[Topic], Field(min_length=1)]


class Heard(ClientMessage):
    """When the pong to an earlier ping reached the client: what completes an exchange of clocks."""

    t0: float | int = Field(description="The `t0` of that ping")
    t3: float | int = Field(description="When its pong was heard, the client's monotonic clock, ms")


class Ping(ClientMessage):
    """Ask for the server's time."""

    type: Literal["ping"]
    t0: float | int = Field(description="The client's monotonic clock, ms; comes back as it was")
    previous: Heard | None = None


class SendTrial(ClientMessage):
    """An answered trial. `run` and `trial` make it the same when it comes again."""

    type: Literal["trial"]
    stream: OneStream
    run: Annotated[str, Field(min_length=1, max_length=64)]
    trial: Annotated[int, Field(ge=0, le=2**53)]
    task: Annotated[str, Field(max_length=64)] = ""
    block: Annotated[int, Field(ge=0, le=2**31)] | None = None
    correct: bool
    rt_ms: float | int | None = Field(default=None, description="Below 100 it is no evidence; above 60 000 not a time")
    level: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        default=None, description="Level that the trial was done at; the one last set where it is left out"
    )
    t_client_ms: float | int | None = Field(default=None, description="The client's monotonic clock")
    uncertainty_ms: Annotated[float, Field(ge=0.0)] | None = None


class SendMarker(ClientMessage):
    """Something that happened in a task or a game."""

    type: Literal["marker"]
    stream: OneStream
    label: Annotated[str, Field(min_length=1, max_length=256)]
    t_client_ms: float | int | None = Field(default=None, description="The client's monotonic clock")
    uncertainty_ms: Annotated[float, Field(ge=0.0)] | None = None


CLIENT_MESSAGES: tuple[type[BaseModel], ...] = (Hello, Subscribe, Unsubscribe, Ping, SendTrial, SendMarker)
