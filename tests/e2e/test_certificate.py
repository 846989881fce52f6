"""A simulated person's minutes over live LSL become a certificate through the real service, or are refused."""

from __future__ import annotations

import os
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from focusloop_process import TOKEN, Serve, command

from bci.outlet import publish
from bci.simulator.cued import AT_REST, AT_WORK
from bci.sources.simulator import ManualSimulator
from bci.uri import parse_uri

Message = dict[str, Any]

PEOPLE = {
    "reader": "simulator:manual?seed=3&attention=0.1",
    "blinker": "simulator:manual?seed=3&effect=0&blink_effect=1&attention=0.1",
    "leaver": "simulator:manual?seed=5&attention=0.1",
}
BLOCKS, BLOCK_S = 30, 10.0
"""As people are measured. With 16 blocks as short as a window allows, a simulated person passes once in ten times."""

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not os.environ.get("FOCUSLOOP_LONG_TESTS"), reason="six minutes of live LSL: FOCUSLOOP_LONG_TESTS=1"
    ),
]


@contextmanager
def headset(name: str, source_id: str) -> Iterator[ManualSimulator]:
    """A simulated person behind a real LSL outlet."""
    person = ManualSimulator(parse_uri(PEOPLE[name]))
    person.open()
    stop = threading.Event()
    outlet = threading.Thread(target=publish, args=(person, stop), kwargs={"source_id": source_id}, name=name)
    outlet.start()
    try:
        yield person
    finally:
        stop.set()
        outlet.join()
        person.close()


@dataclass
class Story:
    """What came of it."""

    ends: dict[str, Message] = field(default_factory=dict)
    phases: dict[str, list[str]] = field(default_factory=dict)
    said: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    refused: dict[str, Message] = field(default_factory=dict)
    scored: dict[str, Message] = field(default_factory=dict)
    after_restart: Message = field(default_factory=dict)
    views: dict[str, Message] = field(default_factory=dict)
    forgotten: Message = field(default_factory=dict)
    history_after: int = -1


def adapt(service: Serve, name: str) -> subprocess.Popen[str]:
    arguments = ["adapt", name, "--service", service.url, "--token", TOKEN]
    arguments += ["--blocks", str(BLOCKS), "--block-seconds", str(BLOCK_S)]
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def valid_score(service: Serve, name: str, *, certified: bool) -> Message:
    with service.talk() as client:
        client.subscribe("focus", stream=name)
        return service.first(
            client, lambda m: m["type"] == "focus" and m["valid"] and (m["certificate"] is not None) == certified, name
        )


def calibrate(service: Serve, people: dict[str, ManualSimulator], story: Story) -> None:
    """Guide all of them at once; each does as its cues say, and one is broken off after some blocks."""
    with service.talk() as client:
        client.subscribe("calibration")
        processes = {name: adapt(service, name) for name in ("reader", "blinker")}
        begun = service.http.post(
            "/v1/streams/leaver/calibration", json={"kind": "certificate", "blocks": BLOCKS, "block_seconds": BLOCK_S}
        )
        assert begun.status_code == 202, begun.text
        for message in service.messages(client, 400.0):
            name = message["stream"]
            phases = story.phases.setdefault(name, [])
            if message["state"] != "running":
                story.ends[name] = message
                if len(story.ends) == len(people):
                    break
            elif not phases or message["phase"] != phases[-1]:
                phases.append(message["phase"])
                people[name].set_attention({"cross": AT_REST, "task": AT_WORK}.get(message["phase"], 0.5))
            if name == "leaver" and message["state"] == "running" and message["block"] > 3:
                service.http.delete("/v1/streams/leaver/calibration").raise_for_status()
        for name, process in processes.items():
            out, err = process.communicate(timeout=30)
            story.said[name] = (process.returncode, out, err)


