"""Units of voltage as devices, files and LSL streams spell them."""

from __future__ import annotations

import re
import unicodedata

_PREFIXES = {"n": 1e-3, "nano": 1e-3, "u": 1.0, "micro": 1.0, "m": 1e3, "milli": 1e3, "": 1e6}
_VOLTAGE = re.compile(r"(nano|micro|milli|n|u|m|)[ _-]?(?:v|volts?)")
_POWER = re.compile(r"[+-]?\d+(?:\.0+)?")

KNOWN_UNITS = "microvolts, uV, µV, millivolts, mV, volts, V, nanovolts, nV, or a power of ten of a volt such as -6"
"""For error messages."""

_UNSAID = frozenset({"", "none", "unknown", "n/a", "na", "unspecified", "-", "undefined", "null"})


def is_unit_unsaid(text: str) -> bool:
    """Tell whether a unit is none at all: empty, `none`, `unknown`."""
    return text.strip().lower() in _UNSAID


def microvolts_per(text: str) -> float | None:
    """How many microvolts one of a unit is.

    Parameters
    ----------
    text
        `microvolts`, `uV`, `µV` (either of Unicode's two µ), `mV`, `V`, … in any case; or, as MNE-LSL writes it, the
        power of ten of a volt (`-6`, `0`). `mV` and `MV` are both millivolts: no EEG is measured in megavolts.

    Returns
    -------
    float or None
        The factor; None where it is no known unit of voltage.
    """
    # NFKC turns the micro sign into the Greek letter, so that one spelling is left.
    folded = unicodedata.normalize("NFKC", text).strip().lower().replace("μ", "u")
    if _POWER.fullmatch(folded):
        power = int(float(folded))
        return 10.0 ** (power + 6) if -9 <= power <= 0 else None
    match = _VOLTAGE.fullmatch(folded)
    return _PREFIXES[match.group(1)] if match else None
