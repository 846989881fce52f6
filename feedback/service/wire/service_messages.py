"""What the service sends over the WebSocket."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bci.types import Origin, SourceState
from feedback.service.wire.topics import ErrorCode, ProposalKind
from inference.attribution import Region
from inference.types import Reason


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
    stamped: Literal["client", "arrival"]


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


class CriterionState(BaseModel):
    """One criterion at a moment."""

    name: str
    side: Literal["reward", "inhibit"]
    unit: Literal["dB", "1"] = Field(description="dB from each electrode's own rest; of the focus 1")
    reading: float | None
    threshold: float | None = Field(description="null until rest is measured")
    met: bool | None


class NeurofeedbackMessage(_Addressed):
    """What is rewarded, at every hop; nothing is where `valid` is false, and `reason` says why (null: rest runs)."""

    type: Literal["neurofeedback"]
    t_unix_s: float
    t_lsl_s: float
    origin: Origin
    state: Literal["rest", "running", "failed"]
    detail: str = Field(description="What was measured, or moved, last; why it failed")
    warnings: list[str]
    progress: _Unit = Field(description="Of clean rest")
    valid: bool
    reason: Reason | None
    rewarded: bool = Field(description="Discrete feedback: true at the moment of a reward")
    brightness: _Unit | None = Field(description="Continuous feedback: .5 at the threshold of the worst criterion")
    rewards: int
    predicted: _Unit | None = Field(description="Share of rest in which all criteria held together")
    share_met: _Unit | None = Field(description="Of the judged moments since rest")
    criteria: list[CriterionState]


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
    NeurofeedbackMessage,
    Display,
    Ack,
    Lagged,
    Pong,
    Error,
)
