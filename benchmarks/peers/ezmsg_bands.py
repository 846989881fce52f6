"""Sample → band power with ezmsg: ezmsg-lsl's inlet, then ezmsg-sigproc's `BandPower`, all in one process.

The transformer is called in the unit that notes the ages: as a unit of its own it fails in ezmsg-sigproc 3.11 with
ezmsg 3.10 (`'ModifyAxisTransformer' object has no attribute 'asend'`), and one unit less is only faster.

python -m benchmarks.peers.ezmsg_bands NAME SECONDS
"""

from __future__ import annotations

import json
import sys
import time

import ezmsg.core as ez
import pylsl
from ezmsg.lsl.inlet import LSLInfo, LSLInletSettings, LSLInletUnit
from ezmsg.sigproc.bandpower import BandPowerSettings, BandPowerTransformer
from ezmsg.sigproc.spectrogram import SpectrogramSettings
from ezmsg.sigproc.spectrum import SpectralTransform
from ezmsg.sigproc.window import Anchor
from ezmsg.util.messages.axisarray import AxisArray

from benchmarks.peers.raw_inlet import settled

BANDS_HZ = [(1, 4), (4, 6), (6, 8), (8, 10), (10, 13), (13, 18), (18, 25), (25, 30), (30, 38), (38, 45)]
ages_ms: list[float] = []


class PowerSettings(ez.Settings):
    seconds: float
    rate_hz: float = 250.0


class Power(ez.Unit):
    """Makes band powers, and notes the age of each."""

    SETTINGS = PowerSettings
    INPUT = ez.InputStream(AxisArray)

    async def initialize(self) -> None:
        spectrogram = SpectrogramSettings(
            window_dur=0.8, window_shift=0.04, window_anchor=Anchor.END, transform=SpectralTransform.REL_POWER
        )
        self.transformer = BandPowerTransformer(BandPowerSettings(spectrogram_settings=spectrogram, bands=BANDS_HZ))
        self.end_s = float("inf")

    @ez.subscriber(INPUT)
    async def on_samples(self, samples: AxisArray) -> None:
        power = self.transformer(samples)
        now_s, clock_s = pylsl.local_clock(), time.monotonic()
        if not power.data.shape[0]:
            return
        if self.end_s == float("inf"):
            self.end_s = clock_s + 2.0 + self.SETTINGS.seconds
        # The axis names the end of the window: one sample after its newest.
        newest_s = power.axes["time"].value(power.data.shape[0] - 1) - 1.0 / self.SETTINGS.rate_hz
        ages_ms.append((now_s - newest_s) * 1e3)
        if clock_s > self.end_s:
            raise ez.NormalTermination


def main() -> None:
    name, seconds = sys.argv[1], float(sys.argv[2])
    inlet = LSLInletUnit(LSLInletSettings(info=LSLInfo(name=name, type="EEG"), use_lsl_clock=True, processing_flags=0))
    power = Power(PowerSettings(seconds=seconds))
    ez.run(
        components={"INLET": inlet, "POWER": power},
        connections=((inlet.OUTPUT_SIGNAL, power.INPUT),),
        force_single_process=True,
    )
    print(json.dumps(settled(ages_ms)))


if __name__ == "__main__":
    main()
