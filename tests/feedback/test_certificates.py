"""Certificates on disk: whose, how old, what is left of a file that was damaged; and what a message says of them."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from feedback.certificates import KEPT, CertificateStore
from feedback.messages import certificate_fields
from inference.baseline import Owner
from inference.readability import Certificate, Code, Head, Measured, Shares

OWNER = Owner("p01", "Test Headset", ("O1", "O2"), "tiny@1.0.0")
DAY_S = 86400.0


def certificate(taken_s: float = 0.0, code: Code | None = None, owner: Owner = OWNER) -> Certificate:
    figure = Measured(auc=0.81, low=0.74, high=0.87, p=0.0078)
    return Certificate(
        participant=owner.participant,
        device=owner.device,
        labels=owner.labels,
        model=owner.model,
        code=code,
        full=figure,
        cleaned=figure,
        ocular=figure,
        muscular=figure,
        accuracy=0.74,
        weights=((0.0,) * 7, (0.0,) * 7),
        bias=0.0,
        shares=Shares(bands={}, regions={}, ocular=0.0, muscular=0.0),
        alpha_index=(-1.6, -1.9),
        pairs=8,
        block_s=15.0,
        taken_unix_s=taken_s,
    )


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    return CertificateStore(tmp_path / "certificates")


def test_the_newest_measurement_decides(store: CertificateStore) -> None:
    assert store.find(OWNER, 0.0) == (None, None)
    store.save(certificate(0.0))
    assert store.find(OWNER, DAY_S)[0] == certificate(0.0)
    store.save(certificate(DAY_S, "unreadable"))
    assert store.find(OWNER, DAY_S)[0] is None
    store.save(certificate(2 * DAY_S))
    assert store.find(OWNER, 3 * DAY_S)[0] == certificate(2 * DAY_S)
    assert [one.code for one in store.history(OWNER)[0]] == [None, "unreadable", None]


def test_it_expires_and_says_so(store: CertificateStore) -> None:
    store.save(certificate(0.0))
    found, note = store.find(OWNER, 91 * DAY_S)
    assert found is None
    assert note is not None
    assert "91 days old" in note


@pytest.mark.parametrize(
    "other",
    [
        replace(OWNER, participant="p02"),
        replace(OWNER, device="Other"),
        replace(OWNER, labels=("O1", "Oz")),
        replace(OWNER, model="tiny@2.0.0"),
    ],
)
def test_nobody_else_gets_it(store: CertificateStore, other: Owner) -> None:
    store.save(certificate())
    assert store.find(other, 0.0) == (None, None)


def test_files_are_private_whole_and_bounded(store: CertificateStore, tmp_path: Path) -> None:
    for day in range(KEPT + 3):
        store.save(certificate(day * DAY_S))
    (path,) = (tmp_path / "certificates").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(store.history(OWNER)[0]) == KEPT
    path.write_text(path.read_text("utf-8")[:-100], "utf-8")
    found, note = store.find(OWNER, 0.0)
    assert found is None
    assert note is not None
    assert "cannot be read" in note
    assert store.delete(OWNER)
    assert not store.delete(OWNER)


def test_a_message_carries_figures_and_age() -> None:
    assert certificate_fields(None, 0.0) is None
    assert certificate_fields(Head(certificate(0.0)).readability, 12 * DAY_S) == {
        "auc": 0.81,
        "low": 0.74,
        "high": 0.87,
        "age_days": 12.0,
    }


def test_the_result_is_one_sentence() -> None:
    assert certificate().sentence() == "we can read your focus with .81 [.74–.87]"
    codes: tuple[Code, ...] = ("unreadable", "rests_on_eyes", "rests_on_muscle")
    assert len({certificate(code=code).sentence() for code in codes}) == 3
