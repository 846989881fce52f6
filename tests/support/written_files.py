"""Recordings of every format, written by tests: whole ones, and ones broken in a way that files break."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Samples = np.ndarray


def wave_uv(n: int, n_channels: int = 4, rate_hz: float = 250.0, seed: int = 1) -> Samples:
    """Make float64 (n, channels), µV: alpha and noise, no two samples alike."""
    noise = np.random.default_rng(seed).normal(0.0, 5.0, (n, n_channels))
    return 20.0 * np.sin(2 * np.pi * 10.0 * np.arange(n) / rate_hz)[:, None] + noise


def write_muselsl(path: Path, uv: Samples, stamps_s: Sequence[float] | None = None, *, header: bool = True) -> Path:
    """Write `timestamps,TP9,AF7,AF8,TP10,Right AUX` as muselsl does."""
    stamps = 1.7e9 + np.arange(len(uv)) / 256.0 if stamps_s is None else np.asarray(stamps_s)
    lines = ["timestamps,TP9,AF7,AF8,TP10,Right AUX"] if header else []
    lines += [f"{t:.3f}," + ",".join(f"{v:.3f}" for v in row) + ",0.000" for t, row in zip(stamps, uv, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_mind_monitor(path: Path, uv: Samples, rate_hz: float = 256.0, *, blink_at: int | None = None) -> Path:
    """Write the columns of Mind Monitor that matter, one line only for an element."""
    lines = ["TimeStamp,Delta_TP9,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10,AUX_RIGHT,HeadBandOn,Elements"]
    for i, row in enumerate(uv):
        second = i / rate_hz
        stamp = f"2026-11-22 10:{int(second // 60):02d}:{second % 60:06.3f}"
        if i == blink_at:
            lines.append(f"{stamp},,,,,,,,/muse/elements/blink")
        lines.append(f"{stamp},0.5," + ",".join(f"{v + 800.0:.3f}" for v in row) + ",820.0,1,")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_openbci(
    path: Path,
    uv: Samples,
    index: Sequence[int] | None = None,
    clock_s: Sequence[float] | None = None,
    *,
    version: int = 3,
    rate_hz: float = 250.0,
) -> Path:
    """Write raw text as version 3 (clock of the day last) or 5 (named columns, Unix time) of the GUI does."""
    n, n_channels = uv.shape
    numbers = np.arange(n) % 256 if index is None else np.asarray(index)
    clock = 40000.0 + np.arange(n) / rate_hz if clock_s is None else np.asarray(clock_s)
    lines = ["%OpenBCI Raw EEG Data" if version == 3 else "%OpenBCI Raw EXG Data"]
    lines.append(f"%Number of channels = {n_channels}")
    lines.append(f"%Sample Rate = {rate_hz} Hz")
    if version == 5:
        lines.append("%Board = OpenBCI_GUI$BoardCytonSerial")
        names = ["Sample Index", *(f"EXG Channel {i}" for i in range(n_channels)), "Accel Channel 0", "Other"]
        lines.append(", ".join([*names, "Timestamp", "Marker Channel", "Timestamp (Formatted)"]))
    for i, row in enumerate(uv):
        values = ", ".join(f"{v:.2f}" for v in row)
        if version == 3:
            t = clock[i]
            of_day = f"{int(t // 3600) % 24:02d}:{int(t // 60) % 60:02d}:{t % 60:06.3f}"
            lines.append(f"{numbers[i]}, {values}, 0.000, 0.000, 0.000, {of_day}")
        else:
            marker = 7.0 if i == 100 else 0.0
            lines.append(f"{numbers[i]}, {values}, 0.1, 0.0, {1.7e9 + clock[i]:.6f}, {marker}, 2026-11-22 10:00:00.000")
    path.write_text("\n".join(lines) + "\n")
    return path


class XdfFile:
    """An XDF file in the making: `header`, `samples`, `offset` in the order in which they are to stand."""

    def __init__(self) -> None:
        self.blob = b"XDF:"
        self._chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")

    def header(
        self,
        stream: int,
        *,
        name: str = "Muse",
        kind: str = "EEG",
        n_channels: int = 2,
        rate_hz: float = 250.0,
        channel_format: str = "float32",
        channels: Sequence[str] = (),
    ) -> XdfFile:
        """Describe a stream; `channels` holds the inner XML of each `<channel>`."""
        inner = "".join(f"<channel>{text}</channel>" for text in channels)
        desc = f"<desc><channels>{inner}</channels></desc>" if channels else "<desc/>"
        xml = (
            f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type><channel_count>{n_channels}"
            f"</channel_count><nominal_srate>{rate_hz}</nominal_srate><channel_format>{channel_format}"
            f"</channel_format><source_id>id-{stream}</source_id>{desc}</info>"
        )
        return self._chunk(2, struct.pack("<I", stream) + xml.encode())

    def samples(self, stream: int, stamps_s: Sequence[float], values: Samples | Sequence[str]) -> XdfFile:
        """Append samples: float32 (n, channels), or one text for each stamp."""
        body = struct.pack("<IBI", stream, 4, len(stamps_s))
        for stamp, row in zip(stamps_s, values, strict=True):
            body += struct.pack("<Bd", 8, stamp)
            if isinstance(row, str):
                body += struct.pack("<BB", 1, len(row.encode())) + row.encode()
            else:
                body += np.asarray(row, dtype="<f4").tobytes()
        return self._chunk(3, body)

    def offset(self, stream: int, at_s: float, offset_s: float) -> XdfFile:
        """Append a measurement of the recorder's less the sender's clock."""
        return self._chunk(4, struct.pack("<Idd", stream, at_s, offset_s))

    def _chunk(self, tag: int, content: bytes) -> XdfFile:
        self.blob += struct.pack("<BIH", 4, len(content) + 2, tag) + content
        return self

    def write(self, path: Path) -> Path:
        """Write what there is."""
        path.write_bytes(self.blob)
        return path


def _edf_head(version: bytes, labels: Sequence[str], unit: str, n_records: int, per_record: int, digital: int) -> bytes:
    n = len(labels)
    physical = 8000  # µV, of `digital`
    fields = [(labels, 16), ([""] * n, 80), ([unit] * n, 8), ([-physical] * n, 8), ([physical] * n, 8)]
    fields += [([-digital] * n, 8), ([digital] * n, 8), ([""] * n, 80), ([per_record] * n, 8), ([""] * n, 32)]
    signals = "".join(str(value).ljust(width) for values, width in fields for value in values)
    start = f"{'X X X X'.ljust(80)}{'Startdate X X X X'.ljust(80)}22.11.2610.00.00"
    reserved = "24BIT" if version[0] == 0xFF else ""
    fixed = f"{start}{256 * (n + 1):<8}{reserved:<44}{n_records:<8}{1:<8}{n:<4}"
    return version + fixed.encode() + signals.encode()


def write_edf(path: Path, uv: Samples, labels: Sequence[str], rate_hz: int = 250, unit: str = "uV") -> Path:
    """Write plain EDF by the specification (Kemp 1992): records of a second, 16 bits, ±8000 µV, padded with zeros."""
    return _write_records(
        path, uv, _edf_head(b"0       ", labels, unit, -(-len(uv) // rate_hz), rate_hz, 32767), rate_hz, 2
    )


def write_bdf(path: Path, uv: Samples, labels: Sequence[str], rate_hz: int = 250) -> Path:
    """Write BDF: as EDF, with 24 bits."""
    head = _edf_head(b"\xffBIOSEMI", labels, "uV", -(-len(uv) // rate_hz), rate_hz, 8388607)
    return _write_records(path, uv, head, rate_hz, 3)


def _write_records(path: Path, uv: Samples, head: bytes, rate_hz: int, n_bytes: int) -> Path:
    digital = 2 ** (8 * n_bytes - 1) - 1
    padded = np.zeros((-(-len(uv) // rate_hz) * rate_hz, uv.shape[1]))
    padded[: len(uv)] = uv
    counts = np.round(padded / 8000.0 * digital).astype("<i4")
    records = counts.reshape(-1, rate_hz, uv.shape[1]).transpose(0, 2, 1)
    path.write_bytes(head + np.ascontiguousarray(records)[..., None].view("u1")[..., :n_bytes].tobytes())
    return path


def write_brainvision(path: Path, uv: Samples, labels: Sequence[str], rate_hz: int = 250) -> Path:
    """Write the three files of a BrainVision set; gives the header's path."""
    stem = path.with_suffix("")
    channels = "".join(f"Ch{i}={label},,1,µV\n" for i, label in enumerate(labels, start=1))
    stem.with_suffix(".vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={stem.name}.eeg\nMarkerFile={stem.name}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(labels)}\nSamplingInterval={1_000_000 // rate_hz}\n\n"
        f"[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    stem.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={stem.name}.eeg\n\n[Marker Infos]\nMk1=Stimulus,S  7,251,1,0\n",
        encoding="utf-8",
    )
    stem.with_suffix(".eeg").write_bytes(uv.astype("<f4").tobytes())
    return stem.with_suffix(".vhdr")
