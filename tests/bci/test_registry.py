from __future__ import annotations

import subprocess
import sys

import pytest

from bci.errors import SourceError, UriError
from bci.registry import open_source, origin_of
from bci.uri import parse_uri


def test_an_adapter_is_constructed_and_not_opened() -> None:
    source = open_source("lsl:name=Nobody")
    assert type(source).__name__ == "LslSource"
    assert source.status.state == "connecting"
    source.close()


def test_a_parsed_uri_will_do() -> None:
    assert type(open_source(parse_uri("lsl:"))).__name__ == "LslSource"


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("file:rest.edf", "file"),
        ("simulator:focus", "simulator"),
        ("brainflow:synthetic", "simulator"),
        ("brainflow:muse_2", "live"),
        ("lsl:", "live"),
    ],
)
def test_the_origin_is_known_before_the_device_is(uri: str, origin: str) -> None:
    assert origin_of(parse_uri(uri)) == origin


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(UriError, match="usb:"):
        open_source("usb:1")


def test_a_control_character_is_no_part_of_a_path() -> None:
    with pytest.raises(UriError, match="control character"):
        open_source("file:rest%00.edf")


def test_an_unknown_parameter_is_refused_before_anything_is_looked_for() -> None:
    with pytest.raises(UriError, match=r"unknown parameter 'nam'.*name"):
        open_source("lsl:nam=Muse")


def test_a_library_that_cannot_be_loaded_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bci.sources.lsl", None)  # makes the import fail
    with pytest.raises(SourceError, match="focusloop doctor"):
        open_source("lsl:")


def test_importing_the_registry_imports_no_vendor_library() -> None:
    code = (
        "import sys, bci.registry; sys.exit(bool({'pylsl', 'brainflow', 'mne', 'numba', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
