"""BrainFlow boards: the real library on its synthetic board, and on a Cyton behind a pseudo-terminal."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from compliance import PATIENCE_S, SourceCompliance, read_samples

from bci.boards import failures, session
from bci.boards.failures import SILENT, board_failure
from bci.errors import MontageError, SourceError, SourceNotFoundError, UnsupportedStreamError, UriError
from bci.profiles import profile_for_brainflow
from bci.source import Source
from bci.sources.brainflow import BrainflowSource
from bci.types import Chunk
from bci.uri import parse_uri

pytest.importorskip("brainflow")
pty = pytest.importorskip("pty")  # not on Windows
from cyton_on_a_pty import CytonOnAPty  # noqa: E402


def source_of(text: str) -> BrainflowSource:
    return BrainflowSource(parse_uri(text))


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    wait_for_openers()  # an attempt that was given up ends when BrainFlow lets go, and then releases the board
    assert not list(session._open_sessions)


def wait_for_openers() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("open "):
            thread.join(PATIENCE_S)


class TestSynthetic(SourceCompliance):
    @pytest.fixture
    def source(self) -> Source:
        return source_of("brainflow:synthetic")

    @pytest.fixture
    def missing(self) -> Source:
        return source_of("brainflow:cyton?serial_port=/dev/no-such-port&montage=ultracortex")

    def test_it_is_marked_as_simulated_and_says_what_it_is(self, opened: Source) -> None:
        assert opened.spec.origin == "simulator"
        assert opened.spec.profile == "brainflow_synthetic"
        assert opened.spec.profile_verified
        assert [c.label for c in opened.spec.channels][:4] == ["Fz", "C3", "Cz", "C4"]
        assert len(opened.spec.scored) == 16
        assert opened.spec.nominal_rate_hz == 250.0

    def test_it_tells_its_charge(self, opened: Source) -> None:
        read_samples(opened, 1)
        assert opened.status.battery is not None

    def test_nothing_is_lost_while_it_is_read(self, opened: Source) -> None:
        chunks = read_samples(opened, 300)  # more than a round of its counter, which wraps at 256
        assert opened.status.lost_samples == 0
        assert [c.first_sample for c in chunks] == np.cumsum([0, *map(len, chunks[:-1])]).tolist()

    def test_two_at_once_are_told_apart(self, opened: Source) -> None:
        twin = source_of("brainflow:synthetic")
        with pytest.raises(SourceError, match="already open in this process"):
            twin.open()
        other = source_of("brainflow:synthetic?other_info=2")
        try:
            assert other.open().source_id != opened.spec.source_id
            read_samples(other, 1)
        finally:
            other.close()
        read_samples(opened, 1)

    def test_a_montage_is_what_somebody_says(self) -> None:
        source = source_of("brainflow:synthetic?montage=Fp1,-,O1" + ",-" * 13)
        try:
            assert [c.label for i, c in enumerate(source.open().channels) if i in source.spec.scored] == ["Fp1", "O1"]
        finally:
            source.close()


@pytest.fixture
def cyton() -> Iterator[CytonOnAPty]:
    with CytonOnAPty() as board:
        yield board


class TestCyton(SourceCompliance):
    @pytest.fixture
    def source(self, cyton: CytonOnAPty) -> Source:
        return source_of(f"brainflow:cyton?serial_port={cyton.port}&montage=Fp1,Fp2")

    def test_its_samples_are_microvolts_in_the_descriptors_order(self, opened: Source) -> None:
        for chunk in read_samples(opened, 50):
            np.testing.assert_allclose(chunk.data, np.tile(np.arange(10, 90, 10), (len(chunk), 1)), atol=0.05)

    def test_only_named_electrodes_are_scored(self, opened: Source) -> None:
        assert opened.spec.scored == (0, 1)
        assert opened.spec.rails_uv == (-187500.0, 187500.0)
        assert opened.spec.origin == "live"

    def test_electrodes_are_free_until_somebody_says_where_they_are(self, cyton: CytonOnAPty) -> None:
        assert source_of(f"brainflow:cyton?serial_port={cyton.port}").spec.unassigned
        confirmed = source_of(f"brainflow:cyton?serial_port={cyton.port}&montage=ultracortex").spec
        assert [c.label for c in confirmed.channels] == ["Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"]

    @pytest.mark.parametrize("lost", [1, 7, 255, 400])
    def test_lost_packets_are_counted_and_the_numbers_jump(self, opened: Source, cyton: CytonOnAPty, lost: int) -> None:
        chunks = read_samples(opened, 20)
        cyton.lose = lost
        deadline = time.monotonic() + PATIENCE_S
        while opened.status.lost_samples == 0:
            assert time.monotonic() < deadline
            chunks += read_samples(opened, 1)
        chunks += read_samples(opened, 20)
        assert opened.status.lost_samples == lost
        assert jumps(chunks) == [lost]

    def test_a_board_that_falls_silent_is_found_again(self, opened: Source, cyton: CytonOnAPty) -> None:
        chunks = read_samples(opened, 20)
        cyton.silent.set()
        chunks += wait_for_state(opened, "reconnecting")
        assert "no samples for" in opened.status.detail
        cyton.silent.clear()
        chunks += wait_for_state(opened, "streaming")
        chunks += read_samples(opened, 20)
        assert len(jumps(chunks)) == 1, "the pause is one gap"
        pause_s = np.diff(np.concatenate([c.timestamps_s for c in chunks])).max()
        assert jumps(chunks)[0] == pytest.approx(pause_s * 250, rel=0.05)
        assert opened.status.lost_samples == jumps(chunks)[0]

    def test_closing_while_it_is_looked_for_does_not_wait(self, opened: Source, cyton: CytonOnAPty) -> None:
        read_samples(opened, 1)
        cyton.silent.set()
        wait_for_state(opened, "reconnecting")
        opened.read(1, 0.05)  # begins to open it again
        began = time.monotonic()
        opened.close()
        assert time.monotonic() - began < 3.0
        assert opened.status.state == "closed"


def wait_for_state(source: Source, state: str) -> list[Chunk]:
    deadline = time.monotonic() + PATIENCE_S
    chunks: list[Chunk] = []
    while source.status.state != state:
        assert time.monotonic() < deadline, source.status
        if (chunk := source.read(1, 0.1)) is not None:
            chunks.append(chunk)
    return chunks


def jumps(chunks: list[Chunk]) -> list[int]:
    gaps = [b.first_sample - a.first_sample - len(a) for a, b in itertools.pairwise(chunks)]
    return [gap for gap in gaps if gap]


def test_a_port_that_is_not_there_says_so_and_lists_those_that_are() -> None:
    source = source_of("brainflow:cyton?serial_port=/dev/no-such-port")
    with pytest.raises(SourceNotFoundError, match=r"no serial port /dev/no-such-port.*dongle plugged in.*Ports here"):
        source.open()
    assert source.status.state == "connecting", "may be tried again"
    assert "no-such-port" in source.status.detail


def test_a_board_that_never_answers_is_an_error_in_time() -> None:
    with CytonOnAPty(answers=False) as board:
        source = source_of(f"brainflow:cyton?serial_port={board.port}")
        began = time.monotonic()
        with pytest.raises(SourceNotFoundError, match=r"(?s)switched on|has not answered"):
            source.open(1.0)
        assert time.monotonic() - began < 4.0
        with pytest.raises(SourceNotFoundError, match=r"does not answer on.*BOARD_NOT_READY"):
            source.open(PATIENCE_S)  # the same attempt, to its end: it is not begun anew meanwhile
        source.close()


def test_a_board_that_answers_too_late_is_kept_for_who_asks_again(cyton: CytonOnAPty) -> None:
    source = source_of(f"brainflow:cyton?serial_port={cyton.port}")
    with pytest.raises(SourceNotFoundError, match=r"has not answered within 0\.05 s"):
        source.open(0.05)  # it takes a second
    source.open(PATIENCE_S)
    read_samples(source, 1)
    source.close()


def test_a_board_that_answers_too_late_is_released_where_nobody_asks(
    cyton: CytonOnAPty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_CLAIM_S", 0.1)
    source = source_of(f"brainflow:cyton?serial_port={cyton.port}")
    with pytest.raises(SourceNotFoundError):
        source.open(0.05)
    wait_for_openers()
    assert not list(session._open_sessions), "nothing stays open after an error"
    source.open(PATIENCE_S)  # and it can be opened again
    source.close()


def test_a_port_that_takes_everything_and_says_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """BrainFlow opens any serial port as a FreeEEG32; only the samples that never come give it away."""
    monkeypatch.setattr(session, "_FIRST_SAMPLE_S", 0.5)
    with CytonOnAPty(answers=False) as board:
        source = source_of(f"brainflow:freeeeg32?serial_port={board.port}")
        with pytest.raises(SourceNotFoundError, match="sends no samples"):
            source.open(PATIENCE_S)
        source.close()


def test_a_board_that_does_not_answer_keeps_nobody_elses_samples_waiting(cyton: CytonOnAPty) -> None:
    """BrainFlow has one lock for all boards; opening a silent one would hold it for six seconds."""
    streaming = source_of(f"brainflow:cyton?serial_port={cyton.port}")
    streaming.open(PATIENCE_S)
    with CytonOnAPty(answers=False) as silent:
        looked_for = source_of(f"brainflow:cyton?serial_port={silent.port}")
        refused: list[SourceError] = []

        def look() -> None:
            try:
                looked_for.open(PATIENCE_S)
            except SourceError as error:
                refused.append(error)

        looking = threading.Thread(target=look)
        looking.start()
        longest_s, last_s = 0.0, time.monotonic()
        while looking.is_alive():
            if streaming.read(1, 0.2) is not None:
                now_s = time.monotonic()
                longest_s, last_s = max(longest_s, now_s - last_s), now_s
        looking.join()
        assert longest_s < 3.0
        assert "does not answer" in str(refused[0])
        looked_for.close()
    streaming.close()


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("brainflow:cytron", r"'cytron'; known: .*cyton.*synthetic"),
        ("brainflow:cyton", r"needs serial_port=.*focusloop devices"),
        ("brainflow:cyton?serialport=COM3", r"unknown parameter 'serialport'.*serial_port"),
        ("brainflow:muse_2?timeout=soon", r"timeout=soon, expected a number"),
        ("brainflow:epoc_x", r"no firmware profile for a BrainFlow board"),
    ],
)
def test_a_uri_that_cannot_work_is_refused_before_anything_is_opened(uri: str, says: str) -> None:
    with pytest.raises(UriError, match=says):
        source_of(uri)


def test_a_montage_that_does_not_fit_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(MontageError, match="4 EEG channels"):
        source_of("brainflow:ganglion?montage=Fp1,Fp2,C3,C4,Cz")


@pytest.mark.parametrize(
    ("board", "params", "code", "kind", "says"),
    [
        ("cyton", {"serial_port": "/dev/null"}, 2, SourceNotFoundError, "does another program hold it"),
        ("cyton", {"serial_port": "/dev/tty9"}, 7, SourceNotFoundError, "is this the right port"),
        ("cyton", {"serial_port": "/dev/tty9"}, SILENT, SourceNotFoundError, "sends no samples"),
        ("muse_2", {}, 2, SourceNotFoundError, "no Bluetooth adapter"),
        ("muse_s", {"mac_address": "00:55"}, 7, SourceNotFoundError, "at 00:55.*Athena"),
        ("muse_2", {}, 13, SourceError, "it takes: mac_address"),
        ("brainbit", {}, 14, UnsupportedStreamError, "windows, macos.*BLED112.*focusloop relay"),
        ("unicorn", {}, 17, SourceNotFoundError, "driver"),
        ("crown", {}, 18, SourceNotFoundError, "Open Sound Control"),
        ("ganglion", {}, 16, SourceError, "already open in this process"),
        ("explore_8", {}, 99, SourceError, "switch it off and on"),
    ],
)
def test_every_exit_code_says_what_to_check(
    board: str, params: dict[str, str], code: int, kind: type[SourceError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "this_platform", lambda: "linux")
    error = board_failure(profile_for_brainflow(board), params, code)
    assert type(error) is kind

    assert re.search(says, str(error), re.DOTALL), str(error)
    assert profile_for_brainflow(board).device in str(error)


def test_without_permission_the_group_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    error = board_failure(profile_for_brainflow("cyton"), {"serial_port": str(port)}, 2)
    assert "dialout" in str(error)


SCRIPT = """
import signal, sys
from bci.sources.brainflow import BrainflowSource
from bci.uri import parse_uri
source = BrainflowSource(parse_uri("brainflow:synthetic"))
{before}
source.open()
while source.read(1, 1.0) is None:
    pass
