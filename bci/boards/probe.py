"""Try to open a board in a process of its own.

BrainFlow holds one lock for all boards of a process while it opens one: a Cyton that does not answer keeps every other
board's samples from being read for six seconds. So a board is tried here first where others are streaming.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bci.boards.library import brainflow


def probe(board_id: int, params: dict[str, str | int], timeout_s: float) -> int:
    """Open and release a board in a child process.

    Returns
    -------
    int
        BrainFlow's exit code: 0 where it can be opened, SYNC_TIMEOUT_ERROR where it took longer than `timeout_s`.
    """
    command = [sys.executable, "-m", "bci.boards.probe", str(board_id), json.dumps(params)]
    try:
        return subprocess.run(command, timeout=timeout_s, check=False, capture_output=True).returncode  # noqa: S603
    except subprocess.TimeoutExpired:
        return int(brainflow().BrainFlowExitCodes.SYNC_TIMEOUT_ERROR.value)


def _main() -> int:
    library = brainflow()
    inputs = library.BrainFlowInputParams()
    for key, value in json.loads(sys.argv[2]).items():
        setattr(inputs, key, value)
    try:
        board = library.BoardShim(int(sys.argv[1]), inputs)
        board.prepare_session()
        board.release_session()
    except library.BrainFlowError as error:
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
