from __future__ import annotations

from dataclasses import fields, replace

import pytest

from streaming.features import SCHEMA, FeatureSchema


def test_the_id_is_a_function_of_the_fields_alone() -> None:
    assert FeatureSchema().id == SCHEMA.id
    assert SCHEMA.id.startswith("band-log-power/")


@pytest.mark.parametrize("name", [f.name for f in fields(FeatureSchema)])
def test_whatever_changes_a_value_changes_the_id(name: str) -> None:
    value = getattr(SCHEMA, name)
    other = value[1:] if isinstance(value, tuple) else value + 1
    assert replace(SCHEMA, **{name: other}).id != SCHEMA.id


def test_bands_join_without_gaps() -> None:
    assert SCHEMA.n_bands >= 8
    assert (SCHEMA.bands_hz[0][0], SCHEMA.bands_hz[-1][1]) == (1.0, 45.0)
    for (_, high), (low, _) in zip(SCHEMA.bands_hz, SCHEMA.bands_hz[1:], strict=False):
        assert high == low
