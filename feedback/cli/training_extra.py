"""Training needs torch, onnx and scikit-learn, which the base install leaves out."""

from __future__ import annotations

import importlib.util

from bci.errors import NotInstalledError


def require_training() -> None:
    """Refuse with the command that installs what is missing.

    Raises
    ------
    NotInstalledError
        Naming it.
    """
    lacking = [name for name in ("torch", "onnx", "sklearn") if importlib.util.find_spec(name) is None]
    if lacking:
        msg = (
            f"{', '.join(lacking)} not installed; training needs an extra: pip install -c constraints.txt -e '.[train]'"
        )
        raise NotInstalledError(msg)
