"""Firmware profiles: what is known about each headset, as data that a lab can add to without touching Python.

One TOML file a board in `firmware_profiles/`, one schema (`bci.firmware_profile`). Looked for in `$FOCUSLOOP_PROFILES`
(or the folder given), then beside the packages (source tree, so that an edited file counts at once), then in the
installed data path.
"""

from __future__ import annotations

import functools
import os
import re
import sysconfig
import tomllib
from pathlib import Path

from pydantic import ValidationError

from bci.errors import ProfileError
from bci.firmware_profile import FirmwareProfile, LslPattern

FOLDER_VARIABLE = "FOCUSLOOP_PROFILES"


def profile_folders(folder: Path | None = None) -> list[Path]:
    """Folders in which profiles are looked for, the first wins.

    A folder that somebody names adds to ours and overrides them; of ours, the source tree hides the installed copy,
    which goes stale in an editable install.

    Raises
    ------
    ProfileError
        If the folder that somebody named does not exist.
    """
    named = folder or (Path(os.environ[FOLDER_VARIABLE]) if os.environ.get(FOLDER_VARIABLE) else None)
    if named is not None and not named.is_dir():
        msg = f"no folder of firmware profiles at {named} (${FOLDER_VARIABLE})"
        raise ProfileError(msg)
    beside = Path(__file__).resolve().parents[1] / "firmware_profiles"
    installed = Path(sysconfig.get_path("data")) / "share" / "focusloop" / "firmware_profiles"
    ours = [path for path in (beside, installed) if path.is_dir()][:1]
    return [named, *ours] if named is not None else ours


def load_profiles(folder: Path | None = None) -> dict[str, FirmwareProfile]:
    """Read every profile; of two with one id, that of the folder somebody named counts.

    Returns
    -------
    dict
        By profile id, sorted.

    Raises
    ------
    ProfileError
        Naming the file and the field that does not hold, two profiles of one name, or that there are no profiles.
    """
    folders = profile_folders(folder)
    profiles: dict[str, FirmwareProfile] = {}
    for path in folders:
        for file in sorted(path.glob("*.toml")):
            stamp = file.stat()
            if file.stem not in profiles:
                profiles[file.stem] = _read(file, stamp.st_mtime_ns, stamp.st_size)
    if not profiles:
        msg = f"no firmware profiles found; looked in {', '.join(map(str, folders)) or 'no folder that exists'}"
        raise ProfileError(msg)
    names: dict[str, str] = {}
    for profile in profiles.values():
        for name in (profile.name, *profile.aliases):
            other = names.setdefault(name, profile.id)
            if other != profile.id:
                msg = f"firmware profiles {other} and {profile.id} both answer to '{name}'"
                raise ProfileError(msg)
    return dict(sorted(profiles.items()))


@functools.lru_cache(maxsize=256)
def _read(file: Path, _mtime_ns: int, _size: int) -> FirmwareProfile:
    # Time and size are part of the key: a file that somebody edits is read anew.
    try:
        fields = tomllib.loads(file.read_text(encoding="utf-8"))
        return FirmwareProfile.model_validate({**fields, "id": file.stem})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"firmware profile {file}: {error}"
        raise ProfileError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        msg = f"firmware profile {file}: {where}: {first['msg']}"
        raise ProfileError(msg) from error


def profile_for_brainflow(name: str, folder: Path | None = None) -> FirmwareProfile:
    """Find the profile that `brainflow:NAME` means: by name, alias, id or BrainFlow's own name of the board.

    Raises
    ------
    ProfileError
        Listing the boards that have a profile.
    """
    wanted = name.strip().lower().replace("-", "_")
    boards = [(p, p.brainflow) for p in load_profiles(folder).values() if p.brainflow is not None]
    for profile, _ in boards:
        if wanted in {profile.name, profile.id.replace("-", "_"), *profile.aliases}:
            return profile
    for profile, link in boards:
        theirs = {board.lower() for board in (link.board, link.dongle_board) if board}
        if wanted in theirs | {board.removesuffix("_board") for board in theirs}:
            return profile
    known = ", ".join(sorted(profile.name for profile, _ in boards))
    msg = f"no firmware profile for a BrainFlow board '{name}'; known: {known}"
    raise ProfileError(msg)


def match_lsl(name: str, kind: str, n_channels: int, folder: Path | None = None) -> FirmwareProfile | None:
    """Find the profile of an LSL stream by its name, content type and number of channels.

    Returns
    -------
    FirmwareProfile or None
        A specific one before the generic one; None where nothing matches (or the stream is no EEG).
    """
    matches = [
        profile
        for profile in load_profiles(folder).values()
        if profile.lsl is not None and _fits(profile.lsl, name, kind, n_channels)
    ]
    return min(matches, key=lambda p: (not (p.lsl and p.lsl.specific), p.id), default=None)


def _fits(pattern: LslPattern, name: str, kind: str, n_channels: int) -> bool:
    if pattern.name is not None and re.match(pattern.name, name) is None:
        return False
    if pattern.kind is not None and pattern.kind.lower() != kind.lower():
        return False
    return not pattern.n_channels or n_channels in pattern.n_channels
