"""Where data sets lie, and that a download is whole or says what it is not; from a server of this machine."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bci.errors import ConfigError, FileFormatError
from inference.training import datasets
from inference.training.datasets import data_root, download, survey
from inference.training.eegmat import eegmat_folder


@dataclass
class Mirror:
    url: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    files = {f"Subject{i:02d}_1.edf": bytes([i]) * 1000 for i in range(3)}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    served = Mirror("", {"SHA256SUMS.txt": sums.encode(), **files})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            served.asked.append(name)
            content = served.files.get(name)
            self.send_response_only(404 if content is None else 200)  # without a line on stderr
            self.end_headers()
            self.wfile.write(content or b"")

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def quiet(_done: int, _total: int) -> None:
    pass


def test_a_download_brings_each_file_and_says_how_far_it_is(tmp_path: Path, mirror: Mirror) -> None:
    told: list[tuple[int, int]] = []
    folder = download("eegmat", tmp_path, lambda done, total: told.append((done, total)), mirror.url)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: content for name, content in mirror.files.items() if name.endswith(".edf")
    }
    assert survey(tmp_path)[0]["state"] == "3 of 72 recordings"
    assert eegmat_folder(tmp_path) == folder


def test_what_is_there_and_whole_is_not_fetched_again_what_is_broken_is(tmp_path: Path, mirror: Mirror) -> None:
    folder = download("eegmat", tmp_path, quiet, mirror.url)
    (folder / "Subject01_1.edf").write_bytes(b"cut short")
    mirror.asked.clear()
    download("eegmat", tmp_path, quiet, mirror.url)
    assert mirror.asked == ["SHA256SUMS.txt", "Subject01_1.edf"]
    assert (folder / "Subject01_1.edf").read_bytes() == mirror.files["Subject01_1.edf"]


def test_a_file_with_another_sum_is_refused_and_not_kept(tmp_path: Path, mirror: Mirror) -> None:
    mirror.files["Subject01_1.edf"] = b"something else"
    with pytest.raises(FileFormatError, match=r"Subject01_1\.edf.*another checksum"):
        download("eegmat", tmp_path, quiet, mirror.url)
    assert [path.name for path in (tmp_path / "eegmat").iterdir()] == ["Subject00_1.edf"]


def test_a_file_that_the_server_does_not_have_is_not_blamed_on_the_network(tmp_path: Path, mirror: Mirror) -> None:
    del mirror.files["Subject00_1.edf"]
    with pytest.raises(FileFormatError, match=r"Subject00_1\.edf: the server answered 404 .* moved"):
        download("eegmat", tmp_path, quiet, mirror.url)


def test_without_a_server_it_asks_for_a_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(FileFormatError, match=r"SHA256SUMS\.txt: .*refused.*; is there a network"):
        download("eegmat", tmp_path, quiet, url)


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("muse-biohack", None, "cannot be downloaded; eegmat can"),
        ("crystals", None, "cannot be downloaded"),
        ("eegmat", "ftp://example.org/", "https"),
    ],
)
def test_what_cannot_be_downloaded_says_what_can(tmp_path: Path, name: str, url: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        download(name, tmp_path, quiet, url)


def test_data_lie_where_they_are_said_to_else_beside_the_checkout_else_with_what_focusloop_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "BESIDE", tmp_path / "shared" / "data")
    monkeypatch.setenv("FOCUSLOOP_DATA_DIR", str(tmp_path / "kept"))
    monkeypatch.delenv("FOCUSLOOP_DATA", raising=False)
    assert data_root() == tmp_path / "kept" / "data"
    with pytest.raises(ConfigError, match=r"kept.*focusloop data eegmat"):
        eegmat_folder()
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data_root() == tmp_path / "shared" / "data"
    monkeypatch.setenv("FOCUSLOOP_DATA", str(tmp_path / "mine"))
    assert data_root() == tmp_path / "mine"
