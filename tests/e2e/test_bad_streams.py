"""Bad streams get a sentence; a good participant beside them loses nothing, which is looked at after every test."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pylsl
import pytest
from bystander import undisturbed
from cyton_on_a_pty import CytonOnAPty
from focusloop_process import Serve
from live_service import Talk
from lsl_outlets import Announcement, PacedOutlet
from played_person import person

from inference.bundle import find_model

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    sources = "good=simulator:manual?seed=3", "nofile=file:gone.edf"
    models = spoiled_models(tmp_path_factory.mktemp("models"))
    with Serve(tmp_path_factory.mktemp("data"), *sources, options=["--models-dir", str(models)]) as running:
        yield running


def spoiled_models(folder: Path) -> Path:
    """Copies of the default model: one `cut` short, one of `foreign` features, one that was only `renamed`."""
    default = find_model()

    def copy(lies_in: str, **changed: str) -> Path:
        copied = shutil.copytree(default.folder, folder / lies_in / "1.0.0")
        text = (copied / "model.toml").read_text("utf-8")
        for key, value in changed.items():
            text = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', text, count=1, flags=re.MULTILINE)
        (copied / "model.toml").write_text(text, "utf-8")
        return copied

    graph = copy("cut", name="cut") / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1000])
    copy("foreign", name="foreign", feature_schema="other/1")
    copy("renamed")
    return folder


@pytest.fixture(autouse=True)
def bystander(service: Serve) -> Iterator[None]:
    """Someone else's scores, looked at after every test."""
    with undisturbed(service, "good"):
        yield


@pytest.fixture
def client(service: Serve) -> Iterator[Talk]:
    with service.talk() as talk:
        talk.subscribe("focus", "status")
        yield talk


def of_bad(message: dict[str, Any]) -> bool:
    return message["type"] == "focus" and message["stream"] == "bad"


def is_valid(message: dict[str, Any]) -> bool:
    return of_bad(message) and message["valid"]


def told(message: dict[str, Any], says: str) -> bool:
    return message["type"] == "status" and message["stream"] == "bad" and says in message["detail"]


def refusal(service: Serve, uri: str, **more: str) -> str:
    """What the one who asked for the stream is told; no trace of it is left."""
    answer = service.http.post("/v1/streams", json={"id": "bad", "sources": [uri], **more})
    if answer.status_code == 201:
        service.http.delete("/v1/streams/bad")
    assert answer.status_code == 422, answer.text
    said = str(answer.json()["detail"])
    assert service.http.get("/v1/streams/bad").status_code == 404
    return said


def test_streams_that_cannot_be_scored_are_refused_in_one_sentence(service: Serve) -> None:
    bad = {
        "no channels": Announcement(n_channels=0, labels=(), units=()),
        "300 EEG channels, at most 256": Announcement(n_channels=300, labels=(), units=()),
        "is EEG": Announcement(types=("ecg", "aux", "aux", "emg")),
        "irregular (0 Hz)": Announcement(rate_hz=0.0),
        "50 Hz": Announcement(rate_hz=50.0),
        "20000 Hz": Announcement(rate_hz=20_000.0),
        "furlongs": Announcement(units=("furlongs",) * 4),
    }
    for says, announcement in bad.items():
        if announcement.n_channels:
            with PacedOutlet(announcement, pace_hz=100.0):
                said = refusal(service, f"lsl:source_id={announcement.source_id}")
        else:
            outlet = pylsl.StreamOutlet(announcement.info())
            said = refusal(service, f"lsl:source_id={announcement.source_id}")
            del outlet
        assert says in said
        assert "TestCap" in said
        assert "\n" not in said


