"""One tiny model for all tests of the runtime."""

from __future__ import annotations

import pytest
from tiny_model import write_tiny_model

from inference.bundle import ModelBundle
from inference.session import FocusSession


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return write_tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def tiny_session(tiny: ModelBundle) -> FocusSession:
    return FocusSession(tiny)
