"""What the header of every recording says of the program that wrote it."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bci.config import Config
from feedback.sessions.catalogue import Recording

_PACKAGES = ("focusloop", "numpy", "scipy", "numba", "onnxruntime-gpu", "onnxruntime", "pylsl", "brainflow", "pyxdf")


def recording_wish(config: Config) -> Recording:
    """Say what recordings may take, and by which program and configuration."""
    service = config.service
    limit_bytes = None if service.record_limit_gb is None else int(service.record_limit_gb * 1e9)
    about: dict[str, Any] = {"configuration": configuration_hash(config), "versions": versions()}
    return Recording(limit_bytes, about)


def configuration_hash(config: Config) -> str:
    """Give the SHA-256 of a configuration without its token: two sessions of one hash were made alike."""
    return hashlib.sha256(config.model_dump_json(exclude={"service": {"token"}}).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Give the versions that decide what comes out."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
