"""What Prometheus is told: latency by stage, loss, queue depths, clients, valid share."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Stage = Literal["acquire", "queue", "pipeline", "model", "publish", "total"]
_BUCKETS_S = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.002,
    0.003,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.25,
    1.0,
)


class Metrics:
    """All metrics of one service, in a registry of their own. Safe from any thread."""

    MEDIA_TYPE: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        stages = Histogram(
            "focusloop_stage_seconds",
            "Time that a score spends in each stage",
            ["stage"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        # Looked up once: `labels` costs more than the observation.
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}
        self._lost = Gauge("focusloop_lost_samples", "Samples that never came", ["stream"], registry=self.registry)
        self._depth = Gauge(
            "focusloop_queue_depth", "Chunks that wait for the worker", ["stream"], registry=self.registry
        )
        self._scores = Counter("focusloop_scores", "Scores made", ["stream", "valid"], registry=self.registry)
        self._streams: dict[str, tuple[Counter, Counter]] = {}
        self._before_scrape: list[Callable[[], None]] = []

    def observe(self, stage: Stage, seconds: float) -> None:
        """Note how long a stage took."""
        self._stages[stage].observe(seconds)

    def count_score(self, stream: str, valid: bool) -> None:
        """Count a score; the valid share is valid of all."""
        found = self._streams.get(stream)
        if found is None:
            found = self._scores.labels(stream, "false"), self._scores.labels(stream, "true")
            self._streams[stream] = found
        found[valid].inc()

    def set_lost(self, stream: str, samples: int) -> None:
        """Tell how many samples of a stream were lost so far."""
        self._lost.labels(stream).set(samples)

    def set_queue_depth(self, stream: str, chunks: int) -> None:
        """Tell how many chunks wait."""
        self._depth.labels(stream).set(chunks)

    def forget(self, stream: str) -> None:
        """Drop the series of a stream that was removed."""
        self._streams.pop(stream, None)
        for metric, labels in (
            (self._lost, [(stream,)]),
            (self._depth, [(stream,)]),
            (self._scores, [(stream, "false"), (stream, "true")]),
        ):
            for label in labels:
                metric.remove(*label)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a number that is read when Prometheus asks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def before_scrape(self, refresh: Callable[[], None]) -> None:
        """Have `refresh` called, on the event loop, before metrics are shown."""
        self._before_scrape.append(refresh)

    def render(self) -> bytes:
        """Show everything in Prometheus' text format."""
        for refresh in self._before_scrape:
            refresh()
        return generate_latest(self.registry)
