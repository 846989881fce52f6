from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.service.frames import text_frame
from feedback.service.hub import HOLD_S, MAX_WAITING, Hub
from feedback.service.ring import MAX_HELD_BYTES, Message, ReplayRing
from feedback.service.subscriber import MAX_PONG_AGE_S, Since, Subscriber


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def messages(raw: bytes) -> Iterator[dict[str, Any]]:
    """Read text frames back."""
    at = 0
    while at < len(raw):
        assert raw[at] == 0x81
        length, at = raw[at + 1], at + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(raw[at : at + size], "big"), at + size
        yield orjson.loads(raw[at : at + length])
        at += length


class Client(Subscriber):
    def __init__(self, clock: Clock) -> None:
        self.raw = bytearray()
        super().__init__(self.raw.extend, answered_s=clock.now_s)

    def heard(self) -> list[dict[str, Any]]:
        found = list(messages(bytes(self.raw)))
        self.raw.clear()
        return found


@asynccontextmanager
async def bound(clock: Clock) -> AsyncIterator[Hub]:
    hub = Hub(epoch="a91f", clock=clock)
    hub.bind(asyncio.get_running_loop())
    yield hub
    hub.bind(None)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def settle() -> None:
    """Let what `call_soon_threadsafe` scheduled happen."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@given(st.binary(max_size=70_000))
def test_a_framed_payload_reads_back(payload: bytes) -> None:
    from websockets.frames import Frame, Opcode
    from websockets.streams import StreamReader

    reader = StreamReader()
    reader.feed_data(text_frame(payload))
    parser = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(parser)
    assert done.value.value == Frame(Opcode.TEXT, payload)


def test_numbers_count_per_stream_and_topic_and_address_comes_first() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            for topic in ("focus", "bands"):
                hub.subscribe(client, "*", topic)
            hub.publish("p01", "focus", {"value": np.float32(0.5), "raw": float("nan")})
            hub.publish("p01", "bands", {"db": np.zeros((1, 2), np.float32)})
            hub.publish("p02", "focus", {"value": None})
            hub.publish("p01", "focus", {"value": 1.0})
            await settle()
            heard = client.heard()
            assert [(m["stream"], m["type"], m["seq"]) for m in heard] == [
                ("p01", "focus", 1),
                ("p01", "bands", 1),
                ("p02", "focus", 1),
                ("p01", "focus", 2),
            ]
            assert list(heard[0])[:4] == ["type", "stream", "epoch", "seq"]
            assert heard[0]["value"] == 0.5
            assert heard[0]["raw"] is None

    run(scenario())


def test_what_cannot_be_encoded_uses_up_no_number() -> None:
    hub = Hub()
    with pytest.raises(TypeError):
        hub.publish("p01", "focus", {"value": object()})
    assert hub.publish("p01", "focus", {}) == 1


def test_a_stream_by_name_comes_once_beside_the_wildcard() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            hub.subscribe(client, "*", "focus")
            hub.subscribe(client, "p01", "focus")
            assert hub.wants("p07", "focus")
            hub.publish("p01", "focus", {})
            await settle()
            assert len(client.heard()) == 1
            hub.unsubscribe(client, "*", "focus")
            assert not hub.wants("p07", "focus")
            hub.leave(client)
            assert not hub.wants("p01", "focus")

    run(scenario())


def test_ten_of_twenty_five_a_second_are_ten() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            hub.subscribe(client, "*", "focus", rate_hz=10)
            hub.subscribe(client, "*", "status", rate_hz=10)
            for _ in range(250):
                clock.now_s += 0.04
                client.answered_s = clock.now_s
                hub.publish("p01", "focus", {})
                hub.publish("p01", "status", {})
                await settle()
            heard = client.heard()
            assert sum(m["type"] == "focus" for m in heard) == pytest.approx(100, abs=1)
            assert sum(m["type"] == "status" for m in heard) == 250  # changes of state are never skipped
            assert not any(m["type"] == "lagged" for m in heard)  # and skipped numbers are no loss

    run(scenario())


def test_since_replays_what_was_missed_and_nothing_twice() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            for _ in range(5):
                hub.publish("p01", "focus", {})
            hub.subscribe(client, "*", "focus", since=Since("a91f", {("p01", "focus"): 2}))
            hub.publish("p01", "focus", {})  # between subscribing and catching up
            hub.catch_up(client)
            await settle()
            hub.publish("p01", "focus", {})
            await settle()
            assert [m["seq"] for m in client.heard()] == [3, 4, 5, 6, 7]

    run(scenario())


@pytest.mark.parametrize("since", [Since("other", {("p01", "focus"): 2}), Since("a91f", {})])
def test_another_epoch_or_an_unknown_stream_gives_the_newest_only(since: Since) -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            for _ in range(5):
                hub.publish("p01", "focus", {})
            hub.subscribe(client, "*", "focus", since=since)
            hub.catch_up(client)
            assert [m["seq"] for m in client.heard()] == [5]

    run(scenario())


@pytest.mark.parametrize("seen", [5, 6, 2**62])
def test_who_has_read_everything_is_replayed_nothing(seen: int) -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            for _ in range(5):
                hub.publish("p01", "focus", {})
            hub.subscribe(client, "p01", "focus", since=Since("a91f", {("p01", "focus"): seen}))
            hub.catch_up(client)
            assert client.heard() == []
            hub.publish("p01", "focus", {})
            await settle()
            assert [m["seq"] for m in client.heard()] == [6]

    run(scenario())


def test_a_replay_waits_for_the_transport_and_loses_nothing() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            for _ in range(700):
                clock.now_s += 0.04
                hub.publish("p01", "focus", {"padding": "x" * 400})
            client.answered_s = clock.now_s
            hub.subscribe(client, "*", "focus", since=Since("a91f", {("p01", "focus"): 0}))
            client.write = lambda frames: (client.raw.extend(frames), setattr(client, "blocked", True))[0]
            hub.catch_up(client)
            assert 0 < len(client.raw) < 100_000
            hub.publish("p01", "focus", {})
            await settle()
            seqs: list[int] = []
            while client.blocked:
                seqs += [m["seq"] for m in client.heard()]
                client.blocked = False
                hub.catch_up(client)
            assert seqs == list(range(1, 702))

    run(scenario())


def test_a_new_subscriber_is_told_the_state_at_once() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            hub.publish("p01", "status", {"state": "connecting"})
            hub.publish("p01", "status", {"state": "streaming"})
            clock.now_s += 3600.0
            client = Client(clock)
            hub.subscribe(client, "*", "status")
            hub.catch_up(client)
            assert [m["state"] for m in client.heard()] == ["streaming"]

    run(scenario())


def test_an_id_used_again_goes_on_counting() -> None:
    hub = Hub()
    hub.publish("p01", "focus", {})
    hub.forget("p01")
    assert hub.publish("p01", "focus", {}) == 2


def test_a_blocked_loop_loses_the_oldest_and_says_so() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            hub.subscribe(client, "*", "focus")
            for _ in range(MAX_WAITING + 10):  # the loop does not turn meanwhile
                hub.publish("p01", "focus", {})
            await settle()
            heard = client.heard()
            assert heard[0] == {"type": "lagged", "stream": "p01", "topic": "focus", "missed": 10}
            assert heard[1]["seq"] == 11
            assert len(heard) == MAX_WAITING + 1

    run(scenario())


def test_threads_never_tear_the_order() -> None:
    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            hub.subscribe(client, "*", "focus")
            workers = [
                threading.Thread(target=lambda: [hub.publish("p01", "focus", {}) for _ in range(200)]) for _ in range(4)
            ]
            for worker in workers:
                worker.start()
            await asyncio.to_thread(lambda: [worker.join() for worker in workers])
            await settle()
            assert [m["seq"] for m in client.heard()] == list(range(1, 801))

    run(scenario())


actions = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.floats(0.01, 3.0)),
        st.tuples(st.sampled_from(["block", "unblock", "pong"]), st.none()),
    ),
    max_size=60,
)


@given(actions)
def test_a_slow_client_gets_fresh_scores_or_a_count(steps: list[tuple[str, Any]]) -> None:
    """Received and missed add up, numbers rise, and nothing written is older than the answered ping allows."""

    async def scenario() -> None:
        async with bound(clock := Clock()) as hub:
            client = Client(clock)
            hub.subscribe(client, "*", "focus")
            accounted = 0
            published = 0
            last = 0

            def account() -> None:
                nonlocal accounted, last
                for message in client.heard():
                    if message["type"] == "lagged":
                        assert message["missed"] > 0
                        accounted += message["missed"]
                        continue
                    accounted += 1
                    assert message["seq"] > last
                    assert message["seq"] == accounted
                    assert clock.now_s - message["at"] <= MAX_PONG_AGE_S
                    last = message["seq"]

            for action, amount in steps:
                if action == "publish":
                    for _ in range(amount):
                        hub.publish("p01", "focus", {"at": clock.now_s})
                        published += 1
                    await settle()
                elif action == "wait":
                    clock.now_s += amount
                elif action == "block":
                    client.blocked = True
                elif action == "unblock":
                    client.blocked = False
                    hub.catch_up(client)
                else:
                    client.answered_s = clock.now_s
                    hub.catch_up(client)
                if client.blocked or clock.now_s - client.answered_s > MAX_PONG_AGE_S:
                    assert not client.raw
                account()
            client.blocked, client.answered_s = False, clock.now_s
            hub.catch_up(client)
            account()
            assert accounted == published

    run(scenario())


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 900)), min_size=1, max_size=200), st.integers(0, 210))
def test_the_ring_equals_a_list(appended: list[tuple[float, int]], seq: int) -> None:
    ring, plain, now_s = ReplayRing(HOLD_S), list[Message](), 0.0
    for gap_s, size in appended:
        now_s += gap_s
        message = Message(len(plain) + 1, now_s, bytes(size))
        ring.append(message)
        plain.append(message)
    newest = plain[-1]
    kept = [m for m in plain if m.at_s >= now_s - HOLD_S or m is newest]
    assert ring.since(seq, newest.seq, now_s, 10**9) == [m for m in kept if m.seq >= seq]


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=150))
def test_the_ring_is_bounded_and_holds_the_newest(sizes: list[int]) -> None:
    ring, plain = ReplayRing(HOLD_S), list[Message]()
    for size in sizes:
        plain.append(Message(len(plain) + 1, 0.0, np.random.default_rng(size).bytes(size)))
        ring.append(plain[-1])
        held = ring.since(0, plain[-1].seq, 0.0, 10**9)
        assert held == plain[-len(held) :]
        assert len(held) == 1 or ring.held_bytes <= MAX_HELD_BYTES
