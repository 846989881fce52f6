"""The public data sets that training uses: where they are, whether they are whole, and how to get them."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bci.compiled import data_folder
from bci.errors import ConfigError, FileFormatError


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that somebody else has published.

    Parameters
    ----------
    name
        Of its folder.
    files
        How many recordings it holds, and the pattern of their names.
    licence, source
        As its authors state them.
    url
        Folder that the files are downloaded from, with their checksums in `SHA256SUMS.txt`; None where it cannot be.
    """

    name: str
    files: tuple[int, str]
    licence: str
    source: str
    url: str | None = None


DATA_SETS = {
    data.name: data
    for data in (
        DataSet(
            "eegmat",
            (72, "Subject*.edf"),
            "Open Data Commons Attribution 1.0",
            "PhysioNet, doi 10.13026/C2JQ1P; Zyma et al., Data 4(1):14, 2019",
            "https://physionet.org/files/eegmat/1.0.0/",
        ),
        DataSet("muse-biohack", (6, "*.csv"), "MIT", "github JP-Vela/BioHack2025"),
        DataSet("muse-bird", (6, "*.csv"), "none stated", "github jordan-bird/eeg-feature-generation"),
        DataSet("openbci-luab", (28, "*.txt"), "none stated", "github Luab/EEGDataset"),
    )
}


BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Data sets beside a checkout; an installed package has none there."""


def data_root() -> Path:
    """Folder of the data sets.

    `$FOCUSLOOP_DATA`; else `shared/data` beside the checkout, where there is one; else `data` among what focusloop
    keeps (`$FOCUSLOOP_DATA_DIR`).
    """
    given = os.environ.get("FOCUSLOOP_DATA")
    if given:
        return Path(given).expanduser()
    return BESIDE if BESIDE.is_dir() else data_folder() / "data"


def survey(root: Path) -> list[dict[str, Any]]:
    """Say of each data set how much of it is there."""
    listed: list[dict[str, Any]] = []
    for data in DATA_SETS.values():
        whole, pattern = data.files
        count = len(list((root / data.name).glob(pattern)))
        state = "not here" if not count else "complete" if count >= whole else f"{count} of {whole} recordings"
        if not count and data.url:
            state += f" (focusloop data {data.name})"
        listed.append({"name": data.name, "state": state, "licence": data.licence, "source": data.source})
    return listed


def download(name: str, root: Path, progress: Callable[[int, int], None], base_url: str | None = None) -> Path:
    """Fetch the files of a data set that are missing or not whole, and check each against its published sum.

    Parameters
    ----------
    name
        Key of `DATA_SETS`.
    root
        Folder of all data sets.
    progress
        Called with files done and files in all.
    base_url
        Another mirror than the set's own.

    Raises
    ------
    ConfigError
        For an unknown set, or one that cannot be downloaded.
    FileFormatError
        If the network fails, or a file does not have its published sum.
    """
    data = DATA_SETS.get(name)
    url = base_url or (data.url if data else None)
    if data is None or url is None:
        able = ", ".join(key for key, one in DATA_SETS.items() if one.url)
        msg = f"'{name}' cannot be downloaded; {able} can. For the others see their source in `focusloop data --json`"
        raise ConfigError(msg)
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    sums = [line.split(maxsplit=1) for line in _fetch(url + "SHA256SUMS.txt").decode().splitlines() if line.strip()]
    for done, (expected, file) in enumerate(sums):
        progress(done, len(sums))
        target = folder / Path(file.strip()).name
        if target.is_file() and _digest(target.read_bytes()) == expected:
            continue
        content = _fetch(url + file.strip())
        if _digest(content) != expected:
            msg = f"{url}{file}: the file came with another checksum than published; try again, or tell its authors"
            raise FileFormatError(msg)
        part = target.with_suffix(target.suffix + ".part")
        part.write_bytes(content)
        part.replace(target)
    progress(len(sums), len(sums))
    return folder


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fetch(url: str) -> bytes:
    if not url.startswith(("https://", "http://127.0.0.1")):
        msg = f"{url}: data sets come over https"
        raise ConfigError(msg)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the scheme was checked
            content: bytes = answer.read()
    except urllib.error.HTTPError as error:
        msg = f"{url}: the server answered {error.code} ({error.reason}); see whether it has moved"
        raise FileFormatError(msg) from error
    except OSError as error:  # URLError and TimeoutError are such
        msg = f"{url}: {getattr(error, 'reason', error)}; is there a network?"
        raise FileFormatError(msg) from error
    return content