print("streaming", flush=True)
{after}
"""

READ_ON = "while True: source.read(25, 1.0)"


@pytest.mark.parametrize(
    ("before", "after", "send", "code"),
    [
        (
            # As our commands do. A handler that raises may do so while ctypes converts an argument of BrainFlow's, and
            # ctypes makes an ArgumentError of whatever is raised there.
            "told = []; signal.signal(signal.SIGTERM, lambda *_: told.append(1))",
            "while not told: source.read(25, 1.0)",
            signal.SIGTERM,
            0,
        ),
        ("", "while True: source.read(25, 1.0)", signal.SIGTERM, -signal.SIGTERM),
        ("", "while True: source.read(25, 1.0)", signal.SIGINT, -signal.SIGINT),
        ("", "raise RuntimeError('on purpose')", None, 1),
        ("", "", None, 0),
        ("", "source.close()", None, 0),
    ],
    ids=["sigterm handled", "sigterm", "ctrl-c", "exception", "forgotten", "closed"],
)
def test_a_process_with_a_streaming_board_ends_at_once(
    before: str, after: str, send: signal.Signals | None, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT.format(before=before, after=after)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "streaming\n", process.communicate(timeout=PATIENCE_S)[1]
        if send is not None:
            process.send_signal(send)
        began = time.monotonic()
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert time.monotonic() - began < 5.0
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, errors
    assert "Exception ignored" not in errors
    assert ("on purpose" in errors) == ("on purpose" in after)


@pytest.mark.parametrize(
    ("said", "raised"),
    [("argument 2: KeyboardInterrupt: ", KeyboardInterrupt), ("argument 2: TypeError: no", ctypes.ArgumentError)],
)
@pytest.mark.parametrize("call", ["count", "take"])
def test_ctrl_c_while_an_argument_is_converted_is_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, call: str, said: str, raised: type[BaseException]
) -> None:
    """What ctypes makes of a KeyboardInterrupt that comes just then."""

    def convert(*_: object) -> None:
        raise ctypes.ArgumentError(said)

    source = BrainflowSource(parse_uri("brainflow:synthetic"))
    source.open()
    try:
        (board,) = session._open_sessions
        with monkeypatch.context() as patched:
            patched.setattr(board, "_shim", SimpleNamespace(get_board_data_count=convert, get_board_data=convert))
            with pytest.raises(raised):
                getattr(board, call)()
    finally:
        source.close()
