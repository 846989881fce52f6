"""People of recorded sessions: what training sees of them, what it says of them, and whom it refuses."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_people import LABELS, generated_person
from labelled_sessions import START_S, marked, person_chunks, write
from session_files import chunks

from bci.errors import ConfigError, ConflictError, FocusloopError, NoLabelsError
from bci.types import Chunk
from feedback.cli.main import main
from inference.bundle import load_bundle
from inference.labels.spans import Wish
from inference.personal.cued_session import Condition
from inference.training import own as own_module
from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.own import own_config, train_sessions
from inference.training.sessions import read_own, with_common_electrodes
from inference.training.windows import WINDOW_HOPS, baseline_windows, ends_of

TINY = TrainingConfig(
    folds=4,
    members=2,
    width=4,
    steps=8,
    batch=32,
    baseline_s=20.0,
    baseline_starts_s=(0.0, 20.0, 120.0),
    table=512,
    response_people=2,
)
ORDER: tuple[Condition, ...] = ("cross", "task", "task", "cross") * 4
WISH = Wish(task=("count",))
NAMES = ("Zoë", "Adam", "Mia", "Noor")


def session(
    folder: Path,
    person: str,
    kind: str = "readable",
    seed: int = 40,
    order: tuple[Condition, ...] = ORDER,
    day: int = 1,
) -> Path:
    said = marked(order, {"cross": "rest", "task": "count"})
    parts = person_chunks(kind, seed, order)
    return write(folder, parts, said, session=f"202611{day:02d}T080000Z-{person}-aaaa", participant=person)


@pytest.fixture(scope="module")
def readable(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("readable")
    return [session(folder, name, seed=40 + n) for n, name in enumerate(NAMES)]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOCUSLOOP_DATA", str(tmp_path / "nothing"))
    path = tmp_path / "recipe.toml"
    path.write_text(TINY.to_toml())
    return path


def train(*arguments: str | Path, out: Path, recipe: Path) -> int:
    options = ["--out", out, "--config", recipe, "--data-dir", out.parent]
    return main(["train", "--sessions", *map(str, arguments), *map(str, options)])


def test_training_on_sessions_gives_a_model_that_loads_and_a_card_that_is_true_and_names_nobody(
    readable: list[Path], recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "models"
    assert train(*readable, "--task", "count", out=out, recipe=recipe) == 0
    said = capsys.readouterr()
    folder = out / "focus-own" / "1.0.0"
    assert said.out.strip() == str(folder)
    assert "trained on the sessions alone: no EEGMAT recordings" in said.err
    assert "baselines begin at 0, 20 s of the rest" in said.err
    assert "not asked, as their recordings are not beside the data: eyes: open, open" in said.err
    card = load_bundle(folder).card
    assert card.licence == "own recordings, no licence stated"
    evaluation = card.metrics["evaluation"]
    assert evaluation["people"] == 4
    assert str(evaluation["data"]).startswith(
        "own recordings (people: 4; sessions: 4, not live: 4; 4.7 min of rest, 4.7 min of task; task: 32 of "
        "markers 'count'; rest: 32 of markers 'rest'), task against rest"
    )
    assert card.metrics["rest_20s_8ch"]["auc_within"] > 0.7  # type: ignore[operator] - a number
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.suffix in (".md", ".toml")}
    assert not [name for name in NAMES if any(name in text for text in texts.values())]
    assert not [name for name, text in texts.items() if "EEGMAT (" in text or "Zyma" in text]
    assert "**4 of them SIMULATED or replayed, of no live headset**" in texts["CARD.md"]
    assert "It passes every gate that was asked. **Not asked, as their recordings were not there:" in texts["CARD.md"]
    assert "people = []" in texts["recipe.toml"]
    assert train(*readable, "--task", "count", out=out, recipe=recipe) == 1
    assert "is there already; give another --name or --out" in capsys.readouterr().err


def test_a_model_of_people_who_cannot_be_read_fails_a_null_and_is_not_exported(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [session(tmp_path, name, "unreadable", 60 + n) for n, name in enumerate(NAMES)]
    assert train(*paths, "--task", "count", "--only-sessions", out=tmp_path / "models", recipe=recipe) == 1
    assert "the model knows what it must not (" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_joined_to_eegmat_the_card_says_both(
    readable: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    def noted(corpus: list[Person], config: TrainingConfig, **how: Any) -> Path:  # noqa: ANN401 - as it is called
        told.update(how, corpus=corpus, config=config)
        return tmp_path

    monkeypatch.setattr(own_module, "eegmat_folder", lambda _data: tmp_path)
    monkeypatch.setattr(own_module, "read_eegmat", lambda *_: [generated_person(seed, rest_s=70) for seed in range(3)])
    monkeypatch.setattr(own_module, "train_on", noted)
    train_sessions(readable[:1], WISH, own_config(TINY, None), out=tmp_path / "m", tell=lambda _: None)
    assert [person.id for person in told["corpus"]] == ["generated0", "generated1", "generated2", "own01"]
    labels = {person.rest.labels for person in told["corpus"]}
    assert len(labels) == 1
    assert set(next(iter(labels))) < set(LABELS)
    on = told["trained_on"]
    assert "people: 1; sessions: 1, not live: 1" in on.told
    assert "All figures are of 4 people, those of EEGMAT among them." in on.warning
    assert "and 3 people of EEGMAT" in on.told
    assert "Open Data Commons" in on.licence
    assert "closed" in on.fields["eegmat"]
    assert told["config"].people == TINY.people


def test_no_window_reaches_over_a_seam_and_several_sessions_are_one_person(tmp_path: Path) -> None:
    paths = [session(tmp_path, "p01", day=day, order=ORDER[:8]) for day in (2, 1)]
    sentences: list[str] = []
    (person,) = read_own(paths, WISH, sentences.append).people
    assert person.id == "own01"
    assert len(sentences) == 2
    for series in (person.rest, person.task):
        edges = [0, *series.seams, len(series)]
        assert [two - one for one, two in pairwise(edges)] == pytest.approx([88] * 8, abs=1)
        for start in (0, 100):
            for end in ends_of(series, start, 3):
                assert not any(end - WINDOW_HOPS + 1 < seam <= end for seam in series.seams)
                assert end - WINDOW_HOPS + 1 >= start
    assert "below 30 Hz" in person.views
    rest, task = baseline_windows(person, 0, length_s=20.0, step=5)
    assert len(rest) > 20
    assert len(task) > 40


def test_without_seams_windows_end_where_they_always_did() -> None:
    series = generated_person(0).rest
    for start, step in ((0, 1), (17, 5), (len(series), 1)):
        np.testing.assert_array_equal(
            ends_of(series, start, step), np.arange(start + WINDOW_HOPS - 1, len(series), step)
        )


def test_the_frames_are_those_of_the_spans(tmp_path: Path) -> None:
    path = session(tmp_path, "p01")
    (person,) = read_own([path], WISH, lambda _: None).people
    quiet = [
        Chunk(c.spec, np.where(_in_task(c)[:, None], 0.0, c.data).astype(np.float32), c.timestamps_s, c.first_sample)
        for c in person_chunks("readable", 40, ORDER)
    ]
    said = marked(ORDER, {"cross": "rest", "task": "count"})
    (other,) = read_own([write(tmp_path / "q", quiet, said)], WISH, lambda _: None).people
    assert person.rest.usable.mean() > 0.9
    assert person.task.usable.mean() > 0.9
    assert other.task.usable.mean() < 0.05  # nothing of the rest is in it
    assert other.rest.usable.mean() > 0.5


def _in_task(chunk: Chunk) -> np.ndarray:
    at = np.floor((chunk.timestamps_s - START_S - 8.0) / 10.0).astype(int)
    return np.array([0 <= i < len(ORDER) and ORDER[i] == "task" for i in at])


def refused(error: type[FocusloopError], sentence: str, paths: list[Path], out: Path, **how: Any) -> None:  # noqa: ANN401
    with pytest.raises(error, match=sentence):
        train_sessions(paths, WISH, own_config(TINY, None), out=out, alone=True, tell=lambda _: None, **how)


def test_who_cannot_be_trained_on_is_refused(readable: list[Path], tmp_path: Path) -> None:
    refused(ConfigError, "3 participants in 3 sessions.*so at least 4 are needed", readable[:3], tmp_path)
    refused(ConfigError, "is given twice; its windows would count twice", [readable[0]] * 2, tmp_path)
    short = session(tmp_path, "short", order=ORDER[:8])
    refused(NoLabelsError, "35 s of rest in spans that hold a window, at least 60 s", [*readable, short], tmp_path)
    silent = write(tmp_path, chunks(100), {}, session="20261130T080000Z-silent-aaaa")
    refused(NoLabelsError, "no rest found", [*readable, silent], tmp_path)
    (tmp_path / "focus-own" / "1.0.0").mkdir(parents=True)
    refused(ConflictError, "is there already", readable, tmp_path)


def test_missing_values_are_refused(tmp_path: Path) -> None:
    parts = person_chunks("readable", 40, ORDER[:4])
    data = parts[0].data.copy()
    data[5, 0] = np.nan
    said = marked(ORDER[:4], {"cross": "rest", "task": "count"})
    path = write(tmp_path, [replace(parts[0], data=data), *parts[1:]], said)
    with pytest.raises(ConfigError, match="1 values are missing"):
        read_own([path], WISH, lambda _: None)


def test_headsets_without_common_electrodes_are_refused() -> None:
    person = generated_person(0)
    other = replace(person.rest, labels=("TP9", "AF7", "AF8", "TP10", "Fz", "Pz", "C3", "C4"))
    with pytest.raises(ConfigError, match=r"only 2 electrodes \(C3, C4\) are common.*--only-sessions"):
        with_common_electrodes([person, Person("muse", other, other)], 4)


def test_it_is_never_named_as_the_shipped_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert own_config(TINY, None).name == "focus-own"
    assert own_config(TINY.model_copy(update={"name": "lab"}), None).name == "lab"
    assert own_config(TINY, "classroom").name == "classroom"
    with pytest.raises(ConfigError, match="'focus-attention' is the model that comes with focusloop"):
        own_config(TINY, "focus-attention")
    with pytest.raises(ConfigError, match="expected small letters"):
        own_config(TINY, "../Mine")
    assert main(["train", "--only-sessions", "--out", str(tmp_path)]) == 2
    assert "are about recorded sessions; say which (--sessions)" in capsys.readouterr().err
