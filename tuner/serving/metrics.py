"""The numbers of a database for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tuner.serving.reading import StudyList, finite

STATES = ("complete", "pruned", "failed", "running", "waiting", "unrecorded")


def metrics_text(studies: StudyList, seconds: float) -> bytes:
    """The text of ``/metrics``; ``seconds``: what reading the studies took."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Studies(studies, seconds))
    return generate_latest(registry)


GAUGES = {
    "tuner_trials": ("Trials of a study by state.", ("study", "state")),
    "tuner_budget": ("Complete and pruned trials that a study may have.", ("study",)),
    "tuner_best_value": ("Lowest value of a study's metric; of metric error it is the dev error.", ("study", "metric")),
    "tuner_held": (
        "1 for a study that workers leave: paused, canceled, failing, set_aside (by one worker) or unreadable.",
        ("study", "kind"),
    ),
    "tuner_workers": ("Processes that run trials of a study.", ("study",)),
    "tuner_claim_age_seconds": ("How long the oldest running trial of a study has run.", ("study",)),
    "tuner_database_seconds": ("How long reading these numbers took.", ()),
}
"""Name -> what it is, and its labels."""


class _Studies(Collector):
    """Gauges of what was read once."""

    def __init__(self, studies: StudyList, seconds: float) -> None:
        self._studies = studies
        self._seconds = seconds

    def collect(self) -> Iterable[Metric]:
        """Every metric with a value per study."""
        gauges = {name: GaugeMetricFamily(name, about, labels=labels) for name, (about, labels) in GAUGES.items()}
        for name, labels, value in self._values():
            gauges[name].add_metric(labels, value)
        return gauges.values()

    def _values(self) -> Iterator[tuple[str, list[str], float]]:
        """Yield each metric's name, labels and value."""
        for line in self._studies.studies:
            study = [line.name]
            for state in STATES:
                yield "tuner_trials", [*study, state], getattr(line, state)
            yield "tuner_budget", study, line.budget
            if line.hold is not None or line.set_aside is not None:
                yield "tuner_held", [*study, "unreadable" if line.hold is None else str(line.hold.kind)], 1
            if finite(line.best) is not None:
                yield "tuner_best_value", [*study, line.metric], finite(line.best)
            claims = [claim for claim in self._studies.workers if claim.study == line.name]
            yield "tuner_workers", study, len({(claim.host, claim.pid) for claim in claims})
            if claims:
                yield "tuner_claim_age_seconds", study, max(claim.seconds for claim in claims)
        yield "tuner_database_seconds", [], self._seconds
