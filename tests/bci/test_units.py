from __future__ import annotations

import pytest

from bci.units import is_unit_unsaid, microvolts_per


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("microvolts", 1.0),
        ("Microvolt", 1.0),
        ("micro volts", 1.0),
        ("uV", 1.0),
        ("\N{MICRO SIGN}V", 1.0),
        ("\N{GREEK SMALL LETTER MU}V", 1.0),
        (" UV ", 1.0),
        ("mV", 1e3),
        ("millivolts", 1e3),
        ("V", 1e6),
        ("volts", 1e6),
        ("nV", 1e-3),
        ("nanovolts", 1e-3),
        ("-6", 1.0),  # MNE-LSL writes powers of ten
        ("0", 1e6),
        ("-3", 1e3),
    ],
)
def test_spellings_of_voltage(text: str, factor: float) -> None:
    assert microvolts_per(text) == pytest.approx(factor)


@pytest.mark.parametrize("text", ["counts", "raw", "pT", "g", "degrees", "kV", "3", "-12", "uV/m", "volt-ampere"])
def test_other_units_are_not_guessed(text: str) -> None:
    assert microvolts_per(text) is None


@pytest.mark.parametrize("text", ["", " ", "none", "N/A", "unknown"])
def test_no_unit_is_told_from_an_unknown_one(text: str) -> None:
    assert is_unit_unsaid(text)
    assert not is_unit_unsaid("counts")
