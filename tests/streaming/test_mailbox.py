"""The queues between readers and worker."""

from __future__ import annotations

from fake_sources import SOON_S
from hypothesis import given
from hypothesis import strategies as st

from streaming.mailbox import Box, Mailbox


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=60))
def test_a_mailbox_is_a_queue_for_each_box(steps: list[tuple[int, int]]) -> None:
    """Against a plain list: nothing lost, nothing doubled, order kept in each box."""
    mailbox: Mailbox[int] = Mailbox(limit=1000, share=2)
    boxes: list[Box[int]] = [Box() for _ in range(3)]
    came: dict[Box[int], list[int]] = {b: [] for b in boxes}
    gone: dict[Box[int], list[int]] = {b: [] for b in boxes}
    for number, (which, action) in enumerate(steps):
        if action:
            assert mailbox.post(boxes[which], number)
            came[boxes[which]].append(number)
        else:
            for box, item in mailbox.take(0.0):
                gone[box].append(item)
    while taken := mailbox.take(0.0):
        assert len(taken) <= 6
        for box, item in taken:
            gone[box].append(item)
    assert gone == came


def test_a_closed_box_takes_nothing_and_gives_its_last_item() -> None:
    mailbox: Mailbox[int] = Mailbox()
    box: Box[int] = Box()
    mailbox.post(box, 1)
    mailbox.close(box, 99)
    assert not mailbox.post(box, 2)
    assert mailbox.take(0.0) == [(box, 99)]
    mailbox.stop()
    assert mailbox.take(SOON_S) == []
