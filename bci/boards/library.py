"""The one place that imports BrainFlow: lazily, without its warnings and its log."""

from __future__ import annotations

import functools
import warnings
from typing import Any, cast

from bci.errors import SourceError


@functools.cache
def brainflow() -> Any:  # noqa: ANN401 - a vendor module without types
    """Import `brainflow.board_shim`, once, and silence its log (what goes wrong is in the errors we raise).

    Raises
    ------
    SourceError
        If it is not installed, or its shared libraries cannot be loaded here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources at its first call, which is deprecated
            import brainflow.board_shim as board_shim

            board_shim.BoardShim.disable_board_logger()
    except (ImportError, OSError) as error:
        msg = (
            f"BrainFlow cannot be used here ({error}); install it with pip install brainflow 'setuptools<81', or read "
            "the headset over LSL"
        )
        raise SourceError(msg) from error
    return board_shim


def descriptor(board: str, preset: str = "default") -> dict[str, Any]:
    """BrainFlow's own description of a board: its rows, rate and electrode names.

    Parameters
    ----------
    board
        Name of its `BoardIds` member.
    preset
        `default` (where the EEG is), `auxiliary` or `ancillary`.
    """
    library = brainflow()
    number = library.BrainFlowPresets[f"{preset.upper()}_PRESET"].value
    return cast("dict[str, Any]", library.BoardShim.get_board_descr(board_id(board), number))


def board_id(board: str) -> int:
    """Look up the number of a board by the name of its `BoardIds` member."""
    return int(brainflow().BoardIds[board].value)


def exit_code_name(code: int) -> str:
    """Name of a BrainFlow exit code, for a person who searches for it."""
    codes = {member.value: member.name for member in brainflow().BrainFlowExitCodes}
    return str(codes.get(code, f"exit code {code}"))
