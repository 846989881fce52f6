"""Run as a process: a program that is not ours replays a recording over LSL (`play_edf.py FILE SOURCE_ID`)."""

from __future__ import annotations

import sys
import threading

import mne
from mne_lsl.player import PlayerLSL


def main() -> None:
    mne.set_log_level("ERROR")  # standard output belongs to the word that the test waits for
    with PlayerLSL(sys.argv[1], chunk_size=10, name="EDF player", source_id=sys.argv[2]):
        print("playing", flush=True)  # noqa: T201 - what the test waits for
        threading.Event().wait()


if __name__ == "__main__":
    main()
