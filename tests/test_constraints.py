"""constraints.txt pins what `make` installs: a fresh machine gets what was tested."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def needed(extras: tuple[str, ...]) -> dict[str, str]:
    """Give what is installed of everything that focusloop needs with these extras: versions by name."""
    found: dict[str, str] = {}
    waiting = [("focusloop", extra) for extra in ("", *extras)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here
        found[name] = package.version
        for text in package.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                other = canonicalize_name(requirement.name)
                waiting += [(other, one) for one in ("", *requirement.extras)]
    del found["focusloop"]
    return found


@pytest.mark.parametrize("extras", [(), ("test",), ("bench",)], ids=["demo", "test", "bench"])
def test_everything_that_is_installed_is_pinned(extras: tuple[str, ...]) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {canonicalize_name(name) for name, _, _ in (line.partition("==") for line in lines if "==" in line)}
    installed = needed(extras)
    assert len(installed) > 20
    assert sorted(set(installed) - pinned) == []
