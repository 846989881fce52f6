"""Who an export says it is of: by default a code and shifted dates, kept privately so that sessions stay together."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci.errors import FileFormatError
from bci.types import StreamSpec
from feedback.export.folder import ExportError
from feedback.private_files import digest, write_private
from streaming.recording.about import SessionHeader

KEYS = "export-keys.json"
EARLIEST, LATEST = datetime(1905, 1, 1, tzinfo=UTC), datetime(1924, 12, 31, tzinfo=UTC)
"""Between these a participant's first exported session comes to lie: before 1925, as BIDS asks of shifted dates."""

_DAY_S = 86_400


class _Key(BaseModel):
    """What stands for a participant outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern="^[0-9a-f]{8}$")
    earlier_days: int = Field(gt=0)
    secret: str


@dataclass(frozen=True, slots=True)
class Identity:
    """How an export names a person, a session, a device and a moment.

    Parameters
    ----------
    participant, session
        Labels, letters and digits only.
    shift_s
        Added to Unix times; whole days.
    identified
        True where nothing was replaced.
    """

    participant: str
    session: str
    shift_s: float
    identified: bool

    @property
    def name(self) -> str:
        """Of files: `sub-…_ses-…`."""
        return f"sub-{self.participant}_ses-{self.session}"

    def moment(self, unix_s: float | None) -> datetime | None:
        """Give a moment as the export may tell it, UTC."""
        if unix_s is None:
            return None
        return datetime.fromtimestamp(0.0, UTC) + timedelta(seconds=unix_s + self.shift_s)

    def device(self, spec: StreamSpec) -> str:
        """Name the headset; its own name often holds its serial number."""
        return spec.device if self.identified else (spec.profile or "not stated")


def identify(header: SessionHeader, data_dir: Path, *, identified: bool) -> Identity:
    """Say how a session is named outside.

    Parameters
    ----------
    header
        Of the recording.
    data_dir
        Keeps what stands for each participant, readable by its owner alone.
    identified
        Keep names and dates.

    Raises
    ------
    FileFormatError
        If what was kept cannot be read: another code would tear the sessions of a person apart.
    ExportError
        If it cannot be kept.
    """
    if identified:
        return Identity(_label(header.participant), _label(header.session), 0.0, identified=True)
    key = _key(data_dir, header.participant, header.started_unix_s or 0.0)
    return Identity(key.code, digest(key.secret, header.session)[:8], -float(key.earlier_days * _DAY_S), False)


def _label(text: str) -> str:
    """Give letters and digits only, as BIDS asks of labels; a text without any becomes a number."""
    kept = "".join(c for c in text if c.isascii() and c.isalnum())
    return kept or digest(text)[:8]


def _key(data_dir: Path, participant: str, started_unix_s: float) -> _Key:
    path = data_dir / KEYS
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(data_dir / f"{KEYS}.lock"):
            keys = _read(path)
            if participant not in keys:
                keys[participant] = _new_key(started_unix_s)
                kept = {name: key.model_dump() for name, key in keys.items()}
                write_private(path, json.dumps(kept, indent=1, ensure_ascii=False))
            return keys[participant]
    except OSError as error:
        msg = (
            f"{path}: what stands for a participant cannot be kept ({error.strerror or error}); give a folder of yours "
            "with --data-dir, or export with --identified"
        )
        raise ExportError(msg) from error


def _read(path: Path) -> dict[str, _Key]:
    if not path.is_file():
        return {}
    try:
        return {name: _Key.model_validate(key) for name, key in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError, ValidationError) as error:
        msg = f"{path} is damaged; restore it: with other codes the sessions of a participant would not go together"
        raise FileFormatError(msg) from error


def _new_key(started_unix_s: float) -> _Key:
    days = int((LATEST - EARLIEST).days * secrets.randbelow(10_000) / 10_000)
    latest_shift = int((datetime.fromtimestamp(started_unix_s, UTC) - LATEST).days)
    return _Key(code=secrets.token_hex(4), earlier_days=max(1, latest_shift + 1 + days), secret=secrets.token_hex(16))
