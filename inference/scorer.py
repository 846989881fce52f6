"""From feature frames to the windows and scores of one person; the model is asked in `inference.batch`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.errors import ModelError
from bci.types import StreamSpec
from inference.baseline import Baseline, Owner, RestCollector
from inference.bundle import RESTORE, ModelBundle
from inference.eyes import SMOOTHING_S, AlphaIndex, contradicts
from inference.history import FrameHistory, Window
from inference.noise import SpectralSlope
from inference.normalise import Features, RunningMean
from inference.personal.certificate import Certificate
from inference.personal.head import HeadReader
from inference.smoothing import VALUE_S, ScoreTrack
from inference.types import CertificateFigures, FocusScore, Reason
from inference.validity import RULES, judge
from streaming.features import FeatureSchema
from streaming.types import FeatureFrame

OFF_HEAD_ENDS_BASELINE_S = 10.0


@dataclass(slots=True)
class Due:
    """A window that waits for the model, or the reason why it does not.

    Parameters
    ----------
    scorer
        Whose window it is.
    frame
        The frame that it ends with.
    reason
        Why the window is not scored; None where it is.
    x
        float32 (channels, tokens, bands), normalised; None where there is a reason.
    hidden
        bool (channels, tokens): what the model must not see.
    window
        For mask and quality.
    calibrated
        True where x is relative to a personal baseline.
    """

    scorer: StreamScorer
    frame: FeatureFrame
    reason: Reason | None
    x: Features | None
    hidden: NDArray[np.bool_]
    window: Window
    calibrated: bool


def check_features(bundle: ModelBundle, schema: FeatureSchema) -> None:
    """Refuse a model that was trained on other features than the pipeline makes.

    Raises
    ------
    ModelError
        Naming both schemas, the bands that the pipeline does not make, or both lengths of a token.
    """
    card = bundle.card
    if card.feature_schema != schema.id:
        msg = (
            f"{bundle.folder}: {bundle.id} was trained on features '{card.feature_schema}', this pipeline makes "
            f"'{schema.id}'; train it again with `focusloop train`, or take a model of this schema (`focusloop models`)"
        )
        raise ModelError(msg)
    unknown = [f"{low:g}-{high:g} Hz" for low, high in card.bands_hz if (low, high) not in schema.bands_hz]
    if unknown:
        msg = f"{bundle.folder}: {bundle.id} wants the bands {', '.join(unknown)}, which the features do not have"
        raise ModelError(f"{msg}; {RESTORE}")
    if not math.isclose(card.token_s, schema.token_s):
        msg = f"{bundle.folder}: {bundle.id} has tokens of {card.token_s:g} s, the features {schema.token_s:g} s"
        raise ModelError(f"{msg}; {RESTORE}")


class StreamScorer:
    """Everything that one person's scores depend on. Used by one thread.

    Parameters
    ----------
    participant
        Id of the scored stream.
    spec
        Of its EEG source.
    bundle
        The model.
    schema
        Feature schema of the pipeline that makes the frames.
    hop_s
        Time between two frames, s.
    group_delay_s
        Of the filter bank at 10 Hz, s.
    smoothing_s
        Time constant of `value`, s.

    Raises
    ------
    ModelError
        If the model was trained on another feature schema.
    """

    def __init__(
        self,
        participant: str,
        spec: StreamSpec,
        bundle: ModelBundle,
        schema: FeatureSchema,
        *,
        hop_s: float,
        group_delay_s: float,
        smoothing_s: float = VALUE_S,
    ) -> None:
        card = bundle.card
        check_features(bundle, schema)
        # Where nobody said where the electrodes are, all EEG channels come: their quality is shown, nothing is scored.
        columns_taken = spec.scored or tuple(i for i, c in enumerate(spec.channels) if c.kind == "eeg")
        channels = [spec.channels[i] for i in columns_taken]
        labels = tuple(c.label for c in channels)
        columns = np.array([schema.bands_hz.index(band) for band in card.bands_hz])
        shape = (len(channels), len(columns))
        self.unassigned = spec.unassigned
        self.paused = False
        self.check_baseline = True
        self.labels = labels
        self.owner = Owner(participant, spec.device, labels, bundle.id, card.sha256, len(columns))
        self.positions_m = np.array([c.position_m or (0.0, 0.0, 0.0) for c in channels], np.float32)
        self.index = AlphaIndex(card.bands_hz)
        self.hop_s = hop_s
        self.card = card
        self.model_id = bundle.id
        self.delay_s = group_delay_s + smoothing_s
        self._history = FrameHistory(
            shape[0], columns, self.index, SpectralSlope(card.bands_hz), card.tokens, round(card.token_s / hop_s)
        )
        usual = card.normalisation
        self._running = RunningMean(shape, hop_s, usual.population, usual.prior_s, usual.time_constant_s)
        self._track = ScoreTrack(hop_s, smoothing_s)
        self._scaling = [card.calibration.of(calibrated).at(len(channels)) for calibrated in (False, True)]
        self._baseline: Baseline | None = None
        self._ended: Baseline | None = None
        self._mean: Features | None = None
        self._certificate: Certificate | None = None
        self._head: HeadReader | None = None
        self._figures: CertificateFigures | None = None
        self._alpha_rise = 0.0
        self._alpha: float | None = None
        self._alpha_gain = 1.0 - math.exp(-hop_s / SMOOTHING_S)
        self._off_s = 0.0
        self._collector: RestCollector | None = None
        self.newest: FeatureFrame | None = None

    @property
    def baseline(self) -> Baseline | None:
        """The baseline in use."""
        return self._baseline

    def use_baseline(self, baseline: Baseline | None) -> None:
        """Score against this baseline from the next frame on; None goes back to the running mean."""
        self._baseline = baseline
        self._ended = None
        self.use_certificate(self._certificate)
        self._mean = baseline.array() if baseline else None
        self._alpha = None
        self._off_s = 0.0
        self._track.restart()

    @property
    def certificate(self) -> Certificate | None:
        """What was last measured of this person, passed or not."""
        return self._certificate

    @property
    def uses_head(self) -> bool:
        """True where the score is read by the head of the certificate."""
        return self._head is not None

    def use_certificate(self, certificate: Certificate | None) -> None:
        """Score with this person's own head, where it passed and the baseline in use is of the same eye state."""
        self._certificate = certificate
        self._head, self._figures, self._alpha_rise = None, None, 0.0
        self._track.restart()
        baseline = self._baseline
        if certificate is None or certificate.head is None or baseline is None:
            return
        if certificate.fits(self.owner, baseline.eyes):
            self._head = HeadReader(certificate.head, self.positions_m)
            self._figures, self._alpha_rise = certificate.figures, certificate.alpha_rise

    def collect(self, begun: RestCollector | None = None) -> RestCollector:
        """Gather a rest, anew or into one that has begun, from the frames that come; `stop_collecting` ends it."""
        self._collector = begun or RestCollector(self.owner, self.hop_s, self.card.bands_hz, len(self.labels))
        return self._collector

    def stop_collecting(self) -> None:
        """Gather no more."""
        self._collector = None

    def prepare(self, frame: FeatureFrame) -> Due:
        """Take in a frame and say whether its window can be scored."""
        self.newest = frame
        window = self._history.push(frame)
        x, hidden = self._running.normalise(window.relative, window.usable, self._mean, settled=frame.settled)
        if frame.settled and self._collector is not None:
            self._collector.add(window.relative[:, -1], window.usable[:, -1])
        self._follow_eyes(window)
        self._follow_headset(window)
        reason = self._reason(window)
        return Due(self, frame, reason, x if reason is None else None, hidden, window, self.calibrated)

    @property
    def calibrated(self) -> bool:
        """True where a personal baseline is in use."""
        return self._baseline is not None

    def _reason(self, window: Window) -> Reason | None:
        if self.paused:
            return "paused"
        if self.unassigned:
            return "unassigned"
        return judge(window)

    def _follow_eyes(self, window: Window) -> None:
        index = window.alpha_index
        if index is not None:
            self._alpha = index if self._alpha is None else self._alpha + self._alpha_gain * (index - self._alpha)

    def _follow_headset(self, window: Window) -> None:
        # A headset that was off for 10 s does not sit the same way again: its baseline ends, unless confirmed.
        off = window.settled and window.lifted >= RULES.off_head_share
        self._off_s = self._off_s + self.hop_s if off else 0.0
        if self._baseline is not None and self._off_s >= OFF_HEAD_ENDS_BASELINE_S:
            ended = self._baseline
            self.use_baseline(None)
            self._ended = ended

    @property
    def ended_baseline(self) -> Baseline | None:
        """The baseline that ended because the headset was off, until it is confirmed or another is used."""
        return self._ended

    def confirm_baseline(self) -> None:
        """Take back the baseline that ended because the headset was off."""
        if self._ended is not None:
            self.use_baseline(self._ended)

    def finish(self, due: Due, logit: float, spread: float, ood: float) -> FocusScore:
        """Make the score of a window from what the graph said of it."""
        limits = self.card.ood
        if ood > (limits.threshold if due.calibrated else limits.threshold_uncalibrated):
            return self.refuse(due, "out_of_distribution")
        if self.check_baseline and self._baseline is not None and self._alpha is not None:
            other = contradicts(self._alpha - self._alpha_rise, self._baseline.alpha_index, self._baseline.eyes)
            if other:
                return self.refuse(due, "baseline_mismatch")
        scale, shift = self._scaling[due.calibrated]
        logit, spread = scale * logit + shift, scale * spread
        if self._head is not None and due.x is not None:
            logit = self._head.logit(due.x, due.window.usable)
        raw = 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))
        value, steady, relative = self._track.add(raw, due.frame.hop, due.frame.generation)
        return FocusScore(
            value=value,
            steady=steady,
            relative=relative,
            raw=raw,
            reason=None,
            confidence=self._confidence(value, spread, due),
            quality=due.window.quality,
            calibrated=due.calibrated,
            end_s=due.frame.end_s,
            model_id=self.model_id,
            window_s=self.card.window_s,
            delay_s=self.delay_s,
            response_s=self.card.response_s,
            certificate=self._figures,
        )

    def restart(self) -> None:
        """Forget the smoothed value, after silence."""
        self._track.restart()

    def refuse(self, due: Due, reason: Reason) -> FocusScore:
        """Give the score of a window that has none."""
        self.restart()
        return self.no_score(reason, due.frame.end_s)

    def no_score(self, reason: Reason, end_s: float | None = None) -> FocusScore:
        """Give no score, with its reason: every number is None."""
        return FocusScore(
            value=None,
            steady=None,
            relative=None,
            raw=None,
            reason=reason,
            confidence=None,
            quality=None,
            calibrated=self.calibrated,
            end_s=end_s,
            model_id=self.model_id,
            window_s=self.card.window_s,
            delay_s=self.delay_s,
            response_s=self.card.response_s,
            certificate=self._figures,
        )

    def _confidence(self, value: float, spread: float, due: Due) -> float:
        """Take the expected accuracy: of the certificate, or of the card, less where the members disagree.

        Holes in the window lower either.
        """
        if self._certificate is not None and self._head is not None:
            expected = self._certificate.accuracy
        else:
            table = self.card.confidence
            accuracy = table.accuracy if due.calibrated else table.accuracy_uncalibrated
            expected = _interpolate(abs(cautious(value, spread) - 0.5), table.margin, accuracy)
        intact = due.window.quality * (1.0 - due.window.bridged)
        return 0.5 + max(0.0, expected - 0.5) * intact


def cautious(probability: float, spread: float) -> float:
    """Draw a probability towards 0.5 by how much the members of the model disagree.

    The mean of a logistic function over a normal distribution of logits, by MacKay's approximation (Neural Computation
    4:720, 1992).

    Parameters
    ----------
    probability
        0..1.
    spread
        Standard deviation of the members' logits.
    """
    bounded = min(1.0 - 1e-6, max(1e-6, probability))
    logit = math.log(bounded / (1.0 - bounded)) / math.sqrt(1.0 + math.pi * spread * spread / 8.0)
    return 1.0 / (1.0 + math.exp(-logit))


def _interpolate(x: float, at: Sequence[float], values: Sequence[float]) -> float:
    """Do what `np.interp` does, for one number and a short table, in a tenth of its time."""
    right = bisect_right(at, x)
    if right in (0, len(at)):
        return values[min(right, len(at) - 1)]
    share = (x - at[right - 1]) / (at[right] - at[right - 1])
    return values[right - 1] + share * (values[right] - values[right - 1])
