"""`focusloop demo`: everything on this machine, no hardware."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bci.errors import SourceFailedError

MONTAGE = "F3,F4,C3,C4,P3,P4,O1,O2"
EFFECT = 2.0
"""Somebody whose rhythms follow clearly."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from feedback.cli.options import add_service_options

    parser.add_argument("--scenario", default="focus", help="what the simulated participant does (focus)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated participant")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    add_service_options(parser)
    parser.epilog = (
        "example: focusloop demo\n"
        "A simulated participant is published over LSL by a process of its own, found and scored like a headset,\n"
        "against half a minute of its own rest; another process does trials for it, as a game would, and the\n"
        "difficulty follows. It shows the loop, not the validity of the score."
    )


def run(args: argparse.Namespace) -> int:
    """Publish a simulated headset, serve it, and open the page."""
    from bci.config import read_config
    from bci.registry import open_source
    from feedback.cli.launch import serve
    from feedback.cli.options import service_overrides

    open_source(demo_uri(args.scenario, args.seed))  # what cannot be simulated is said before anything starts
    source_id = f"focusloop-demo-{uuid.uuid4().hex[:8]}"
    overrides = service_overrides(args)
    with _rest_file(args.seed) as rest:
        person = {"id": "demo", "sources": [f"lsl:source_id={source_id}"], "baseline": str(rest)}
        overrides["participant"] = [{**person, "controller": {"policy": "fused"}}]
        config = read_config(None, overrides)
        print("A SIMULATED participant over LSL: it shows the loop, not the validity of the score.", flush=True)
        with _simulator(args.scenario, args.seed, source_id) as over, _player(args.scenario, args.seed) as play:
            serve(config, debug=args.debug, open_page=not args.no_browser, until=over, announced=play)
    return 0


def demo_uri(scenario: str, seed: int, **more: float) -> str:
    """Give the source URI of the demo's participant."""
    query = f"seed={seed}&effect={EFFECT:g}&montage={MONTAGE}"
    return f"simulator:{scenario}?{query}" + "".join(f"&{key}={value:g}" for key, value in more.items())


def write_rest(path: Path, seed: int) -> None:
    """Record 40 s of the demo's participant at rest, as FIF: its baseline, so that its scores move around one half."""
    import mne
    import numpy as np

    from bci.registry import open_source

    source = open_source(demo_uri("manual", seed, attention=0.1, speed=0))
    spec = source.open()
    chunks = [source.read(1000, 1.0) for _ in range(10)]
    source.close()
    samples_v = np.concatenate([chunk.data for chunk in chunks if chunk is not None]).T * 1e-6
    info = mne.create_info([channel.label for channel in spec.channels], spec.nominal_rate_hz, "eeg")
    mne.io.RawArray(samples_v, info, verbose="error").save(path, verbose="error")


@contextmanager
def _rest_file(seed: int) -> Generator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="focusloop-demo-", ignore_cleanup_errors=True)
    except OSError as error:
        msg = f"the demo finds no folder for a temporary file ({error.strerror}); name one with TMPDIR"
        raise SourceFailedError(msg) from error
    with folder as name:
        path = Path(name) / "rest_eeg.fif"
        try:
            write_rest(path, seed)
        except OSError as error:
            msg = f"the demo cannot write {path}: {error.strerror}; make room, or name another folder with TMPDIR"
            raise SourceFailedError(msg) from error
        yield path


@contextmanager
def _simulator(scenario: str, seed: int, source_id: str) -> Generator[threading.Event]:
    """Have the participant published meanwhile; gives an event that is set where its process ends by itself."""
    command = [sys.executable, "-m", "feedback.cli.main", "simulate", "--scenario", scenario, "--seed", str(seed)]
    command += ["--source-id", source_id, "--parent", str(os.getpid())]
    command += ["--effect", f"{EFFECT:g}", "--montage", MONTAGE]
    over = threading.Event()
    # A session of its own: Ctrl-C is for the demo, which then ends it.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=os.name == "posix") as simulator:

        def watch() -> None:
            simulator.wait()
            over.set()

        threading.Thread(target=watch, name="simulator", daemon=True).start()
        try:
            yield over
        finally:
            code = simulator.poll()
            simulator.terminate()
    if code is not None:
        msg = f"the process of the simulated participant ended (exit code {code}); start the demo again"
        raise SourceFailedError(msg)


@contextmanager
def _player(scenario: str, seed: int) -> Generator[Callable[[str, str], None]]:
    """Give what starts the trials of the participant, once the service's address and token are known."""
    with ExitStack() as playing:

        def play(url: str, token: str) -> None:
            address = url.replace("http", "ws", 1) + "v1/ws"
            command = [sys.executable, "-m", "feedback.cli.demo_player", address, "demo", "--scenario", scenario]
            command += ["--seed", str(seed), "--parent", str(os.getpid())]
            environment = {**os.environ, "FOCUSLOOP_TOKEN": token}
            player = subprocess.Popen(command, env=environment, start_new_session=os.name == "posix")
            playing.enter_context(player)  # waits for it
            playing.callback(player.terminate)

        yield play
