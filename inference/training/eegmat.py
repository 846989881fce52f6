"""EEGMAT: people at rest and at mental arithmetic (Zyma et al., Data 4(1):14, 2019; PhysioNet, doi 10.13026/C2JQ1P)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from bci.errors import ConfigError
from bci.files.reading import read_recording
from bci.files.recording import Recording
from inference.training.checks import check_corpus, check_pair
from inference.training.corpus import FrameSeries, Person, View, series_of
from inference.training.datasets import data_root
from inference.training.views import FOUR, low_passed, re_referenced


def eegmat_folder(data: Path | None = None) -> Path:
    """Find EEGMAT: in the given folder, or where data sets lie (`inference.training.datasets.data_root`).

    Raises
    ------
    ConfigError
        If it is not there.
    """
    root = data or data_root()
    for folder in (root, root / "eegmat"):
        if any(folder.glob("Subject*_[12].edf")):
            return folder
    msg = (
        f"no EEGMAT recordings (Subject00_1.edf …) in {root}; give --data or set FOCUSLOOP_DATA to the folder that "
        "holds them, or fetch them with `focusloop data eegmat` (https://physionet.org/content/eegmat/)"
    )
    raise ConfigError(msg)


def read_pair(folder: Path, number: int) -> tuple[Recording, Recording]:
    """Read rest and task of one person; the padding at the end of each file is cut.

    Raises
    ------
    ConfigError
        If one is missing, or the two do not fit together.
    """
    name = person_name(number)
    paths = [folder / f"{name}_{part}.edf" for part in (1, 2)]
    for path, what in zip(paths, ("rest", "task"), strict=True):
        if not path.is_file():
            msg = (
                f"{folder}: {path.name}, the {what} of {name}, is missing; each person needs a rest (_1) and a task "
                "(_2): add it, or list other people in the recipe"
            )
            raise ConfigError(msg)
    rest, task = (read_recording(path) for path in paths)
    check_pair(name, rest, task)
    return rest, task


def read_eegmat(
    folder: Path, people: Iterable[int] = range(24), progress: Callable[[str], None] | None = None
) -> list[Person]:
    """Read people of EEGMAT.

    Parameters
    ----------
    folder
        From `eegmat_folder`.
    people
        Numbers of the people.
    progress
        Told of each person; None for nobody.

    Raises
    ------
    ConfigError
        If a recording is missing, or cannot be trained on.
    """
    counts = _count_quality(folder / "subject-info.csv")
    corpus: list[Person] = []
    for number in people:
        name = person_name(number)
        if progress is not None:
            progress(name)
        rest, task = read_pair(folder, number)
        corpus.append(Person(name, series_of(rest), series_of(task), counts.get(name), _views(rest, task)))
    check_corpus(corpus)
    return corpus


def person_name(number: int) -> str:
    """As the data set names people."""
    return f"Subject{number:02d}"


def _views(rest: Recording, task: Recording) -> dict[View, tuple[FrameSeries, FrameSeries]]:
    views: dict[View, tuple[FrameSeries, FrameSeries]] = {
        "below 30 Hz": (series_of(low_passed(rest)), series_of(low_passed(task)))
    }
    if set(FOUR) <= {channel.label for channel in rest.spec.channels}:
        views["re-referenced"] = (series_of(re_referenced(rest)), series_of(re_referenced(task)))
    return views


def _count_quality(path: Path) -> dict[str, bool]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["Subject"]: row["Count quality"].strip() == "1" for row in csv.DictReader(file)}
