"""When a score is one: the rules, fixed before any label was looked at, and the reasons they give.

Contact is judged before artefacts, artefacts before the model: a score of a headset on the table is not a bad score,
it is none. A window whose power does not fall with frequency is of no head (`inference.noise`).
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.history import Window
from inference.noise import FLAT_ABOVE
from inference.types import Reason


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds, all shares of channels or of channel-time.

    Parameters
    ----------
    off_head_share
        Not worn: at least this share of the channels does not touch a head in the newest token.
    contact_share
        Poor contact: less than this share of the channels touches a head in most tokens of the window.
    usable_share
        Artifact: less than this share of the window's channel-time is usable.
    """

    off_head_share: float = 0.8
    contact_share: float = 0.5
    usable_share: float = 0.5


RULES = Rules()


def judge(window: Window, rules: Rules = RULES) -> Reason | None:
    """Give the first reason that a window itself gives against scoring it, None if it can be scored.

    Parameters
    ----------
    window
        The newest one; not necessarily full.
    rules
        Thresholds.
    """
    if not window.settled:
        return "warming_up"  # the filters still ring: they would call any start of a stream a loose electrode
    if window.lifted >= rules.off_head_share:
        return "not_worn"
    if window.touching < rules.contact_share:
        return "poor_contact"
    if window.clean < rules.usable_share:
        return "artifact"
    if not window.full:
        return "warming_up"
    return "out_of_distribution" if window.slope > FLAT_ABOVE else None
