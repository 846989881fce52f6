"""Install focusloop into a virtual environment of its own and run `focusloop demo`; `make demo` is this.

Works where there is no make (Windows, macOS): `python demo.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")


def install(extra: str) -> None:
    """Make the virtual environment, unless it holds already what `pyproject.toml` and `constraints.txt` ask for."""
    wanted = (ROOT / "pyproject.toml").read_text("utf-8") + (ROOT / "constraints.txt").read_text("utf-8")
    stamp = VENV / f"installed-{extra or 'base'}.txt"
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    steps = Steps()
    if not list(BIN.glob("pip*")):  # none yet, or one whose making was interrupted
        print(f"making a virtual environment in {VENV}", flush=True)
        steps.run([sys.executable, "-m", "venv", str(VENV)])
    print("installing (once; some minutes, about 1 GB)", flush=True)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    steps.run([str(BIN / "python"), "-m", "pip", "install", "-q", *constraints, "-e", target])
    stamp.write_text(wanted, "utf-8")
    steps.done()


class Steps:
    """Programs that run one after the other; SIGINT or SIGTERM ends the one that runs, what it started, and this one.

    The handler raises nothing: an exception could come while a program is being started, before anybody could end it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_by: int | None = None
        self._before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(self, command: list[str]) -> None:
        """Run a program to its end."""
        self._exit_if_ended()  # by a signal between two of them
        self._process = subprocess.Popen(command, start_new_session=os.name == "posix")
        if self._ended_by is not None:  # while it was being started
            self._terminate(self._process)
        code = self._process.wait()
        self._exit_if_ended()
        if code:
            raise subprocess.CalledProcessError(code, command)

    def done(self) -> None:
        """Leave the signals to what comes next."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._exit_if_ended()

    def _exit_if_ended(self) -> None:
        if self._ended_by is not None:
            sys.exit(128 + self._ended_by)

    def _end(self, number: int, _frame: object) -> None:
        self._ended_by = number
        if self._process is not None:
            self._terminate(self._process)

    @staticmethod
    def _terminate(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended this moment
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()


def main() -> int:
    """Install, and run the demo with the arguments that are left."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False
    )
    parser.add_argument("-h", "--help", action="store_true", help="this, and, once installed, the options of the demo")
    parser.add_argument("--install", metavar="EXTRA", help="only install, with this extra (test, bench, train)")
    args, rest = parser.parse_known_args()
    if args.help:
        print(parser.format_help(), flush=True)
        if (BIN / "focusloop").exists():
            return subprocess.run([str(BIN / "focusloop"), "demo", "--help"], check=False).returncode
        return 0
    if sys.version_info < (3, 11):
        print(f"focusloop needs Python 3.11 or newer, this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    try:
        install(args.install or "")
    except subprocess.CalledProcessError as error:
        print(f"the installation failed (exit code {error.returncode}); the lines above say why", file=sys.stderr)
        return 1
    if args.install:
        return 0
    command = [str(BIN / "focusloop"), "demo", *rest]
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606 - so that signals reach the demo itself
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
