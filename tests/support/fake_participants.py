"""Participants without devices or models: the service is tested against the port alone.

Run as a program it is a whole service: `python fake_participants.py '{"port": 0, ...}'` prints its URL.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bci.config import NeurofeedbackConfig, PlanConfig
from bci.errors import ConfigError, ConflictError, NoSuchStreamError, SourceError, SourceNotFoundError
from bci.uri import parse_uri
from feedback.service.hub import Hub
from feedback.service.ports import View
from feedback.service.trial_clock import Stamp
from feedback.service.wire.client_messages import SendMarker, SendTrial
from feedback.service.wire.http_bodies import AnswerProposal, SetController

FOCUS: dict[str, Any] = {
    "t_unix_s": 1795305600.123,
    "t_lsl_s": 90321.456,
    "origin": "simulator",
    "value": 0.71,
    "steady": 0.68,
    "relative": 0.62,
    "raw": 0.74,
    "valid": True,
    "reason": None,
    "confidence": 0.83,
    "quality": 0.97,
    "calibrated": True,
    "certificate": None,
    "modalities": ["eeg"],
    "model": "focus-attention@1.0.0",
    "window_s": 4.0,
    "delay_s": 1.1,
    "response_s": 2.9,
    "recorded": True,
    "age_ms": 1.4,
}


BASELINE: dict[str, Any] = {"eyes": "open", "clean_s": 30.0, "age_s": 125.0, "taken": "2026-11-26T02:00:00+00:00"}


class FakeParticipants:
    """Keeps what it was told; scores come from a thread of its own, as the engine's do."""

    def __init__(self, streams: Sequence[str] = ("p01",), score_hz: float = 0.0, slow_start: bool = False) -> None:
        self.hub: Hub | None = None
        self.is_ready = not slow_start
        self.fail_startup: str | None = None
        self._streams: dict[str, View] = {}
        for stream in streams:
            self._open(stream, ["simulator:manual"])
        self._score_hz = score_hz
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._score, name="worker", daemon=True)
        self.calibrations = FakeCalibrations(self)
        self.loop = FakeLoop(self)
        self.simulated: dict[str, tuple[float | None, str | None]] = {}

    def _open(self, stream: str, sources: Sequence[str]) -> View:
        view: View = {
            "id": stream,
            "sources": list(sources),
            "state": "streaming",
            "origin": "simulator",
            "device": "Simulated headset",
            "paused": False,
            "simulator": {"attention": 0.5, "fault": None} if list(sources) == ["simulator:manual"] else None,
        }
        self._streams[stream] = view
        return view

    def _score(self) -> None:
        began_s, count = time.monotonic(), 0
        while not self._stop.wait(max(0.0, began_s + count / self._score_hz - time.monotonic())):
            count += 1
            for stream in list(self._streams):
                assert self.hub is not None
                self.hub.publish(stream, "focus", {**FOCUS, "t_lsl_s": time.monotonic()})

    async def startup(self, hub: Hub) -> None:
        if self.fail_startup is not None:
            raise SourceError(self.fail_startup)
        self.hub = hub
        for stream in self._streams:
            self._tell(stream)
        if self._score_hz > 0:
            self._worker.start()

    def _tell(self, stream: str) -> None:
        assert self.hub is not None
        status = {"state": "streaming", "detail": "", "rate_hz": 250.0, "lost_samples": 0, "battery": None}
        self.hub.publish(stream, "status", status)

    async def shutdown(self) -> None:
        self._stop.set()
        if self._worker.is_alive():
            self._worker.join(timeout=2.0)

    def ready(self) -> tuple[bool, str]:
        return self.is_ready, "" if self.is_ready else "the model is warming up"

    def streams(self) -> list[str]:
        return list(self._streams)

    def view(self, stream: str) -> View:
        found = self._streams.get(stream)
        if found is None:
            msg = f"no stream '{stream}'"
            raise NoSuchStreamError(msg)
        return found

    async def add(self, stream: str, sources: Sequence[str], montage: Sequence[str] | None, model: str | None) -> View:
        if stream in self._streams:
            msg = f"stream '{stream}' is there already"
            raise ConflictError(msg)
        for uri in sources:
            if parse_uri(uri).scheme == "lsl":
                msg = "no LSL stream found; see `focusloop devices`"
                raise SourceNotFoundError(msg)
        view = self._open(stream, sources)
        view["montage"] = montage
        view["model"] = model
        self._tell(stream)
        return view

    async def remove(self, stream: str) -> None:
        self.view(stream)
        del self._streams[stream]
        assert self.hub is not None
        self.hub.forget(stream)

    def set_paused(self, stream: str, paused: bool) -> None:
        self.view(stream)["paused"] = paused

    async def simulate(self, stream: str, attention: float | None, fault: str | None) -> None:
        if self.view(stream)["sources"] != ["simulator:manual"]:
            msg = f"'{stream}' is no simulator:manual"
            raise ConflictError(msg)
        if fault not in (None, "stale"):
            msg = f"unknown fault '{fault}'; known: stale"
            raise ConfigError(msg)
        self.simulated[stream] = (attention, fault)
        before: View = self._streams[stream]["simulator"]
        moved = before["attention"] if attention is None else attention
        self._streams[stream]["simulator"] = {"attention": moved, "fault": fault}

    async def sessions(self) -> View:
        return {"recording": True, "sessions": [], "disk": {"used_bytes": 0, "limit_bytes": None, "free_bytes": 1}}

    async def devices(self) -> Mapping[str, Any]:
        return {"here": [], "possible": []}

    def models(self) -> list[View]:
        return [{"id": "focus-attention@1.0.0"}]


