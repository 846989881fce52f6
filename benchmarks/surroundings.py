"""Where the benchmarks run: an LSL world of their own, the model, the machine, and the versions that decide figures."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("numpy", "scipy", "numba", "onnxruntime-gpu", "onnxruntime", "pylsl", "websockets", "uvicorn", "uvloop")
PEERS = ("mne-lsl", "ezmsg", "ezmsg-lsl", "ezmsg-sigproc", "brainflow")


def private_lsl_world(folder: Path) -> None:
    """Set LSL up so that nobody else's streams answer; before pylsl is imported, children inherit it."""
    config = folder / "lsl_api.cfg"
    config.write_text(
        "[multicast]\nResolveScope = machine\n"
        f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = bench-{uuid.uuid4().hex}\n"
        "[ports]\nIPv6 = disable\nPortRange = 256\n[log]\nlevel = -2\n"  # 32 ports hold 32 outlets, 64 are wanted
    )
    os.environ["LSLAPICFG"] = str(config)


def find_models_dir(asked: Path | None, folder: Path) -> tuple[Path, str]:
    """Give a folder with a usable default model, and say which it is.

    The shipped one, or the one in `asked`; where there is none (a fresh clone before training), one of the same shape
    with random weights, written by the test support: it costs the same.
    """
    from bci.errors import ModelError
    from inference.bundle import DEFAULT_MODEL, find_model
    from streaming.features import SCHEMA

    try:
        bundle = find_model(DEFAULT_MODEL, asked)
    except ModelError as error:
        why = str(error)
    else:
        if bundle.card.feature_schema == SCHEMA.id:
            return bundle.folder.parents[1], f"{bundle.id}, sha256 {bundle.card.sha256[:12]}"
        why = f"trained on {bundle.card.feature_schema}, the pipeline makes {SCHEMA.id}"
    return _random_model(folder / "models", DEFAULT_MODEL), f"random weights of the same shape ({why})"


def _random_model(root: Path, model_id: str) -> Path:
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from tiny_model import write_tiny_model

    name, _, number = model_id.partition("@")
    folder = write_tiny_model(root, version=number).folder
    target = root / name / number
    target.parent.mkdir(parents=True)
    shutil.move(folder, target)
    manifest = target / "model.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('name = "tiny"', f'name = "{name}"'), "utf-8")
    return root


def describe(model: str) -> list[str]:
    """Give date, machine and versions, one line each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return [
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"Machine: {_cpu()}, {cores} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}{load}",
        f"Versions: {_versions(PACKAGES)}",
        f"Peers: {_versions(PEERS)}",
        f"Model: {model}",
    ]


def _versions(names: tuple[str, ...]) -> str:
    found: list[str] = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found) or "none installed (`pip install .[bench]`)"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    said = subprocess.run(
        [git, "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"
