"""Install focusloop into a virtual environment of its own and run `focusloop demo`; `make demo` is this.

Works where there is no make (Windows, macOS): `python demo.py`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")


def install(extra: str) -> None:
    """Make the virtual environment, unless it holds already what `pyproject.toml` and `constraints.txt` ask for."""
    wanted = (ROOT / "pyproject.toml").read_text("utf-8") + (ROOT / "constraints.txt").read_text("utf-8")
    stamp = VENV / f"installed-{extra or 'base'}.txt"
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    if not BIN.is_dir():
        print(f"making a virtual environment in {VENV}", flush=True)
        venv.create(VENV, with_pip=True)
    print("installing (once; some minutes, about 1 GB)", flush=True)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    run([str(BIN / "python"), "-m", "pip", "install", "-q", *constraints, "-e", target])
    stamp.write_text(wanted, "utf-8")


def run(command: list[str]) -> None:
    """Run a program to its end; whatever ends this one before ends that, and what it has started."""
    with subprocess.Popen(command, start_new_session=os.name == "posix") as process:
        try:
            code = process.wait()
        except BaseException:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def end(_number: int, _frame: object) -> NoReturn:
    """Turn SIGTERM into an exception, so that what was started is ended, too."""
    sys.exit(143)


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
    signal.signal(signal.SIGTERM, end)
    try:
        install(args.install or "")
    except subprocess.CalledProcessError as error:
        print(f"the installation failed (exit code {error.returncode}); the lines above say why", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
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
