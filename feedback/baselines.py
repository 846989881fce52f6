"""Baselines on disk: one small file for each person, headset, montage, model and eye state; private, written whole."""

from __future__ import annotations

from pathlib import Path

from feedback.private_files import digest, write_private
from inference.baseline import Baseline, Owner


class BaselineStore:
    """Keeps baselines below the data directory.

    Parameters
    ----------
    folder
        `<data_dir>/baselines`, made with mode 0700 where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, baseline: Baseline) -> None:
        """Write a baseline over the earlier one of the same owner and eye state.

        Raises
        ------
        OSError
            If the disk does not take it; the earlier one is whole then.
        """
        write_private(self._path(baseline.participant, baseline), baseline.model_dump_json(indent=1))

    def find(self, owner: Owner) -> tuple[Baseline | None, str | None]:
        """Give the newest baseline that fits, open eyes first; and a sentence about one that does not fit.

        Returns
        -------
        The baseline, or None; and why a stored one of this person was not used, or None.
        """
        fitting: list[Baseline] = []
        note: str | None = None
        for path in sorted(self._folder.glob(f"{digest(owner.participant)}-*.json")):
            try:
                baseline = Baseline.model_validate_json(path.read_bytes())
            except (OSError, ValueError) as error:  # no text, no JSON, or not a baseline's
                note = f"the stored baseline {path.name} cannot be read ({type(error).__name__}); calibrate again"
                continue
            if owner.fits(baseline):
                fitting.append(baseline)
            elif owner.matches(baseline):
                note = (
                    f"a baseline of {baseline.device} ({', '.join(baseline.labels)}) exists, but {baseline.model} has "
                    "been trained anew since it was taken: not used; calibrate again"
                )
            elif baseline.participant == owner.participant:
                note = (
                    f"a baseline of {baseline.device} ({', '.join(baseline.labels)}, {baseline.model}) exists, but it "
                    "belongs to another headset, montage or model; calibrate for this one"
                )
        if not fitting:
            return None, note
        return max(fitting, key=lambda b: (b.eyes == "open", b.taken_unix_s)), None

    def delete(self, owner: Owner) -> int:
        """Remove the baselines that fit, and damaged ones of the same person, which nobody can use any more.

        Returns
        -------
        int
            How many there were that fitted.

        Raises
        ------
        OSError
            If a file cannot be read or removed.
        """
        removed = 0
        for path in self._folder.glob(f"{digest(owner.participant)}-*.json"):
            try:
                fits = owner.fits(Baseline.model_validate_json(path.read_bytes()))
            except ValueError:
                path.unlink(missing_ok=True)
                continue
            if fits:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, participant: str, baseline: Baseline) -> Path:
        about = digest(baseline.device, *baseline.labels, baseline.model, baseline.eyes)
        return self._folder / f"{digest(participant)}-{about}.json"
