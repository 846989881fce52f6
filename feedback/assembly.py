"""Puts a participant together: source, model, pipeline, scorer, baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bci.clock import lsl_now_s
from bci.config import ParticipantConfig, ServiceConfig
from bci.errors import BaselineRefusedError, ConfigError, FocusloopError
from bci.files import read_recording
from bci.montage import eeg_channel
from bci.registry import open_source
from bci.simulator import filters
from bci.types import Chunk, StreamSpec
from bci.uri import parse_uri
from feedback.baselines import BaselineStore
from feedback.certificates import CertificateStore
from feedback.display import DisplayTap
from feedback.outlets.port import Outlet
from feedback.participant import Participant
from inference.baseline import Baseline, rebind
from inference.batch import BatchScorer
from inference.bundle import DEFAULT_MODEL, find_model
from inference.offline import RecordingScorer, parse_span
from inference.scorer import StreamScorer, check_features
from inference.session import FocusSession, choose_providers
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

HOP_S = 0.04
"""25 scores a second."""


def describe(person: Participant) -> None:
    """Tell a participant's recording what its device turned out to be. On the worker's thread."""
    if person.recorder is not None and person.spec is not None and person.scorer is not None:
        about = person.view(SCHEMA)
        del about["recording"]
        person.recorder.opened(person.spec, about, person.scorer.baseline, lsl_now_s())


class Assembly:
    """Makes participants as the configuration says.

    Parameters
    ----------
    service
        Where models lie, which providers, which line frequency.
    store, certificates
        Where baselines and certificates are kept.
    outlets
        Told of each participant before the first score.

    Raises
    ------
    ModelError
        If the default model cannot be used.
    """

    def __init__(
        self, service: ServiceConfig, store: BaselineStore, certificates: CertificateStore, outlets: Sequence[Outlet]
    ) -> None:
        self._service = service
        self._store = store
        self._certificates = certificates
        self._outlets = outlets
        self._batches: dict[str, BatchScorer] = {}
        self._batch(DEFAULT_MODEL)

    def warm_up(self) -> None:
        """Compile the kernels, or find them in the cache, and score once: no stream shall wait for it."""
        filters.warm_up()
        channels = tuple(eeg_channel(label) for label in ("Fp1", "Fp2", "O1", "O2"))
        spec = StreamSpec("warm-up", "warm-up", "EEG", 250.0, channels, "warm-up")
        batch = self._batch(DEFAULT_MODEL)
        pipeline = Pipeline(spec, hop_s=HOP_S)
        scorer = StreamScorer("", spec, batch.session.bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
        samples = np.zeros((250, len(channels)), np.float32)
        frames = pipeline.process(Chunk(spec, samples, np.arange(250) / 250.0, 0))
        batch.score([scorer.prepare(frame) for frame in frames])

    def participant(self, wish: ParticipantConfig) -> Participant:
        """Make a participant; nothing is opened yet.

        Raises
        ------
        ConfigError, ProfileError, ModelError
            For sources, montage or model that cannot be.
        """
        if len(wish.sources) != 1:
            msg = f"'{wish.id}' has {len(wish.sources)} sources; this version scores one EEG source a participant"
            raise ConfigError(msg)
        uri = parse_uri(wish.sources[0])
        if wish.montage is not None:
            if uri.montage is not None and uri.montage != wish.montage:
                msg = f"'{wish.id}': the URI and the configuration name different montages"
                raise ConfigError(msg)
            uri = uri.with_montage(wish.montage)
        return Participant(wish.id, uri, open_source(uri), self._batch(wish.model or DEFAULT_MODEL))

    def take_baseline(self, person: Participant, text: str) -> None:
        """Make the baseline that the configuration names; what is wrong with it is said in the stream's fallbacks."""
        try:
            path, span = parse_span(text)
            recording = read_recording(path, montage=person.uri.montage)
            person.recorded_baseline = RecordingScorer(person.model, mains=self._service.mains).baseline(
                recording, span
            )
        except FocusloopError as error:
            person.notes.append(f"baseline {text}: {error}")

    def pipeline(self, person: Participant, spec: StreamSpec) -> Pipeline:
        """Make pipeline and scorer once the device has said what it is. On the worker's thread."""
        pipeline = Pipeline(spec, hop_s=HOP_S, mains=self._service.mains)
        bundle = person.model.bundle
        scorer = StreamScorer(person.id, spec, bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
        scorer.paused = person.paused
        if person.calibration is not None:
            person.calibration.change_headset(scorer)
        scorer.use_baseline(self._baseline_for(person, scorer))
        certificate, note = self._certificates.newest(scorer.owner)
        if note and note not in person.notes:
            person.notes.append(note)
        scorer.use_certificate(certificate)
        person.spec, person.pipeline, person.display = spec, pipeline, DisplayTap(spec)
        person.scorer = scorer
        describe(person)
        for outlet in self._outlets:
            outlet.open(person.id, origin=spec.origin, model=bundle.id)
        return pipeline

    def _baseline_for(self, person: Participant, scorer: StreamScorer) -> Baseline | None:
        if person.recorded_baseline is not None:
            try:
                return rebind(person.recorded_baseline, scorer.owner)
            except BaselineRefusedError as error:
                person.notes.append(str(error))
        baseline, note = self._store.find(scorer.owner)
        if note and note not in person.notes:
            person.notes.append(note)
        return baseline

    def _batch(self, model_id: str) -> BatchScorer:
        bundle = find_model(model_id, self._service.models_dir)
        batch = self._batches.get(bundle.id)
        if batch is None:
            check_features(bundle, SCHEMA)  # now, not when the first stream has opened
            session = FocusSession(bundle, choose_providers(self._service.providers))
            batch = self._batches[bundle.id] = BatchScorer(session)
        return batch
