"""Where torch computes: what was asked for, or the CPU where that is not here."""

from __future__ import annotations

from typing import Literal

import torch

Device = Literal["cpu", "cuda", "mps"]


def device_missing(device: Device) -> str | None:
    """Say why torch cannot compute on a device; None where it can."""
    if device == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda is not None
        return "torch finds no CUDA GPU and driver" if built else "this build of torch has no CUDA"
    if device == "mps" and not torch.backends.mps.is_available():
        return "torch finds no Apple GPU"
    return None


def choose_device(wanted: Device) -> tuple[Device, str | None]:
    """Take the device asked for, or the CPU.

    Returns
    -------
    device
        Where to compute.
    fallback
        A sentence about why it is not what was asked for; None where it is.
    """
    missing = device_missing(wanted)
    if missing is None:
        return wanted, None
    return "cpu", f"--device {wanted}: {missing}; training on the CPU"
