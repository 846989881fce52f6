"""BIDS-EEG by mne-bids around our EDF+: sidecars, events, electrodes, trials as `beh`, scores as a derivative."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedback.export.annotations import GAP
from feedback.export.edf import padding, write_edf
from feedback.export.fif import MNE_TYPES, montage_of
from feedback.export.grid import Grid
from feedback.export.needs import require
from feedback.export.port import Material, Progress, regular_eeg
from feedback.export.tables import Table, scores_of, trials_table
from streaming.recording import tracks

if TYPE_CHECKING:
    from mne_bids import BIDSPath

TASK = "focus"
USABLE = 0.5
"""A channel that was usable for less of the time is marked bad."""

_EVENT_COLUMNS: dict[str, dict[str, Any]] = {
    "onset": {"Description": "Seconds from the first sample of the file; below 0 before it", "Units": "s"},
    "duration": {"Description": "0 for a moment", "Units": "s"},
    "trial_type": {"Description": "What happened"},
    "sample": {"Description": "Sample of the file, from 0"},
    "trial": {"Description": "Number of the trial in its run; see beh/"},
    "response_time": {"Description": "Reaction time of the trial; the onset is the answer", "Units": "s"},
    "level": {"Description": "Difficulty, 0..1, of the trial or that was set"},
}

_LEVELS = {
    "trial/correct": "A trial was answered rightly",
    "trial/error": "A trial was answered wrongly",
    "pause/begin": "Scoring was paused",
    "pause/end": "Scoring went on",
    GAP: "Samples were not measured; they are filled",
}
_KINDS = {"marker": "A marker of the program, under its label", "difficulty": "This level, 0..1, was set"}


class BidsExporter:
    """One data set with this session in it."""

    name = "bids"

    def write(self, material: Material, folder: Path, show: Progress) -> None:
        """Write it."""
        require("bids", "mne_bids")
        grids = regular_eeg(material, show)
        runs = range(1, len(grids) + 1) if len(grids) > 1 else [None]
        for grid, run in zip(grids, runs, strict=True):
            self._write_run(material, grid, folder, run, show)
        show("describing", 1.0)
        _describe(material, folder)
        _write_trials(material, folder)
        _write_scores(material, folder)

    @staticmethod
    def _write_run(material: Material, grid: Grid, folder: Path, run: int | None, show: Progress) -> None:
        import mne
        from mne_bids import BIDSPath, write_raw_bids

        plain = folder / "signal.edf"
        write_edf(material, grid, plain, show, gaps=False)
        show("describing", 1.0)
        raw = mne.io.read_raw_edf(plain, preload=False, verbose="error")
        raw.rename_channels(
            dict(zip(raw.ch_names, (c.label for c in grid.spec.channels), strict=True)), verbose="error"
        )
        raw.set_channel_types(
            {c.label: MNE_TYPES.get(c.kind, "misc") for c in grid.spec.channels},
            on_unit_change="ignore",
            verbose="error",
        )
        raw.set_montage(montage_of(grid.spec.channels), on_missing="ignore", verbose="error")
        raw.set_annotations(None)
        identity = material.identity
        path = BIDSPath(
            subject=identity.participant, session=identity.session, task=TASK, run=run, datatype="eeg", root=folder
        )
        write_raw_bids(raw, path, overwrite=True, verbose="error")
        del raw
        plain.unlink()
        _write_events(material, grid, path)
        _complete_sidecar(material, grid, path)
        _complete_channels(material, grid, path)
        _set_acquisition_time(material, grid, folder, path)


def _sidecar(path: BIDSPath, suffix: str, extension: str) -> Path:
    return Path(path.copy().update(suffix=suffix, extension=extension, check=False).fpath)


def _write_events(material: Material, grid: Grid, path: BIDSPath) -> None:
    rate_hz = grid.rate_hz
    gaps = [(gap.start, gap.samples) for gap in grid.gaps]
    if padded := padding(grid):
        gaps.append((len(grid), padded))
    rows: list[tuple[Any, ...]] = [
        (start / rate_hz, samples / rate_hz, GAP, start, None, None, None) for start, samples in gaps
    ]
    for event in material.events():
        place = grid.place(event.at_s)
        onset_s = event.at_s - float(grid.times_s[0]) if place is None else place / rate_hz
        rt_ms = event.said.get("rt_ms")
        rows.append(
            (
                onset_s,
                0.0,
                event.label,
                None if place is None else round(place),
                event.said.get("trial") if event.kind == "trial" else None,
                None if rt_ms is None else rt_ms / 1e3,
                event.said.get("level"),
            )
        )
    rows.sort(key=lambda row: row[0])
    target = _sidecar(path, "events", ".tsv")
    if not rows:
        target.unlink(missing_ok=True)
        _sidecar(path, "events", ".json").unlink(missing_ok=True)
        return
    write_tsv(target, tuple(_EVENT_COLUMNS), rows)
    labels = dict.fromkeys(_cell(row[2]) for row in rows)  # the standard asks for each that occurs
    levels = {label: _LEVELS.get(label) or _KINDS.get(label.partition("/")[0], "") for label in labels}
    about = {**_EVENT_COLUMNS, "trial_type": {**_EVENT_COLUMNS["trial_type"], "Levels": levels}}
    _write_json(_sidecar(path, "events", ".json"), about)


def _complete_sidecar(material: Material, grid: Grid, path: BIDSPath) -> None:
    target = _sidecar(path, "eeg", ".json")
    about = json.loads(target.read_text(encoding="utf-8"))
    header = material.session.header
    about |= {
        "TaskName": TASK,
        "TaskDescription": "What the person did while their focus was scored; trials in beh/, markers in events.tsv",
        "ManufacturersModelName": material.identity.device(grid.spec),
        "EEGReference": "n/a",
        "SoftwareFilters": "n/a",
        "RecordingDuration": len(grid) / grid.rate_hz,
        "RecordingType": "continuous",  # gaps are filled and marked: the file itself has no break
        "SamplingFrequencyEffective": round(grid.effective_rate_hz, 6),
        "SamplingFrequencyNominal": grid.spec.nominal_rate_hz,
        "FocusloopModel": header.model,
        "FocusloopVersion": header.versions.get("focusloop", ""),
    }
    _write_json(target, about)


def _complete_channels(material: Material, grid: Grid, path: BIDSPath) -> None:
    """Mark the channels whose contact was bad for most of the session, as its quality messages say."""
    target = _sidecar(path, "channels", ".tsv")
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    usable = _usable(material)
    for row in rows:
        share = usable.get(row["name"])
        if share is not None and share < USABLE:
            row["status"] = "bad"
            row["status_description"] = f"usable {share:.0%} of the time"
    columns = tuple(rows[0])
    write_tsv(target, columns, [tuple(row[column] for column in columns) for row in rows])


def _usable(material: Material) -> dict[str, float]:
    sums: dict[str, list[float]] = {}
    for _, said in material.session.messages(tracks.QUALITY):
        for channel in said.get("channels") or ():
            sums.setdefault(str(channel.get("label")), []).append(float(channel.get("usable") or 0.0))
    return {label: sum(shares) / len(shares) for label, shares in sums.items()}


def _set_acquisition_time(material: Material, grid: Grid, folder: Path, path: BIDSPath) -> None:
    """Say when it was recorded, also before 1985, where EDF has no dates."""
    moment = material.moment(float(grid.times_s[0]))
    target = folder / f"sub-{path.subject}" / f"ses-{path.session}" / f"sub-{path.subject}_ses-{path.session}_scans.tsv"
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    ours = Path(path.fpath).name
    for row in rows:
        if Path(row["filename"]).name == ours:
            row["acq_time"] = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment is not None else "n/a"
    columns = tuple(rows[0])
    write_tsv(target, columns, [tuple(row[column] for column in columns) for row in rows])


def _describe(material: Material, folder: Path) -> None:
    from mne_bids import make_dataset_description

    make_dataset_description(
        path=folder,
        name="A session recorded by focusloop",
        dataset_type="raw",
        authors=["n/a"],
        overwrite=True,
        verbose="error",
    )
    version = material.session.header.versions.get("focusloop", "unknown")
    target = folder / "dataset_description.json"
    about = json.loads(target.read_text(encoding="utf-8"))
    about["GeneratedBy"] = [{"Name": "focusloop export", "Version": version}]
    _write_json(target, about)
    (folder / ".bidsignore").write_text("focusloop-export.json\n", encoding="utf-8")
    readme = next(folder.glob("README*"), folder / "README")
    readme.unlink(missing_ok=True)
    lines = ["A session recorded by focusloop, written by `focusloop export --to bids`.", ""]
    lines += [
        "Identified: participant and dates are as they are."
        if material.identity.identified
        else "De-identified: participant and session are codes; dates are shifted by days that are constant for them."
    ]
    lines += [
        "",
        "What these files do not hold, and what was done to the signal:",
        "",
        *(f"- {n}" for n in material.notes),
    ]
    (folder / "README").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_trials(material: Material, folder: Path) -> None:
    table = trials_table(material, material.start_s())
    if not table.rows:
        return
    place = folder / f"sub-{material.identity.participant}" / f"ses-{material.identity.session}" / "beh"
    place.mkdir(parents=True, exist_ok=True)
    name = f"{material.identity.name}_task-{TASK}_beh"
    write_tsv(place / f"{name}.tsv", tuple(table.columns), table.rows)
    _write_json(place / f"{name}.json", {"TaskName": TASK, **_meanings(table)})


def _write_scores(material: Material, folder: Path) -> None:
    """Keep the scores beside the raw data: BIDS has no place for them in it."""
    table = scores_of(material, material.start_s())
    if not table.rows:
        return
    root = folder / "derivatives" / "focusloop"
    place = root / f"sub-{material.identity.participant}" / f"ses-{material.identity.session}" / "eeg"
    place.mkdir(parents=True, exist_ok=True)
    version = material.session.header.versions.get("focusloop", "unknown")
    about = {"Name": "Focus scores as they were sent", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    _write_json(
        root / "dataset_description.json", {**about, "GeneratedBy": [{"Name": "focusloop", "Version": version}]}
    )
    name = f"{material.identity.name}_task-{TASK}_desc-scores_eeg"
    write_tsv(place / f"{name}.tsv", tuple(table.columns), table.rows)
    _write_json(place / f"{name}.json", _meanings(table))


def _meanings(table: Table) -> dict[str, Any]:
    return {name: {"Description": meaning} for name, meaning in table.columns.items()}


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as BIDS has it: tabs, UTF-8, `n/a` where there is nothing."""
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write("\t".join(columns) + "\n")
        file.writelines("\t".join(_cell(value) for value in row) + "\n" for row in rows)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return " ".join(str(value).split())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
