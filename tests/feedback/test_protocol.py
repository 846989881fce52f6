from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.service.protocol import (
    BAD_HELLO,
    FLOOD,
    MAX_DEPTH,
    MAX_MESSAGES_PER_S,
    Close,
    Conversation,
    Reply,
    TokenBucket,
)
from feedback.service.wire.client_messages import Hello, Ping, Subscribe, Unsubscribe
from feedback.service.wire.topics import TOPICS

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def ready() -> Conversation:
    conversation = Conversation()
    conversation.ready = True
    return conversation


def judge(message: object) -> Any:  # noqa: ANN401 - a test looks into whatever came
    return ready().receive(orjson.dumps(message).decode(), 0.0)


def code_of(judged: object) -> str:
    assert isinstance(judged, Reply)
    assert judged.fields["type"] == "error"
    return str(judged.fields["code"])


@given(st.one_of(st.text(), st.binary(), json_values.map(lambda v: orjson.dumps(v).decode())), st.booleans())
def test_nothing_raises_and_nothing_but_hello_is_answered_before_hello(message: str | bytes, is_ready: bool) -> None:
    conversation = Conversation()
    conversation.ready = is_ready
    judged = conversation.receive(message, 0.0)
    if is_ready:
        assert isinstance(judged, Reply | Subscribe | Unsubscribe | Ping)
    else:
        assert isinstance(judged, Hello) or judged == Close(BAD_HELLO, judged.reason)  # type: ignore[union-attr]


@given(
    st.fixed_dictionaries(
        {
            "type": st.just("subscribe"),
            "stream": st.text(min_size=1, max_size=64),
            "topics": st.lists(st.sampled_from(TOPICS), min_size=1, max_size=20),
        },
        optional={
            "id": st.integers(0, 2**53) | st.text(max_size=64),
            "rate_hz": st.floats(0.1, 1000.0),
            "since": st.just({"epoch": "a91f", "p01": {"focus": 123}}),
            "something_new": json_values,
        },
    ).filter(lambda m: not _deep(m.get("something_new"), MAX_DEPTH - 1))
)
def test_a_good_subscription_survives_the_codec_whatever_else_it_holds(message: dict[str, Any]) -> None:
    judged = judge(message)
    assert isinstance(judged, Subscribe)
    assert judged.topics == message["topics"]
    assert judged.stream == message["stream"]
    assert judged.id == message.get("id")
    assert judged.rate_hz == message.get("rate_hz")


