"""One door to all formats: which reader a file wants, told by its content before its name."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bci.errors import FileFormatError, RecordingNotFoundError, UnsupportedStreamError
from bci.files.cleaning import clean
from bci.files.recording import Recording
from bci.montage import assign_montage

FORMATS = "XDF, EDF, BDF, FIF, BrainVision (.vhdr), muselsl or Mind Monitor CSV, OpenBCI raw text; each may be gzipped"


def read_recording(
    path: Path | str, stream: str | None = None, *, montage: Sequence[str] | None = None, keep_railed: bool = False
) -> Recording:
    """Read a recording of any known format, and clean it.

    Cleaned and counted in `Recording.notes`: values that are not numbers or not finite (NaN), damaged lines, constant
    padding at the end (cut), channels at the converter's rail throughout (dropped), stamps that repeat or go back
    (kept: the timeline mends them causally). DC offsets are kept.

    Parameters
    ----------
    path
        The file; of a BrainVision set any of the three.
    stream
        Name of the stream in a file that holds several (XDF), as its `name` or `source_id` says.
    montage
        Electrode names for the EEG columns in the order of the *file*, that is before any column is dropped.
    keep_railed
        Keep channels that are at the rail throughout (to measure what finds them).

    Returns
    -------
    Recording
        In memory, origin `file`.

    Raises
    ------
    RecordingNotFoundError
        There is no such file, or no such stream in it.
    AmbiguousSourceError
        The file holds several EEG streams and `stream` does not say which.
    FileFormatError
        Truncated beyond use, without a header, empty, or of an unknown format.
    UnsupportedStreamError
        It can be read, but holds nothing that can be used; or the montage does not fit.
    """
    path = Path(path).expanduser()
    try:
        if not path.is_file():
            there = "is a folder, not a recording" if path.is_dir() else "is no regular file"
            what = there if path.exists() else "does not exist"
            msg = f"{path}: {what}; give the path of a file ({FORMATS})"
            raise RecordingNotFoundError(msg)
        with _unpacked(path) as plain:
            raw = _read(plain, path, stream)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error}); check that it is whole and that you may read it"
        raise FileFormatError(msg) from error
    if montage is not None:
        raw = dataclasses.replace(raw, spec=assign_montage(raw.spec, montage))
    if raw.spec.kind.casefold() == "eeg" and not any(c.kind == "eeg" for c in raw.spec.channels):
        names = ", ".join(c.label for c in raw.spec.channels) or "none"
        msg = f"{path}: no EEG channel among {names}; expected at least one electrode name (10-20), or montage="
        raise UnsupportedStreamError(msg)
    return clean(raw, keep_railed=keep_railed)


def stream_matches(wanted: str, name: str, source_id: str) -> bool:
    """Tell whether a stream is the one that a person asked for, by name or source_id."""
    return wanted.casefold() in (name.casefold(), source_id.casefold())


def _read(path: Path, called: Path, stream: str | None) -> Recording:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"XDF:") or (path.suffix.lower() == ".xdf" and head.strip()):
        from bci.files.xdf import read_xdf

        return read_xdf(path, called.name, stream)
    raw = _read_only_stream(path, called.name, head)
    if stream is not None and not stream_matches(stream, raw.spec.name, raw.spec.source_id):
        msg = f"{called}: holds one stream, '{raw.spec.name}', not '{stream}'; leave out stream="
        raise RecordingNotFoundError(msg)
    return raw


def _read_only_stream(path: Path, name: str, head: bytes) -> Recording:
    # Readers are imported here: `mne` takes a second that nobody who reads a CSV should wait for.
    if not head.strip():
        msg = f"{name}: empty; expected {FORMATS}"
        raise FileFormatError(msg)
    mne_format = _mne_format(path, head)
    if mne_format is not None:
        from bci.files.mne_formats import read_with_mne

        return read_with_mne(path, name, mne_format)
    if b"\0" in head:
        msg = f"{name}: of an unknown binary format; expected {FORMATS}"
        raise FileFormatError(msg)
    from bci.files.muse import is_muse, read_muse
    from bci.files.openbci import is_openbci, read_openbci
    from bci.files.table import read_lines

    lines = read_lines(path)
    if is_openbci(lines):
        return read_openbci(lines, name)
    if is_muse(lines):
        return read_muse(lines, name)
    msg = (
        f"{name}: no header that says what its columns are; expected "
        f"'timestamps,TP9,…' (muselsl), 'TimeStamp,…,RAW_TP9,…' (Mind Monitor) or '%OpenBCI …'"
    )
    raise FileFormatError(msg)


def _mne_format(path: Path, head: bytes) -> str | None:
    suffix = path.suffix.lower()
    if head.startswith(b"\xffBIOSEMI"):
        return "bdf"
    if head.startswith(b"0       ") or suffix in (".edf", ".rec"):
        return "edf"
    if suffix in (".bdf", ".fif"):
        return suffix[1:]
    if suffix in (".vhdr", ".vmrk", ".eeg") or head.startswith((b"Brain Vision Data Exchange", b"BrainVision Data")):
        return "brainvision"
    return None


@contextmanager
def _unpacked(path: Path) -> Generator[Path]:
    """Give the file itself, or for a gzipped one a temporary copy that is gone afterwards."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    if not zipped:
        yield path
        return
    inner = path.with_suffix(".xdf").name if path.suffix.lower() == ".xdfz" else path.name.removesuffix(".gz")
    with tempfile.TemporaryDirectory(prefix="focusloop-") as folder:
        plain = Path(folder, inner)
        try:
            with gzip.open(path, "rb") as packed, plain.open("wb") as target:
                shutil.copyfileobj(packed, target, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            msg = f"{path}: the gzip archive is truncated or damaged ({error}); copy it again"
            raise FileFormatError(msg) from error
        yield plain
