"""Names that both directions of the wire share: topics, error codes, kinds of proposals."""

from __future__ import annotations

from typing import Literal, get_args

Topic = Literal[
    "focus",
    "status",
    "quality",
    "bands",
    "spectrum",
    "raw",
    "gaze",
    "difficulty",
    "trial",
    "marker",
    "calibration",
    "proposal",
    "explanation",
    "neurofeedback",
]
TOPICS: tuple[str, ...] = get_args(Topic)
LATER_TOPICS = frozenset({"gaze"})
"""Topics of the contract that no stream of this version has."""

ErrorCode = Literal[
    "bad_message",
    "unknown_type",
    "unknown_topic",
    "no_such_stream",
    "too_many",
    "rate_limited",
    "not_allowed",
    "conflict",
]

ProposalKind = Literal["rest", "next_task", "recalibration"]