def _deep(value: object, limit: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if limit == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_deep(item, limit - 1) for item in inner)


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ({"type": "subscribe", "id": 1, "stream": "*", "topics": ["focus", "status", "foo"]}, "bad_message", "topics[2]: unknown topic 'foo'"),  # noqa: E501
        ({"type": "unsubscribe", "stream": "*", "topics": ["foo"]}, "unknown_topic", "unknown topic 'foo'"),
        ({"type": "subscribe", "id": 1, "topics": ["focus"]}, "bad_message", "stream: "),
        ({"type": "subscribe", "stream": "*", "topics": "focus"}, "bad_message", "topics: "),
        ({"type": "subscribe", "stream": "*", "topics": []}, "bad_message", "topics: "),
        ({"type": "subscribe", "stream": 7, "topics": ["focus"]}, "bad_message", "stream: "),
        ({"type": "subscribe", "stream": "*", "topics": ["focus"], "rate_hz": 0}, "bad_message", "rate_hz: "),
        ({"type": "subscribe", "stream": "*", "topics": ["focus"], "rate_hz": "10"}, "bad_message", "rate_hz: "),
        ({"type": "subscribe", "stream": "*", "topics": ["focus"], "since": {"p01": {"focus": 1}}}, "bad_message", "with the epoch"),  # noqa: E501
        ({"type": "subscribe", "stream": "*", "topics": ["focus"], "since": {"epoch": "a", "p01": {"focus": -1}}}, "bad_message", "none below 0"),  # noqa: E501
        ({"type": "subscribe", "stream": "*", "topics": ["focus"], "since": {"epoch": "a", "p01": "b"}}, "bad_message", "since: expected"),  # noqa: E501
        ({"type": "ping", "t0": "now"}, "bad_message", "t0"),
        ({"type": "trial", "stream": "p01"}, "bad_message", "run: "),
        ({"type": "trial", "stream": "p01", "run": "r", "trial": -1, "correct": True}, "bad_message", "trial: "),
        ({"type": "trial", "stream": "p01", "run": "r", "trial": 1, "correct": 1}, "bad_message", "correct: "),
        ({"type": "trial", "stream": "p01", "run": "r", "trial": 1, "correct": True, "level": 1.5}, "bad_message", "level: "),  # noqa: E501
        ({"type": "trial", "stream": "*", "run": "r", "trial": 1, "correct": True}, "bad_message", "name one stream"),
        ({"type": "marker", "stream": "*", "label": "x"}, "bad_message", "name one stream"),
        ({"type": "marker", "stream": "p01"}, "bad_message", "label"),
        ({"type": "areas", "stream": "p01"}, "unknown_type", "later version"),
        ({"type": "frobnicate", "id": "x"}, "unknown_type", "frobnicate"),
        ({"type": "hello", "token": "again"}, "bad_message", "already"),
        ({"type": 3}, "bad_message", "type"),
        ({}, "bad_message", "type"),
        ([], "bad_message", "object"),
        (1, "bad_message", "object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(message: object, code: str, words: str) -> None:
    judged = judge(message)
    assert code_of(judged) == code
    assert words in judged.fields["message"]
    if isinstance(message, dict):
        assert judged.fields.get("id") == message.get("id")


@pytest.mark.parametrize("text", ["", "{", '{"type":"ping","t0":NaN}', "[" * 30_000, '{"a":' * 9_000, "\udcff"])
def test_what_is_no_json_is_said(text: str) -> None:
    assert code_of(ready().receive(text, 0.0)) == "bad_message"


def test_depth_counts_to_eight() -> None:
    def nested(depth: int) -> dict[str, object]:
        value: object = 1
        for _ in range(depth - 1):
            value = [value]
        return {"type": "ping", "t0": 1, "extra": value}

    assert isinstance(judge(nested(MAX_DEPTH)), Ping)
    assert "deeper" in judge(nested(MAX_DEPTH + 1)).fields["message"]


def test_binary_is_refused() -> None:
    assert "text" in ready().receive(b'{"type":"ping","t0":1}', 0.0).fields["message"]  # type: ignore[union-attr]


def test_too_many_messages_are_dropped_then_the_flood_is_closed() -> None:
    conversation = ready()
    ping = '{"type":"ping","t0":1}'
    judged = [conversation.receive(ping, 0.0) for _ in range(3 * MAX_MESSAGES_PER_S)]
    assert all(isinstance(j, Ping) for j in judged[:MAX_MESSAGES_PER_S])
    assert {code_of(j) for j in judged[MAX_MESSAGES_PER_S : 2 * MAX_MESSAGES_PER_S]} == {"rate_limited"}
    assert isinstance(judged[-1], Close)
    assert judged[-1].code == FLOOD


def test_two_hundred_a_second_go_on_for_ever() -> None:
    conversation = ready()
    for i in range(5000):
        assert isinstance(conversation.receive('{"type":"ping","t0":1}', i / MAX_MESSAGES_PER_S), Ping)


@given(st.lists(st.floats(0.0, 0.5), max_size=200), st.floats(1, 50), st.floats(1, 20))
def test_a_bucket_never_gives_more_than_burst_and_rate(gaps_s: list[float], rate: float, burst: float) -> None:
    bucket, now_s, taken = TokenBucket(rate, burst), 0.0, 0
    for gap_s in gaps_s:
        now_s += gap_s
        taken += bucket.take(now_s)
    assert taken <= burst + rate * now_s + 1e-6
