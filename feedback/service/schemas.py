"""The wire in pydantic: what clients may send, and what OpenAPI and AsyncAPI say about it. Never on the hot path."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from bci.types import Origin, SourceState
from inference.types import Reason

Topic = Literal[
    "focus",
    "status",
    "quality",
    "bands",
    "spectrum",
    "raw",
    "gaze",
    "difficulty",
    "trial",
    "marker",
    "calibration",
    "proposal",
    "explanation",
]
TOPICS: tuple[str, ...] = get_args(Topic)
LATER_TOPICS = frozenset({"gaze", "difficulty", "trial", "marker", "proposal", "explanation"})
"""Topics of the contract that no stream of this version has."""

ErrorCode = Literal[
    "bad_message",
    "unknown_type",
    "unknown_topic",
    "no_such_stream",
    "too_many",
    "rate_limited",
    "not_allowed",
    "conflict",
]

RESERVED_IDS = frozenset({"epoch", "*"})
"""Ids that would mean something else in `since` and `subscribe`."""

StreamId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


# What a WebSocket client sends


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


class Ping(ClientMessage):
    """Ask for the server's time."""

    type: Literal["ping"]
    t0: float | int = Field(description="The client's monotonic clock, ms; comes back as it was")


# What an HTTP client sends


class RequestBody(BaseModel):
    """Base of HTTP bodies: a misspelt key is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _split_montage(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class AddStream(RequestBody):
    """Open a stream."""

    id: StreamId
    sources: Annotated[list[Annotated[str, Field(min_length=1, max_length=2048)]], Field(min_length=1, max_length=8)]
    montage: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=512)] | None = None
    model: Annotated[str, Field(max_length=128)] | None = None

    _montage = field_validator("montage", mode="before")(_split_montage)

    @field_validator("id")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED_IDS:
            msg = f"'{value}' is reserved; choose another id"
            raise ValueError(msg)
        return value


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


class IssueToken(RequestBody):
    """Make a token for a game or a task."""

    scope: Annotated[str, StringConstraints(pattern=r"^participant:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    hours: Annotated[float, Field(gt=0.0, le=24.0 * 90)] = 8.0


class SetPaused(RequestBody):
    """Pause or resume scoring."""

    paused: bool


class MoveSimulator(RequestBody):
    """Move the slider of `simulator:manual`, press one of its buttons."""

    attention: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    fault: Annotated[str, Field(max_length=64)] | None = None


# What the service sends


class _Addressed(BaseModel):
    stream: str
    epoch: str = Field(description="Random per start of the service; `seq` counts within it")
    seq: int = Field(description="Per stream and topic, from 1")


_Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class Focus(_Addressed):
    """The score. All values are null when `valid` is false, and `reason` says why."""

    type: Literal["focus"]
    t_unix_s: float
    t_lsl_s: float | None = Field(description="Corrected stamp of the newest sample used, LSL clock; null before any")
    origin: Origin
    value: _Unit | None = Field(description="Calibrated probability after smoothing")
    steady: _Unit | None = Field(description="Causal 20-s mean of valid scores")
    relative: _Unit | None = Field(description="Place among this person's own scores of the session; 0.5 = as usual")
    raw: _Unit | None = Field(description="Calibrated probability before smoothing")
    valid: bool
    reason: Reason | None
    confidence: _Unit | None = Field(description="Expected accuracy, as the model card defines it")
    quality: _Unit | None = Field(description="Share of usable channel-time")
    calibrated: bool
    certificate: dict[str, float] | None = Field(description="auc, low, high, age_days of the head in use")
    modalities: list[str]
    model: str
    window_s: float
    delay_s: float = Field(description="Group delay at 10 Hz plus smoothing; the window comes on top")
    response_s: float | None = Field(description="Measured time to 63 % of a step")
    age_ms: float | None = Field(description="Newest sample to encoding")


class Status(_Addressed):
    """State of a stream."""

    type: Literal["status"]
    state: SourceState
    detail: str
    rate_hz: float | None
    lost_samples: int
    battery: float | None


class CalibrationMessage(_Addressed):
    """Progress of a baseline, or of a guided calibration: there `phase` is what the person is to do now."""

    type: Literal["calibration"]
    state: Literal["running", "done", "refused", "cancelled"]
    phase: str | None
    progress: _Unit
    code: str | None
    message: str
    block: int | None = Field(None, description="Guided: the one that runs, from 1")
    blocks: int | None = None
    block_left_s: float | None = None
    left_s: float | None = None
    certificate: dict[str, Any] | None = Field(None, description="What was measured, passed or not")


class Display(_Addressed):
    """`quality`, `bands`, `spectrum` and `raw`: for display; more fields than these."""

    model_config = ConfigDict(extra="allow")
    type: Literal["quality", "bands", "spectrum", "raw"]


class Time(BaseModel):
    """One moment on both clocks."""

    unix_s: float
    lsl_s: float


class Welcome(BaseModel):
    """Answer to a good hello."""

    type: Literal["welcome"]
    protocol: Literal[1]
    server: str
    epoch: str
    time: Time
    streams: list[dict[str, Any]]


class Refused(BaseModel):
    """A topic that is not delivered, and why."""

    topic: str
    code: ErrorCode
    message: str


class Subscribed(BaseModel):
    """Answer to subscribe and unsubscribe: what is delivered from now on, what not."""

    type: Literal["subscribed", "unsubscribed"]
    id: int | str | None
    accepted: list[str]
    refused: list[Refused]


class Lagged(BaseModel):
    """The client fell behind; the newest message follows."""

    type: Literal["lagged"]
    stream: str
    topic: str
    missed: int


class Pong(BaseModel):
    """Answer to ping."""

    type: Literal["pong"]
    t0: float
    t1: float = Field(description="Received, LSL clock, s")
    t2: float = Field(description="Answered, LSL clock, s")


class Error(BaseModel):
    """What was wrong with a message."""

    type: Literal["error"]
    id: int | str | None = None
    code: ErrorCode
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


CLIENT_MESSAGES: tuple[type[BaseModel], ...] = (Hello, Subscribe, Unsubscribe, Ping)
SERVER_MESSAGES: tuple[type[BaseModel], ...] = (
    Welcome,
    Subscribed,
    Focus,
    Status,
    CalibrationMessage,
    Display,
    Lagged,
    Pong,
    Error,
)
