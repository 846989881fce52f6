"""One running service for the clients of all languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from focusloop_process import Serve


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("data"), "p01=simulator:manual") as running:
        running.http.put("/v1/streams/p01/controller", json={"policy": "fused"}).raise_for_status()
        yield running
