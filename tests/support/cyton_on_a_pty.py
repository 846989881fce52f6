"""An OpenBCI Cyton as BrainFlow's driver meets it, behind a pseudo-terminal: loss and silence at will, no hardware.

The protocol is OpenBCI's "Cyton Data Format": 33 bytes a sample, 0xA0, number, 8 x 24 bits, 6 auxiliary bytes, 0xC0.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty

MICROVOLTS_PER_STEP = 4.5 / (2**23 - 1) / 24 * 1e6


class CytonOnAPty:
    """Answers as a Cyton does, and sends samples of channel c at (c + 1) * 10 µV while it streams."""

    def __init__(self, *, answers: bool = True) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)  # held open, so that ours does not see the end when the driver closes its side
        self.port = os.ttyname(self._theirs)
        self._answers = answers
        self._streaming = False
        self._stop = threading.Event()
        self.silent = threading.Event()
        self.lose = 0
        """Set to n: the next n samples are made and never sent."""
        self._number = 0
        self._thread = threading.Thread(target=self._run, name="cyton on a pty")
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def __enter__(self) -> CytonOnAPty:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            readable, _, _ = select.select([self._ours], [], [], 0.002)
            if readable:
                self._obey(os.read(self._ours, 64))
            now = time.monotonic()
            if not self._streaming or self.silent.is_set():
                due = now
            while due < now:
                due += 1 / 250
                self._sample()

    def _obey(self, commands: bytes) -> None:
        if not self._answers:
            return
        for command in commands.decode("ascii", errors="replace"):
            if command == "b":
                self._streaming = True
            elif command == "s":
                self._streaming = False
            elif command in "vd":
                os.write(self._ours, b"OpenBCI V3 8-16 channel\nFirmware: v3.1.2\n$$$")

    def _sample(self) -> None:
        number, self._number = self._number, (self._number + 1) % 256
        if self.lose > 0:
            self.lose -= 1
            return
        values = b"".join(round((c + 1) * 10 / MICROVOLTS_PER_STEP).to_bytes(3, "big", signed=True) for c in range(8))
        os.write(self._ours, b"\xa0" + bytes([number]) + values + bytes(6) + b"\xc0")