class FakeCalibrations:
    """Calibrations that never end by themselves."""

    def __init__(self, of: FakeParticipants) -> None:
        self._of = of
        self._states: dict[str, View] = {}

    async def start(self, stream: str, seconds: float, phases: Sequence[str]) -> View:
        self._of.view(stream)
        if self._states.get(stream, {}).get("state") == "running":
            msg = "a calibration is running"
            raise ConflictError(msg)
        self._states[stream] = {
            "state": "running",
            "phase": phases[0],
            "progress": 0.0,
            "code": None,
            "message": f"{seconds:g} s",
        }
        return self._told(stream)

    async def start_certificate(self, stream: str, blocks: int, block_seconds: float) -> View:
        self._of.view(stream)
        self._states[stream] = {
            "state": "running",
            "phase": "ready",
            "progress": 0.0,
            "code": None,
            "message": "",
            "block": 1,
            "blocks": blocks,
            "block_left_s": block_seconds,
            "left_s": blocks * block_seconds,
            "certificate": None,
        }
        return self._told(stream)

    def view(self, stream: str) -> View:
        self._of.view(stream)
        return self._states.get(stream, {"state": "none"})

    async def cancel(self, stream: str, *, forget: bool = False) -> None:
        self._of.view(stream)
        self._states[stream] = {"state": "cancelled"}
        if forget:
            self._of.view(stream).update(baseline=None, baseline_ended=False)

    async def confirm_baseline(self, stream: str) -> None:
        view = self._of.view(stream)
        if not view.get("baseline_ended"):
            msg = f"'{stream}' has no baseline that ended"
            raise ConflictError(msg)
        view.update(baseline=BASELINE, baseline_ended=False)

    def _told(self, stream: str) -> View:
        assert self._of.hub is not None
        self._of.hub.publish(stream, "calibration", self._states[stream])
        return self._states[stream]


class FakeLoop:
    """Keeps trials, markers and answers."""

    def __init__(self, of: FakeParticipants) -> None:
        self._of = of
        self._controllers: dict[str, View] = {}
        self._neurofeedbacks: dict[str, View] = {}
        self._plans: dict[str, View] = {}
        self.trials: dict[tuple[str, str, int], tuple[SendTrial, Stamp]] = {}
        self.markers: list[tuple[SendMarker, Stamp]] = []
        self.answers: list[tuple[str, str, bool]] = []

    def accept_trial(self, trial: SendTrial, stamp: Stamp, kept: Callable[[bool], None]) -> None:
        key = (trial.stream, trial.run, trial.trial)
        duplicate = key in self.trials
        if not duplicate:
            self.trials[key] = (trial, stamp)
        kept(duplicate)

    def accept_marker(self, marker: SendMarker, stamp: Stamp) -> None:
        self.markers.append((marker, stamp))

    def answer_proposal(self, stream: str, answer: AnswerProposal) -> None:
        self._of.view(stream)
        self.answers.append((stream, answer.kind, answer.accepted))

    def set_controller(self, stream: str, asked: SetController) -> View:
        self._of.view(stream)
        if asked.policy != "fused":
            msg = f"policy '{asked.policy}': known are fused"
            raise ConfigError(msg)
        self._controllers[stream] = {**asked.model_dump(), "state": "waiting"}
        return self._controllers[stream]

    def controller(self, stream: str) -> View:
        self._of.view(stream)
        return self._controllers.get(stream, {"state": "none"})

    def end_controller(self, stream: str) -> None:
        self._of.view(stream)
        self._controllers.pop(stream, None)

    def set_neurofeedback(self, stream: str, asked: NeurofeedbackConfig) -> View:
        self._of.view(stream)
        self._neurofeedbacks[stream] = {**asked.model_dump(), "state": "rest"}
        return self._neurofeedbacks[stream]

    def neurofeedback(self, stream: str) -> View:
        self._of.view(stream)
        return self._neurofeedbacks.get(stream, {"state": "none"})

    def end_neurofeedback(self, stream: str) -> None:
        self._of.view(stream)
        self._neurofeedbacks.pop(stream, None)

    def set_plan(self, stream: str, asked: PlanConfig) -> View:
        self._of.view(stream)
        self._plans[stream] = asked.model_dump()
        return self._plans[stream]

    def plan(self, stream: str) -> View:
        self._of.view(stream)
        return self._plans.get(stream, {"tasks": [], "left_s": None})

    def end_plan(self, stream: str) -> None:
        self._of.view(stream)
        self._plans.pop(stream, None)


def main() -> None:
    """Serve until SIGTERM."""
    from feedback.service.app import run_service
    from feedback.service.garbage import keep_what_is_loaded
    from feedback.service.settings import ServiceError, ServiceSettings

    options = json.loads(sys.argv[1])
    settings = ServiceSettings(
        host=options.get("host", "127.0.0.1"),
        port=options.get("port", 0),
        token=options.get("token"),
        allow_origins=tuple(options.get("allow_origins", ())),
        data_dir=Path(options["data_dir"]),
    )
    fake = FakeParticipants(options.get("streams", ["p01"]), options.get("score_hz", 0.0))
    fake.fail_startup = options.get("fail_startup")
    keep_what_is_loaded()  # as `feedback.participants` does
    try:
        run_service(settings, fake, announce=lambda url: print(url, flush=True))  # noqa: T201 - its answer
    except (ServiceError, SourceError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
