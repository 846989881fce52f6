"""Certificates on disk: a file for each person, headset, montage, model and eye state, with their history."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from feedback.private_files import digest, write_private
from inference.baseline import Owner
from inference.personal.certificate import Certificate
from inference.types import EyeState

KEPT = 50
"""Measurements that are kept of one owner; the oldest go."""


class _History(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    certificates: tuple[Certificate, ...]


class CertificateStore:
    """Keeps certificates below the data directory.

    Parameters
    ----------
    folder
        `<data_dir>/certificates`, made with mode 0700 where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, certificate: Certificate) -> None:
        """Append a measurement to its owner's history.

        Raises
        ------
        OSError
            If the disk does not take it; the history is whole then.
        """
        owner = Owner(certificate.participant, certificate.device, certificate.labels, certificate.model)
        path = self._path(owner, certificate.eyes)
        before, _ = _read(path)
        kept = (*before, certificate)[-KEPT:]
        write_private(path, _History(certificates=kept).model_dump_json(indent=1))

    def history(self, owner: Owner, eyes: EyeState = "open") -> tuple[tuple[Certificate, ...], str | None]:
        """Give what was measured of an owner, oldest first; and a sentence about a file that cannot be read."""
        stored, note = _read(self._path(owner, eyes))
        return tuple(one for one in stored if one.fits(owner, eyes)), note

    def newest(self, owner: Owner, eyes: EyeState = "open") -> tuple[Certificate | None, str | None]:
        """Give the measurement that counts: the last, passed or not."""
        history, note = self.history(owner, eyes)
        if not history and note is None:
            note = self._of_another(owner)
        return (history[-1] if history else None), note

    def _of_another(self, owner: Owner) -> str | None:
        paths = sorted(self._folder.glob(f"{digest(owner.participant)}-*.json"))
        newest = [stored[-1] for stored, _ in map(_read, paths) if stored]
        for one in newest:
            if one.matches(owner, one.eyes):
                return (
                    f"a certificate of {one.device} ({', '.join(one.labels)}) exists, but {one.model} has been trained "
                    "anew since it was measured: not used; measure again (focusloop adapt)"
                )
        for one in newest:
            return (
                f"a certificate of {one.device} ({', '.join(one.labels)}, {one.model}) exists, but it belongs to "
                "another headset, montage or model; measure again with this one (focusloop adapt)"
            )
        return None

    def delete(self, owner: Owner) -> None:
        """Forget what was measured of an owner."""
        for eyes in ("open", "closed"):
            self._path(owner, eyes).unlink(missing_ok=True)

    def _path(self, owner: Owner, eyes: str) -> Path:
        about = digest(owner.device, *owner.labels, owner.model, eyes)
        return self._folder / f"{digest(owner.participant)}-{about}.json"


def _read(path: Path) -> tuple[tuple[Certificate, ...], str | None]:
    """Give what a file holds, oldest first; and a sentence about one that cannot be read."""
    try:
        return _History.model_validate_json(path.read_bytes()).certificates, None
    except FileNotFoundError:
        return (), None
    except (OSError, ValueError) as error:  # no text, no JSON, or not a history's
        return (), f"the stored certificate {path.name} cannot be read ({type(error).__name__}); measure again"
