"""What Prometheus is told: latency by stage, loss, queue depths, clients, valid share."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import ClassVar, Literal, get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from streaming.defects import Place

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


class _Hot(Collector):
    """What is counted for every score: plain lists, which cost a tenth of the library's locks and label objects.

    Each stage is observed, and each stream counted, by one thread at a time; a scrape in between may be one behind.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, list[int]] = {stage: [0] * (len(_BUCKETS_S) + 1) for stage in get_args(Stage)}
        self.seconds: dict[str, float] = dict.fromkeys(self.buckets, 0.0)
        self.scores: dict[str, list[int]] = {}
        """By stream: not valid, valid."""
        self.errors: dict[Place, int] = dict.fromkeys(get_args(Place), 0)
        """Shown as 0 before the first, so that an alert can be written."""

    def collect(self) -> Iterator[Metric]:
        """Give both families as they stand."""
        stages = HistogramMetricFamily(
            "focusloop_stage_seconds", "Time that a score spends in each stage", labels=["stage"]
        )
        bounds = [*map(floatToGoString, _BUCKETS_S), "+Inf"]
        for stage, counts in self.buckets.items():
            stages.add_metric([stage], list(zip(bounds, accumulate(counts), strict=True)), self.seconds[stage])
        yield stages
        scores = CounterMetricFamily("focusloop_scores", "Scores made", labels=["stream", "valid"])
        for stream, counts in list(self.scores.items()):
            scores.add_metric([stream, "false"], counts[False])
            scores.add_metric([stream, "true"], counts[True])
        yield scores
        errors = CounterMetricFamily(
            "focusloop_internal_errors", "Errors that nobody should have raised; see the log", labels=["where"]
        )
        for where, count in self.errors.items():
            errors.add_metric([where], count)
        yield errors


class _Collected(Collector):
    """Numbers that were read before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Give them."""
        return self._families


class Metrics:
    """All metrics of one service, in a registry of their own. Safe from any thread."""

    MEDIA_TYPE: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._hot = _Hot()
        self.registry.register(self._hot)
        self._errors_lock = threading.Lock()
        self._lost = Gauge("focusloop_lost_samples", "Samples that never came", ["stream"], registry=self.registry)
        self._depth = Gauge(
            "focusloop_queue_depth", "Chunks that wait for the worker", ["stream"], registry=self.registry
        )
        self._before_scrape: list[Callable[[], None]] = []

    def observe(self, stage: str, seconds: float) -> None:
        """Note how long a stage took; what is no `Stage` is passed over."""
        counts = self._hot.buckets.get(stage)
        if counts is not None:
            counts[bisect_left(_BUCKETS_S, seconds)] += 1
            self._hot.seconds[stage] += seconds

    def count_score(self, stream: str, valid: bool) -> None:
        """Count a score; the valid share is valid of all."""
        counts = self._hot.scores.get(stream)
        if counts is None:
            counts = self._hot.scores[stream] = [0, 0]
        counts[valid] += 1

    def count_internal_error(self, where: Place) -> None:
        """Count an error that nobody should have raised; the log has its traceback."""
        with self._errors_lock:
            self._hot.errors[where] += 1

    def set_lost(self, stream: str, samples: int) -> None:
        """Tell how many samples of a stream were lost so far."""
        self._lost.labels(stream).set(samples)

    def set_queue_depth(self, stream: str, chunks: int) -> None:
        """Tell how many chunks wait."""
        self._depth.labels(stream).set(chunks)

    def forget(self, stream: str) -> None:
        """Drop the series of a stream that was removed."""
        self._hot.scores.pop(stream, None)
        self._lost.remove(stream)
        self._depth.remove(stream)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a number that is read when Prometheus asks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def before_scrape(self, refresh: Callable[[], None]) -> None:
        """Have `refresh` called, on the event loop, before metrics are shown."""
        self._before_scrape.append(refresh)

    def collect(self) -> list[Metric]:
        """Read every number; on the event loop, whose clients and streams are counted."""
        for refresh in self._before_scrape:
            refresh()
        return list(self.registry.collect())

    @staticmethod
    def render(collected: list[Metric]) -> bytes:
        """Write what was collected in Prometheus' text format: two thirds of a scrape, and for any thread."""
        registry = CollectorRegistry()
        registry.register(_Collected(collected))
        return generate_latest(registry)
