"""What a WebSocket client may send."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

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


class Subscribe(ClientMessage):
    """Ask for topics of a stream, or of all streams (`*`)."""

    type: Literal["subscribe"]
    id: MessageId | None = None
    stream: Annotated[str, Field(min_length=1, max_length=64)]
    topics: Annotated[list[Topic], Field(min_length=1)]
    rate_hz: Annotated[float, Field(gt=0.0, le=1000.0)] | None = None
    since: dict[str, str | dict[str, Annotated[int, Field(ge=0)]]] | None = Field(
        default=None, description='Where reading stopped: {"epoch": …, "<stream>": {"<topic>": seq}}'
    )

    @field_validator("since")
    @classmethod
    def _has_epoch(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("epoch"), str):
            msg = "needs the epoch that its numbers belong to"
            raise ValueError(msg)
        if value is not None and any(isinstance(v, str) for k, v in value.items() if k != "epoch"):
            msg = 'expected {"epoch": "…", "<stream>": {"<topic>": number}}'
            raise ValueError(msg)
        return value


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
    stream: Annotated[str, Field(min_length=1, max_length=64)]
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
    stream: Annotated[str, Field(min_length=1, max_length=64)]
    label: Annotated[str, Field(min_length=1, max_length=256)]
    t_client_ms: float | int | None = Field(default=None, description="The client's monotonic clock")
    uncertainty_ms: Annotated[float, Field(ge=0.0)] | None = None


CLIENT_MESSAGES: tuple[type[BaseModel], ...] = (Hello, Subscribe, Unsubscribe, Ping, SendTrial, SendMarker)
