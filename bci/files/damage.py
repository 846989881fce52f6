"""What libraries raise when a damaged file leads them astray, for translation at one border."""

from __future__ import annotations

import struct
from xml.etree.ElementTree import ParseError

DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    ParseError,
    RuntimeError,
    TypeError,
    UnboundLocalError,
    ValueError,
    struct.error,
)
"""Neither MNE nor pyxdf has an error of its own for this; an `OSError` is the disk's and is translated elsewhere."""
