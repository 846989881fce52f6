"""Certificates on disk, beside the baselines: all that were measured of a person with a headset, the newest last."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from feedback.private_files import digest, write_private
from inference.baseline import Owner
from inference.readability import MAX_AGE_DAYS, Certificate

KEPT = 50
"""Measurements of one owner; the oldest go."""

_LIST = TypeAdapter(list[Certificate])


class CertificateStore:
    """Keeps what was measured, passed or not, one file for each person, headset, montage and model.

    Parameters
    ----------
    folder
        `<data_dir>/certificates`, made with mode 0700 where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, certificate: Certificate) -> None:
        """Add a measurement to the history of its owner.

        Raises
        ------
        OSError
            If the disk does not take it; the history is whole then.
        """
        owner = Owner(certificate.participant, certificate.device, certificate.labels, certificate.model)
        earlier, _ = self.history(owner)
        write_private(self._path(owner), _LIST.dump_json([*earlier, certificate][-KEPT:], indent=1).decode())

    def history(self, owner: Owner) -> tuple[list[Certificate], str | None]:
        """Give all measurements of an owner, the newest last; and a sentence where the file cannot be read."""
        path = self._path(owner)
        try:
            return _LIST.validate_json(path.read_text("utf-8")), None
        except FileNotFoundError:
            return [], None
        except (OSError, ValidationError) as error:
            return [], f"the stored certificates {path.name} cannot be read ({type(error).__name__}); measure again"

    def find(self, owner: Owner, now_unix_s: float) -> tuple[Certificate | None, str | None]:
        """Give the certificate to score by: the newest measurement, where it passed and is not too old.

        Returns
        -------
        The certificate, or None; and why the newest one is not used, or None.
        """
        measured, note = self.history(owner)
        if not measured:
            return None, note
        newest = measured[-1]
        if newest.expired(now_unix_s):
            age = newest.age_days(now_unix_s)
            return None, f"the certificate is {age:.0f} days old, {MAX_AGE_DAYS:.0f} is the limit; measure again"
        return (newest, None) if newest.passed else (None, None)

    def delete(self, owner: Owner) -> bool:
        """Remove everything measured of an owner; False where there was nothing."""
        path = self._path(owner)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed

    def _path(self, owner: Owner) -> Path:
        about = "|".join((owner.device, *owner.labels, owner.model))
        return self._folder / f"{digest(owner.participant)}-{digest(about)}.json"
