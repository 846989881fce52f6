"""The wire in pydantic: what clients may send, and what OpenAPI and AsyncAPI say about it. Never on the hot path."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from bci.types import Origin, SourceState
from inference.attribution import Region
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
LATER_TOPICS = frozenset({"gaze"})
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

ProposalKind = Literal["rest", "next_task", "recalibration"]

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


class SetController(RequestBody):
    """Give a stream a difficulty controller, or change the one it has."""

    policy: Annotated[str, Field(max_length=64)] = "fused"
    target: float | None = Field(default=None, description="Share of correct answers; .80 where it is left out")
    limits: dict[str, float] = {}
    params: dict[str, bool | float] = {}


class AnswerProposal(RequestBody):
    """Accept or refuse what was proposed; it is not proposed again for five minutes."""

    kind: ProposalKind
    accepted: bool


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
    recorded: bool = Field(description="It is being written to a recording; `status` says what hinders it")
    age_ms: float | None = Field(description="Newest sample to encoding")


class RecordingState(BaseModel):
    """What is recorded of a stream, and what hinders it."""

    session: str | None = Field(description="null where none could begin")
    problem: str | None = Field(description="A sentence; scores go on all the same")


class Status(_Addressed):
    """State of a stream."""

    type: Literal["status"]
    state: SourceState
    detail: str
    rate_hz: float | None
    lost_samples: int
    battery: float | None
    recording: RecordingState | None = Field(description="null where recording is off")


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


class After(BaseModel):
    """The trial that a difficulty follows."""

    run: str
    trial: int
    t_trial_lsl_s: float | None
    uncertainty_s: float | None


class Difficulty(_Addressed):
    """The next difficulty: after each trial counted, and where a controller starts, changes or holds."""

    type: Literal["difficulty"]
    t_unix_s: float
    t_lsl_s: float
    level: _Unit
    previous: _Unit
    difficulty: float = Field(description="The same in logits, within the limits of the task")
    reason: str
    policy: str
    target: float
    state: Literal["running", "holding"]
    figures: dict[str, float | bool | None]
    after: After | None = None


class _Stamped(_Addressed):
    t_unix_s: float
    t_lsl_s: float
    uncertainty_ms: float | None
    stamped: Literal["client", "arrival", "file"] = Field(
        description="By which clock; `file`: told by a recording that is played, and counted nowhere"
    )


class TrialMessage(_Stamped):
    """A trial as it was counted; a repeat is not told again."""

    type: Literal["trial"]
    run: str
    trial: int
    task: str
    block: int | None
    correct: bool
    rt_ms: float | None
    level: float | None


class MarkerMessage(_Stamped):
    """A marker that a client sent."""

    type: Literal["marker"]
    label: str


class ProposalMessage(_Addressed):
    """Something that a person may accept or refuse; nothing happens by itself."""

    type: Literal["proposal"]
    t_unix_s: float
    t_lsl_s: float
    kind: ProposalKind
    text: str
    evidence: dict[str, float | str | None]


class BandShare(BaseModel):
    """What one band adds to the score."""

    low_hz: float
    high_hz: float
    share: _Unit = Field(description="Of all that the bands change; they sum to 1")
    logit: float = Field(description="Positive raises the score")


class RegionShare(BaseModel):
    """What the electrodes of one region add to the score."""

    region: Region
    share: _Unit = Field(description="Of all that the regions change; they sum to 1")
    logit: float = Field(description="Positive raises the score")


class Explanation(_Addressed):
    """What the score rests on, once a second: each band and region put back to the person's rest and scored again."""

    type: Literal["explanation"]
    t_unix_s: float
    t_lsl_s: float | None
    valid: bool = Field(description="As of the score; where false all that follows `reason` is null")
    reason: Reason | None
    bands: list[BandShare] | None
    regions: list[RegionShare] | None = Field(description="Regions that have an electrode")
    ocular: _Unit | None = Field(description="Share that the eyes could have given: low bands of the front")
    muscular: _Unit | None = Field(description="Share that muscle could have given: bands above 25 Hz")


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


class Ack(BaseModel):
    """A trial is on disk; a repeat is acknowledged, not counted."""

    type: Literal["ack"]
    run: str
    trial: int
    duplicate: bool
    t_lsl_s: float = Field(description="Where the trial lies on the LSL clock")
    uncertainty_ms: float | None
    stamped: Literal["client", "arrival"]


class Error(BaseModel):
    """What was wrong with a message; `run` and `trial` come back where it was a trial."""

    type: Literal["error"]
    id: int | str | None = None
    run: str | None = None
    trial: int | None = None
    code: ErrorCode
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


CLIENT_MESSAGES: tuple[type[BaseModel], ...] = (Hello, Subscribe, Unsubscribe, Ping, SendTrial, SendMarker)
SERVER_MESSAGES: tuple[type[BaseModel], ...] = (
    Welcome,
    Subscribed,
    Focus,
    Status,
    CalibrationMessage,
    Difficulty,
    TrialMessage,
    MarkerMessage,
    ProposalMessage,
    Explanation,
    Display,
    Ack,
    Lagged,
    Pong,
    Error,
)
