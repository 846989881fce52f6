"""What a task asks for, told from its name."""

from __future__ import annotations

from collections.abc import Mapping

from feedback.difficulty.proposals import Domain

DOMAINS: Mapping[Domain, tuple[str, ...]] = {
    "working-memory": ("n-back", "back", "digit-span", "corsi", "operation-span", "memory"),
    "selective": ("flanker", "stroop", "search", "oddball", "posner", "selective"),
}
"""What a task asks for, by a part of its name; any other is taken for sustained attention, which tires soonest."""


def domain_of(task: str) -> Domain:
    """Say what a task asks for."""
    name = task.lower().replace("_", "-").replace(" ", "-")
    for domain, parts in DOMAINS.items():
        if any(part in name for part in parts):
            return domain
    return "sustained"
