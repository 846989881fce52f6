"""A model of one's own recordings: joined to EEGMAT or alone, judged by the same nulls, under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from bci.errors import ConfigError, ConflictError
from inference.bundle import DEFAULT_MODEL
from inference.labels.spans import Wish
from inference.training.checks import LEAST_PEOPLE, check_corpus
from inference.training.config import TrainingConfig
from inference.training.corpus import HOP_S, Person
from inference.training.datasets import data_root
from inference.training.eegmat import eegmat_folder, read_eegmat
from inference.training.folds import Progress, Watch, silent
from inference.training.kept import KeptFits
from inference.training.recipe import train_on
from inference.training.sessions import OwnPeople, read_own, with_common_electrodes
from inference.training.trained_on import EEGMAT_LICENCE, EYES_WARNING, TrainedOn
from inference.training.windows import WINDOW_S

OWN_NAME = "focus-own"
"""Of a model of own recordings, where nobody names it."""


def own_config(config: TrainingConfig, name: str | None) -> TrainingConfig:
    """Name a model of own recordings, never as the shipped one.

    Parameters
    ----------
    config
        The recipe.
    name
        As a person wishes; None takes the recipe's own, or `OWN_NAME` where that is the shipped model's.

    Raises
    ------
    ConfigError
        For the shipped model's name, or none that a folder can have.
    """
    shipped = DEFAULT_MODEL.partition("@")[0]
    if name == shipped:
        msg = f"'{shipped}' is the model that comes with focusloop; name one of your own recordings otherwise (--name)"
        raise ConfigError(msg)
    chosen = name or (config.name if config.name != shipped else OWN_NAME)
    try:
        return TrainingConfig.model_validate({**config.model_dump(), "name": chosen})
    except ValidationError as error:
        msg = f"--name '{chosen}': expected small letters, digits and hyphens"
        raise ConfigError(msg) from error


def train_sessions(
    paths: Sequence[Path],
    wish: Wish,
    config: TrainingConfig,
    *,
    out: Path,
    data: Path | None = None,
    alone: bool = False,
    force: bool = False,
    kept: KeptFits | None = None,
    watch: Watch | None = None,
    tell: Callable[[str], object] = print,
    progress: Progress = silent,
) -> Path:
    """Train, measure and export a model of recorded sessions.

    Parameters
    ----------
    paths, wish
        Recordings, and what is rest and task in them.
    config
        From `own_config`.
    data
        Folder of EEGMAT, which they are joined to; None looks where `train` looks, and goes on without it where it is
        not there.
    alone
        True leaves EEGMAT out.
    tell
        Takes a sentence for a person on what is used and left out.
    out, force, kept, watch, progress
        As for `train`.

    Returns
    -------
    The model's folder.

    Raises
    ------
    ConflictError
        There is a model of that name and version already.
    ConfigError
        Too few people, too short a rest, or no common electrodes.
    NoLabelsError
        A session does not say when its person rested, or worked.
    ModelError
        The model fails a null.
    """
    folder = out / config.name / config.version
    if folder.exists():
        msg = f"{folder} is there already; give another --name or --out, or another version in a recipe (--config)"
        raise ConflictError(msg)
    eegmat = None if alone else _eegmat(data, tell)
    progress("reading the sessions", 0.0)
    own = read_own(paths, wish, tell)
    if eegmat is None and len(own.people) < LEAST_PEOPLE:
        msg = (
            f"{len(own.people)} participants in {own.sessions} sessions; a model is judged on people whom it has not "
            f"seen, so at least {LEAST_PEOPLE} are needed: record more, or join them to EEGMAT (--data DIR, without "
            "--only-sessions)"
        )
        raise ConfigError(msg)
    others = (
        [] if eegmat is None else read_eegmat(eegmat, config.numbers, lambda name: progress(f"reading {name}", 0.0))
    )
    corpus = with_common_electrodes([*others, *own.people], config.fewest_channels)
    check_corpus(corpus)
    config = _fitting(corpus, config if others else config.model_copy(update={"people": ()}), tell)
    root = data_root() if eegmat is None else eegmat.parent
    return train_on(
        corpus,
        config,
        out=out,
        force=force,
        others=root if root.is_dir() else None,
        trained_on=described(own, corpus, others),
        kept=kept,
        watch=watch,
        tell=tell,
        progress=progress,
    )


def described(own: OwnPeople, corpus: Sequence[Person], others: Sequence[Person]) -> TrainedOn:
    """Say what a model was trained on: counts and minutes, how labels were made, which electrodes; no names."""
    labels = corpus[0].rest.labels
    rest_min, task_min = own.seconds["cross"] / 60.0, own.seconds["task"] / 60.0
    simulated = f"; **{own.simulated} of them SIMULATED or replayed, of no live headset**" if own.simulated else ""
    told = (
        f"own recordings (people: {len(own.people)}; sessions: {own.sessions}, not live: {own.simulated}; "
        f"{rest_min:.1f} min of rest, {task_min:.1f} min of task; {own.how})"
    )
    joined = f" and {len(others)} people of EEGMAT" if others else ""
    eegmat = (
        f"| EEGMAT | joined to {len(others)} people of EEGMAT (serial subtraction against rest, {EEGMAT_LICENCE}). "
        f"{EYES_WARNING} |\n"
        if others
        else ""
    )
    return TrainedOn(
        template="card_template_sessions.md",
        licence="own recordings, no licence stated" + (f"; {EEGMAT_LICENCE}" if others else ""),
        told=f"{told}{joined}, task against rest",
        command="focusloop train --sessions",
        warning="Whether people did as the labels say, and with which eyes, nobody has checked."
        + (f" All figures are of {len(corpus)} people, those of EEGMAT among them." if others else ""),
        fields={
            "sessions": str(own.sessions),
            "own_people": str(len(own.people)),
            "simulated": simulated,
            "rest_min": f"{rest_min:.1f}",
            "task_min": f"{task_min:.1f}",
            "how": own.how.replace("|", "\\|"),
            "electrodes": f"{len(labels)} electrodes that everybody has ({', '.join(labels)})",
            "eegmat": eegmat,
        },
    )


def _eegmat(data: Path | None, tell: Callable[[str], object]) -> Path | None:
    try:
        return eegmat_folder(data)
    except ConfigError as error:
        if data is not None:
            raise
        tell(f"trained on the sessions alone: {error}")
        return None


def _fitting(corpus: Sequence[Person], config: TrainingConfig, tell: Callable[[str], object]) -> TrainingConfig:
    """Leave out the stretches of a baseline that somebody's rest is too short for."""
    shortest_s = HOP_S * min(len(person.rest) for person in corpus)
    starts = tuple(s for s in config.baseline_starts_s if s + config.baseline_s + WINDOW_S <= shortest_s)
    if not starts:
        msg = (
            f"the shortest rest lasts {shortest_s:.0f} s; a baseline of {config.baseline_s:g} s and a window beside it "
            f"need {config.baseline_s + WINDOW_S:.0f} s: leave that person out, or record more"
        )
        raise ConfigError(msg)
    if starts != config.baseline_starts_s:
        told = ", ".join(f"{start_s:g}" for start_s in starts)
        tell(f"baselines begin at {told} s of the rest: the shortest lasts {shortest_s:.0f} s")
    return config.model_copy(update={"baseline_starts_s": starts})
