"""When a score is one: the rules, fixed before any label was looked at, and the reasons they give.

Contact is judged before artefacts, artefacts before the model: a score of a headset on the table is not a bad score,
it is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.history import Window
from inference.types import Reason
from streaming.types import Flag

OFF_HEAD = Flag.RAILED | Flag.FLAT | Flag.LINE | Flag.CONTACT
"""What an electrode shows that does not touch a head."""


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


def off_head(flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell where an electrode does not touch a head; any shape of `Flag` bits."""
    return (flags & np.uint8(int(OFF_HEAD))) != 0


def judge(window: Window, rules: Rules = RULES) -> Reason | None:
    """Give the first reason that a window itself gives against scoring it, None if it can be scored.

    Parameters
    ----------
    window
        The newest one; not necessarily full.
    rules
        Thresholds.
    """
    if not window.settled[-1]:
        return "warming_up"  # the filters still ring: they would call any start of a stream a loose electrode
    lifted = off_head(window.flags[:, window.settled])
    if lifted[:, -1].mean() >= rules.off_head_share:
        return "not_worn"
    if (lifted.mean(axis=1) < 0.5).mean() < rules.contact_share:
        return "poor_contact"
    if window.usable[:, window.settled].mean() < rules.usable_share:
        return "artifact"
    return None if window.full else "warming_up"
