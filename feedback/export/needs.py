"""Some formats need libraries that the base install leaves out."""

from __future__ import annotations

import importlib.util

from bci.errors import NotInstalledError


def require(export_format: str, *names: str) -> None:
    """Refuse with the command that installs what is missing.

    Raises
    ------
    NotInstalledError
        Naming it.
    """
    lacking = [name for name in names if importlib.util.find_spec(name) is None]
    if lacking:
        msg = (
            f"{', '.join(lacking)} not installed; --to {export_format} needs an extra: "
            "pip install -c constraints.txt -e '.[export]'"
        )
        raise NotInstalledError(msg)
