"""A person's own head: a few weights on the features that the model sees, instead of the model's logit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bci.compiled import compile_function
from inference import window_kernel as k
from inference.normalise import Features
from inference.personal.regions import Regions, regions_of


class PersonalHead(BaseModel):
    """Weights of a head, as they are stored.

    Parameters
    ----------
    regions
        As `Regions.names` of the electrodes that it was fitted on.
    weights
        (regions, bands): of the region's mean log share less the person's own rest.
    offset
        Subtracted from the weighted sum: halfway between cross and task.
    gain
        From there to a logit, fitted on out-of-fold scores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    regions: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    offset: float
    gain: float

    def array(self) -> NDArray[np.float64]:
        """Give the weights as float64 (regions, bands)."""
        return np.array(self.weights, np.float64)

    def fits(self, regions: Regions, bands: int) -> bool:
        """Tell whether it can read features of these regions and so many bands."""
        return self.regions == regions.names and self.array().shape == (len(regions.names), bands)


class HeadReader:
    """Reads a head on the windows of one stream; some microseconds a window.

    Parameters
    ----------
    head
        Fitted.
    positions_m
        float32 (channels, 3) of the stream's electrodes.
    """

    def __init__(self, head: PersonalHead, positions_m: NDArray[np.float32]) -> None:
        self._weights = head.array()
        self._region = regions_of(positions_m).of_channel
        self._gain, self._offset = head.gain, head.offset
        self._read = compile_function(k.read_out, k.READ_OUT_SIGNATURE).function

    def logit(self, x: Features, usable: NDArray[np.bool_]) -> float:
        """Give the logit of a window.

        Parameters
        ----------
        x
            float32 (channels, tokens, bands): log shares less the baseline.
        usable
            bool (channels, tokens).
        """
        return self._gain * (float(self._read(x, usable, self._region, self._weights)) - self._offset)
