"""What was measured of a person is theirs alone, outlives the process, and is forgotten where they say so."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cued_people import recorded

from feedback.certificates import CertificateStore
from inference.baseline import Owner
from inference.personal.certificate import Certificate
from inference.personal.certifying import certify


@pytest.fixture(scope="module")
def measured() -> tuple[Certificate, Owner]:
    session, reading = recorded("readable", 300)
    return certify(session, reading, 1_795_000_000.0)[0], reading.owner


def test_the_last_measurement_counts_and_those_before_stay(tmp_path: Path, measured: tuple[Certificate, Owner]) -> None:
    first, owner = measured
    second = first.model_copy(
        update={"taken_unix_s": first.taken_unix_s + 86400.0, "verdict": "not_readable", "head": None}
    )
    CertificateStore(tmp_path / "kept").save(first)
    CertificateStore(tmp_path / "kept").save(second)
    store = CertificateStore(tmp_path / "kept")
    assert store.newest(owner) == (second, None)
    assert store.history(owner)[0] == (first, second)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    for path in (tmp_path / "kept").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_headset_does_not_get_it_and_says_what_to_do(
    tmp_path: Path, measured: tuple[Certificate, Owner]
) -> None:
    first, owner = measured
    store = CertificateStore(tmp_path)
    store.save(first)
    found, note = store.newest(replace(owner, labels=owner.labels[:4]))
    assert found is None
    assert note is not None
    assert "another headset" in note
    assert "focusloop adapt" in note
    assert store.newest(replace(owner, participant="p02")) == (None, None)


def test_a_model_trained_anew_takes_no_old_certificate_and_says_so(
    tmp_path: Path, measured: tuple[Certificate, Owner]
) -> None:
    first, owner = measured
    store = CertificateStore(tmp_path)
    store.save(first.model_copy(update={"labels": owner.labels[:4]}))  # of another headset: says less than the other
    store.save(first)
    anew = replace(owner, model_sha256="b" * 64)
    found, note = store.newest(anew)
    assert found is None
    assert note is not None
    assert "trained anew" in note
    assert "focusloop adapt" in note
    again = first.model_copy(update={"model_sha256": anew.model_sha256})
    store.save(again)
    assert store.history(anew)[0] == (again,)
    assert store.history(owner)[0] == (first,), "the model may come back"


def test_a_certificate_of_before_the_checksum_was_kept_is_of_another_model(
    tmp_path: Path, measured: tuple[Certificate, Owner]
) -> None:
    first, owner = measured
    store = CertificateStore(tmp_path)
    store.save(first)
    (path,) = tmp_path.iterdir()
    stored = json.loads(path.read_bytes())
    del stored["certificates"][0]["model_sha256"]
    path.write_text(json.dumps(stored), "utf-8")
    found, note = store.newest(owner)
    assert found is None
    assert note is not None
    assert "trained anew" in note


@pytest.mark.parametrize("damage", [b"{", b"\xff\xfe\x00"])
def test_a_damaged_file_is_said_and_a_forgotten_one_is_gone(
    tmp_path: Path, measured: tuple[Certificate, Owner], damage: bytes
) -> None:
    first, owner = measured
    store = CertificateStore(tmp_path)
    store.save(first)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    found, note = store.newest(owner)
    assert found is None
    assert note is not None
    assert "measure again" in note
    store.delete(owner)
    assert store.newest(owner) == (None, None)
