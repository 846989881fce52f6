"""Shared by all tests: an LSL world of our own, and the real recordings where there are any."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import settings


def _private_lsl_world() -> Path:
    """Write an LSL configuration whose session nobody else shares, loopback only."""
    folder = Path(tempfile.mkdtemp(prefix="focusloop-lsl-"))
    config = folder / "lsl_api.cfg"
    config.write_text(
        "[multicast]\nResolveScope = machine\n"
        f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = test-{uuid.uuid4().hex}\n"
        "[ports]\nIPv6 = disable\nPortRange = 256\n"
        "[log]\nlevel = -2\n"
    )
    return config


# Before anything imports pylsl: liblsl reads its configuration once a process; children inherit the variable.
os.environ["LSLAPICFG"] = str(_private_lsl_world())
os.environ.setdefault("MNE_DONTWRITE_HOME", "true")
# Services of the tests have data directories of their own; kernels are compiled once for all of them.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "numba"))


# A law says nothing about time: the first example may compile a kernel.
settings.register_profile("focusloop", deadline=None)
settings.load_profile("focusloop")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put whole services first: their files last for a minute each, and one begun at the end is waited for alone."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the real recordings; the test is skipped where there is none."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("FOCUSLOOP_DATA", root.parent / "shared" / "data"))
    if not (folder / "eegmat").is_dir():
        pytest.skip("no real recordings here ($FOCUSLOOP_DATA)")
    return folder
