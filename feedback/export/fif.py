"""FIF by MNE: float32 as it was recorded, electrode positions and annotations inside."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bci.montage import FIDUCIALS_M
from bci.types import Channel
from feedback.export.annotations import Annotation, annotations_of
from feedback.export.grid import Grid
from feedback.export.port import Material, Progress, regular_eeg

if TYPE_CHECKING:
    import mne

MNE_TYPES = {"eeg": "eeg", "eog": "eog", "ecg": "ecg", "emg": "emg"}
"""Anything else is `misc`."""

_TAG = struct.Struct(">iiii")
"""Kind, type, size and place of the next tag: 0 right behind this one, -1 nowhere."""
_ID_STRUCT = 31
_ADDRESS = range(4, 12)
"""Bytes of an id struct."""


class FifExporter:
    """One FIF file for each EEG stream; MNE splits one of more than 2 GB."""

    name = "fif"

    def write(self, material: Material, folder: Path, show: Progress) -> None:
        """Write them."""
        grids = regular_eeg(material, show)
        for number, grid in enumerate(grids, start=1):
            run = f"_run-{number}" if len(grids) > 1 else ""
            spool = folder / "samples.part"
            _spool(grid, spool, show)
            raw = _raw(spool, material, grid)
            raw.save(folder / f"{material.identity.name}{run}_raw.fif", verbose="error")
            del raw
            spool.unlink()
        for path in folder.glob("*.fif"):
            _forget_machine(path)
        material.note("fif does not hold the scores; --to csv writes them")


def _spool(grid: Grid, path: Path, show: Progress) -> None:
    """Lay the samples down in V, so that MNE can save them without having them all in memory."""
    scale = np.array([1e-6 if is_voltage(channel) else 1.0 for channel in grid.spec.channels])
    at = 0
    with path.open("wb") as file:
        for block in grid.blocks():
            (block * scale).astype(np.float32).tofile(file)
            at += len(block)
            show("writing", at / len(grid))


def _raw(spool: Path, material: Material, grid: Grid) -> mne.io.BaseRaw:
    import mne

    n_channels = len(grid.spec.channels)

    class Spooled(mne.io.BaseRaw):
        """Reads what was laid down, as MNE asks for it."""

        def _read_segment_file(self, data: Any, idx: Any, fi: int, start: int, stop: int, cals: Any, mult: Any) -> None:  # noqa: ANN401 - MNE's own hook
            part = np.fromfile(spool, np.float32, (stop - start) * n_channels, offset=4 * start * n_channels)
            values = part.reshape(-1, n_channels).T.astype(np.float64)
            data[:] = values[idx] * cals[idx] if mult is None else mult @ values

    info = mne_info(material, grid)
    raw = Spooled(
        info, preload=False, filenames=[spool], last_samps=[len(grid) - 1], orig_format="single", verbose="error"
    )
    set_annotations(raw, annotations_of(material, grid, material.events()))
    return raw


def _forget_machine(path: Path) -> None:
    """Blank the network address of this machine, which MNE writes into each id of a file (FIFF 1.3, 31: id struct)."""
    with path.open("r+b") as file:
        at = 0
        while len(head := file.read(_TAG.size)) == _TAG.size:
            _, kind, size, following = _TAG.unpack(head)
            if kind == _ID_STRUCT:
                file.seek(at + _TAG.size + _ADDRESS.start)
                file.write(bytes(len(_ADDRESS)))
            if following < 0:
                break
            at = following or at + _TAG.size + size
            file.seek(at)


def mne_info(material: Material, grid: Grid) -> mne.Info:
    """Describe a grid as MNE does."""
    import mne

    channels = grid.spec.channels
    kinds: Any = [MNE_TYPES.get(c.kind, "misc") for c in channels]  # MNE's stub has one for all
    info = mne.create_info([c.label for c in channels], grid.rate_hz, kinds, verbose="error")
    info.set_montage(montage_of(channels), on_missing="ignore", verbose="error")
    info.set_meas_date(material.moment(float(grid.times_s[0])))
    info["subject_info"] = {"his_id": material.identity.participant}
    info["device_info"] = {"type": "EEG", "model": material.identity.device(grid.spec)}
    return info


def montage_of(channels: tuple[Channel, ...]) -> mne.channels.DigMontage:
    """Give the positions that are known, with the fiducials of the head that they are of."""
    import mne

    return mne.channels.make_dig_montage(
        {c.label: np.array(c.position_m) for c in channels if c.position_m is not None},
        **{name: np.array(at) for name, at in FIDUCIALS_M.items()},
        coord_frame="head",
    )


def set_annotations(raw: mne.io.BaseRaw, annotations: list[Annotation]) -> None:
    """Give a recording its annotations."""
    import mne

    raw.set_annotations(
        mne.Annotations(
            [a.onset_s for a in annotations], [a.duration_s for a in annotations], [a.text for a in annotations]
        ),
        verbose="error",
    )


def is_voltage(channel: Channel) -> bool:
    """Tell whether a channel is in µV, which MNE holds in V."""
    return channel.unit == "uV"
