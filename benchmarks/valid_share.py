"""Share of valid scores on real recordings of cheap headsets, file by file, and the reasons for the others.

Counted from the end of the first warm-up: no recording can give a score in its first 4.6 s, and those of openbci-luab
last 15 s. The share of the whole file stands beside it; warm-ups after a gap count against it.
"""

from __future__ import annotations

from collections import Counter
from itertools import dropwhile
from pathlib import Path

from bci.errors import FocusloopError
from bci.files import read_recording
from benchmarks.table import Row, Setting
from inference.bundle import DEFAULT_MODEL, find_model
from inference.offline import RecordingScorer
from inference.session import FocusSession

SHARE = 0.8
LUAB = ("Fp1", "Fp2")
NOT_WELL_FITTED = {"jp_confused1.csv": "AF8 saturated 37–39 % of the time"}
"""By the notes of the data sets, before any rule was run."""


def rows(setting: Setting) -> list[Row]:
    if not setting.data_dir.is_dir():
        return [Row("valid share on real recordings", f"≥ {SHARE:.0%}", "null", f"no {setting.data_dir}")]
    scorer = RecordingScorer(FocusSession(find_model(DEFAULT_MODEL, setting.models_dir)))
    found: list[Row] = []
    for name, pattern, montage in (("muse-biohack", "*.csv*", None), ("openbci-luab", "*.txt*", LUAB)):
        folder = setting.data_dir / name
        if not folder.is_dir():
            found.append(Row(f"valid share, {name}", f"≥ {SHARE:.0%}", "null", f"no {folder}"))
            continue
        paths = sorted(folder.glob(pattern))
        found += _folder(scorer, name, paths[:3] if setting.quick else paths, montage)
    return found


def _folder(scorer: RecordingScorer, folder: str, paths: list[Path], montage: tuple[str, ...] | None) -> list[Row]:
    files: list[Row] = []
    shares: list[float] = []
    for path in paths:
        try:
            reasons = [score.reason for score in scorer.score(read_recording(path, montage=montage))]
        except FocusloopError as error:
            files.append(Row(f"valid share, {folder}/{path.name}", "", "not read", str(error)))
            continue
        tally = Counter(reasons)
        warm = Counter(dropwhile(lambda reason: reason == "warming_up", reasons))
        share, note = warm[None] / max(1, warm.total()), NOT_WELL_FITTED.get(path.name)
        if note is None:
            shares.append(share)
        whole = f"{tally[None] / max(1, tally.total()):.1%}"
        others = [f"{reason} {count / tally.total():.1%}" for reason, count in tally.most_common() if reason]
        files.append(
            Row(
                f"valid share, {folder}/{path.name}",
                "" if note else f"≥ {SHARE:.0%}",
                f"{share:.1%}",
                "; ".join(
                    [*([note] if note else []), f"{tally.total() / 10:.0f} s, all of it: valid {whole}", *others]
                ),
                None if note else share >= SHARE,
            )
        )
    enough = sum(share >= SHARE for share in shares)
    summary = Row(
        f"valid share, {folder}, mean of the well-fitted",
        f"≥ {SHARE:.0%}",
        f"{sum(shares) / max(1, len(shares)):.1%}",
        f"{enough} of {len(shares)} files reach it alone",
        bool(shares) and sum(shares) / len(shares) >= SHARE,
    )
    return [summary, *files]