def test_two_streams_that_match_are_listed_to_choose_from(service: Serve) -> None:
    one, two = Announcement(name="Twin"), Announcement(name="Twin")
    with PacedOutlet(one), PacedOutlet(two):
        said = refusal(service, "lsl:name=Twin")
    assert one.source_id in said
    assert two.source_id in said


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("lsl:colour=red", "colour"),
        ("brainflow:abacus", "abacus"),
        ("brainflow:cyton", "serial_port"),
        ("simulator:genius", "genius"),
        ("telepathy:now", "telepathy"),
        ("file:broken.edf", "broken.edf"),
        ("file:gone.edf", "gone.edf: does not exist"),
        ("file:folder", "is a folder"),
        ("file:notes.txt", "no header"),
        ("file:" + "n" * 300, "cannot be read"),
        ("file:a%00.edf", "control character"),
        ("simulator:focus?montage=Fp1,Nose", "Nose"),
    ],
)
def test_a_uri_that_cannot_work_is_refused_naming_what_is_wrong(service: Serve, uri: str, says: str) -> None:
    (service.data_dir / "broken.edf").write_bytes(b"0       nobody" * 20)
    (service.data_dir / "notes.txt").write_text("Dear diary")
    (service.data_dir / "folder").mkdir(exist_ok=True)
    assert says in refusal(service, uri)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("cut", "was changed or cut short; restore it"),
        ("foreign", "was trained on features 'other/1'"),
        ("renamed", "says focus-attention@1.0.0, its folder renamed@1.0.0"),
        ("crystal-ball", "no model 'crystal-ball'; there are cut@1.0.0, foreign@1.0.0, renamed@1.0.0, focus-attention"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_naming_what_is_wrong(service: Serve, model: str, says: str) -> None:
    said = refusal(service, "simulator:focus", model=model)
    assert says in said
    assert "\n" not in said


def test_a_configured_file_that_is_not_there_fails_and_says_so(service: Serve) -> None:
    view = service.http.get("/v1/streams/nofile").json()
    assert view["state"] == "failed"
    assert "gone.edf: does not exist" in view["detail"]


def test_a_stream_that_is_not_there_yet_is_named_and_waited_for(service: Serve, client: Talk) -> None:
    cap = Announcement(name="Late")
    with service.stream("bad", f"lsl:source_id={cap.source_id}") as view:
        assert view["state"] == "connecting"
        assert service.first(client, lambda m: told(m, cap.source_id), "a word")["state"] == "connecting"
        service.first(client, lambda m: of_bad(m) and m["reason"] == "no_data", "no_data")
        with PacedOutlet(cap, person()):
            service.first(client, is_valid, "a score once it is there")


def test_one_channel_is_judged_and_never_crashes(service: Serve, client: Talk) -> None:
    single = Announcement(n_channels=1, labels=("O1",), units=("uV",))
    samples = person()
    with (
        PacedOutlet(single, lambda k, n: samples(k, n)[2:3]),
        service.stream("bad", f"lsl:source_id={single.source_id}"),
    ):
        score = service.first(client, lambda m: of_bad(m) and m["reason"] not in ("no_data", "warming_up"), "a verdict")
    assert score["valid"] is (score["reason"] is None)
    assert all(score[name] is None for name in ("value", "raw", "steady")) is not score["valid"]


def test_samples_that_are_no_numbers_cost_their_electrode_and_nothing_else(service: Serve, client: Talk) -> None:
    broken = {"nan": math.nan, "inf": math.inf}
    holds: list[str] = []

    def change(k: int, sample: list[float]) -> list[float]:
        if "one" in holds and k % 2:
            sample[1] = broken["nan" if k % 3 else "inf"]
        return sample if "all" not in holds else [math.nan, math.inf, -math.inf, math.nan]

    cap = Announcement()
    with PacedOutlet(cap, person(change)), service.stream("bad", f"lsl:source_id={cap.source_id}"):
        service.first(client, lambda m: is_valid(m) and m["quality"] > 0.95, "a score of all four")
        holds.append("one")
        three = service.first(client, lambda m: is_valid(m) and m["quality"] < 0.85, "a score of three electrodes")
        assert math.isfinite(three["value"])
        holds.append("all")
        none = service.first(client, lambda m: of_bad(m) and not m["valid"], "no score")
        assert none["value"] is None
        holds.clear()
        service.first(client, lambda m: is_valid(m) and m["quality"] > 0.95, "a score of all four again")


def test_stamps_that_jump_or_repeat_do_not_take_the_scores_along(service: Serve, client: Talk) -> None:
    shift_s, frozen_s = [0.0], [0.0]

    def stamp(_k: int, now_s: float) -> float:
        return frozen_s[0] or now_s + shift_s[0]

    def follows(message: dict[str, Any]) -> bool:
        if not of_bad(message) or message["t_lsl_s"] is None:
            return False
        late_s = pylsl.local_clock() - message["t_lsl_s"]
        assert late_s > -0.5, "a score of the future"
        return message["valid"] and late_s < 0.5

    cap = Announcement()
    with PacedOutlet(cap, person(), stamp), service.stream("bad", f"lsl:source_id={cap.source_id}"):
        service.first(client, follows, "a score")
        for jump_s in (HOUR_S, 0.0, -HOUR_S, 0.0):
            shift_s[0] = jump_s
            client.synchronise()
            service.first(client, follows, f"a score of now with stamps that are {jump_s:g} s off")
        frozen_s[0] = pylsl.local_clock()
        unlike = service.first(client, lambda m: of_bad(m) and not m["valid"], "an end of the scores")
        assert unlike["reason"] in ("warming_up", "stale", "artifact")
        frozen_s[0] = 0.0
        service.first(client, follows, "a score after stamps that stood still")


def test_a_flood_is_bounded_and_named(service: Serve, client: Talk) -> None:
    flood = Announcement()
    with PacedOutlet(flood, pace_hz=30_000.0, burst=300), service.stream("bad", f"lsl:source_id={flood.source_id}"):
        status = service.first(client, lambda m: told(m, "floods"), "a flood that is named")
    assert "1000 samples a second" in status["detail"]


def test_a_board_that_never_answers_is_looked_for_and_named(service: Serve, client: Talk) -> None:
    with CytonOnAPty(answers=False) as board:
        with service.stream("bad", f"brainflow:cyton?serial_port={board.port}") as view:
            assert view["state"] == "connecting"
            service.first(client, lambda m: of_bad(m) and m["reason"] == "no_data", "no_data")
            status = service.first(client, lambda m: told(m, "Cyton"), "a sentence about the board")
        assert status["state"] == "connecting"