def refuse(service: Serve, story: Story) -> None:
    bodies: dict[str, Message] = {
        "one block": {"kind": "certificate", "blocks": 1, "block_seconds": 30},
        "one pair": {"kind": "certificate", "blocks": 2, "block_seconds": 30},
        "too short": {"kind": "certificate", "blocks": 16, "block_seconds": 2},
        "mixed": {"kind": "certificate", "phases": ["eyes_closed"]},
    }
    for what, body in bodies.items():
        answer = service.http.post("/v1/streams/reader/calibration", json=body)
        story.refused[what] = {"status": answer.status_code, "text": answer.text}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("certificate")
    story = Story()
    ids = {name: f"test-{name}-{uuid.uuid4().hex[:8]}" for name in PEOPLE}
    with ExitStack() as worn:
        people = {name: worn.enter_context(headset(name, ids[name])) for name in PEOPLE}

        def add(service: Serve, *names: str) -> None:
            for name in names:
                body = {"id": name, "sources": [f"lsl:source_id={ids[name]}"]}
                added = service.http.post("/v1/streams", json=body)
                assert added.status_code == 201, added.text

        with Serve(root / "data") as service:
            add(service, *PEOPLE)
            for name in PEOPLE:
                valid_score(service, name, certified=False)
            refuse(service, story)
            calibrate(service, people, story)
            assert story.ends["reader"]["state"] == "done", story.ends["reader"]
            story.scored["reader"] = valid_score(service, "reader", certified=True)
            story.scored["blinker"] = valid_score(service, "blinker", certified=False)
            story.views = {name: service.http.get(f"/v1/streams/{name}").json() for name in PEOPLE}
        with Serve(root / "data") as service:
            add(service, "reader")
            story.after_restart = valid_score(service, "reader", certified=True)
            service.http.delete("/v1/streams/reader/calibration", params={"forget": True}).raise_for_status()
            story.forgotten = valid_score(service, "reader", certified=False)
            story.history_after = len(service.http.get("/v1/streams/reader/calibration").json()["history"])
    return story


def test_who_can_be_read_gets_a_certificate_and_their_score_uses_it(story: Story) -> None:
    end = story.ends["reader"]
    assert end["state"] == "done", end
    found = end["certificate"]
    assert found["verdict"] == "passed"
    assert found["brain"]["p_value"] <= 0.01
    code, out, err = story.said["reader"]
    assert code == 0, err
    assert out.startswith("We can read your focus with ")
    score = story.scored["reader"]
    assert score["certificate"] == {
        "auc": round(found["brain"]["auc"], 3),
        "low": round(found["brain"]["low"], 3),
        "high": round(found["brain"]["high"], 3),
        "age_days": 0.0,
    }
    assert score["calibrated"]
    assert 0.5 <= score["confidence"] <= found["accuracy"] + 1e-9
    assert story.views["reader"]["certificate"]["in_use"]


def test_the_person_was_told_what_to_do_in_alternating_blocks(story: Story) -> None:
    phases = story.phases["reader"]
    assert phases[0] == "ready"
    assert phases[-1] == "measuring"
    # Two blocks of one kind may follow each other, pairs never hold two.
    assert set(phases[1:-1]) == {"cross", "task"}
    assert BLOCKS // 2 <= len(phases) - 2 <= BLOCKS


def test_who_is_betrayed_by_blinks_alone_gets_none_and_is_told_why(story: Story) -> None:
    end = story.ends["blinker"]
    assert end["state"] == "refused", end
    assert end["code"] in ("rests_on_eyes", "not_readable")
    code, out, _ = story.said["blinker"]
    assert code == 1
    assert "The score stays the general one" in out
    assert not story.views["blinker"]["certificate"]["in_use"]
    assert story.scored["blinker"]["certificate"] is None


def test_a_calibration_that_is_broken_off_certifies_nothing_and_says_what_to_do(story: Story) -> None:
    end = story.ends["leaver"]
    assert (end["state"], end["code"], end["certificate"]) == ("cancelled", "broken_off", None)
    assert "begin again" in end["message"]
    assert story.views["leaver"]["certificate"] is None


def test_plans_that_cannot_be_certified_are_refused_before_anyone_sits_through_them(story: Story) -> None:
    for what, answer in story.refused.items():
        assert answer["status"] in (400, 422), (what, answer)
    assert "even number from 16" in story.refused["one block"]["text"]
    assert "even number from 16" in story.refused["one pair"]["text"]
    assert "expected 6.4 to 60" in story.refused["too short"]["text"]


def test_a_certificate_outlives_the_service_and_is_forgotten_on_request(story: Story) -> None:
    assert story.after_restart["certificate"]["auc"] == story.scored["reader"]["certificate"]["auc"]
    assert story.after_restart["calibrated"]
    assert not story.forgotten["calibrated"]
    assert story.history_after == 0
