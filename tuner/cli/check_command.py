"""``tuner check``: check a study before a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuner.cli.data_command import findings_lines
from tuner.cli.options import AllowTrainerOption, JsonOption, StorageOption, StudyArgument, TargetOption
from tuner.cli.printing import print_result
from tuner.cli.progress import show_steps
from tuner.formatting import rough_duration

if TYPE_CHECKING:
    from tuner.data import Dataset
    from tuner.study import StudyDefinition
    from tuner.trainers import Estimate

MEGABYTE = 1_000_000


def check(
    study: StudyArgument,
    target: TargetOption = None,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read study file and data, train one epoch, and estimate time and memory of the search."""
    from tuner.reference_models import most_seconds
    from tuner.workspace import StudyRequest, load_checked

    request = StudyRequest(study, target, storage, allow_trainers=tuple(allow_trainer or ()))
    with show_steps():
        source, dataset, trainer, findings = load_checked(request)
    definition = source.definition
    estimate = trainer.estimate(dataset)
    references = most_seconds(dataset)
    summary = {"study": definition.name, "trials": definition.search.trials, **estimate.to_dict()}
    summary |= {"reference_seconds_at_most": references}
    summary |= {"notices": list(dataset.notices), "findings": findings}
    lines = [*_lines(definition, dataset, estimate, references), *findings_lines(dataset.notices, findings)]
    print_result(summary, lines, as_json=as_json)


def _lines(definition: StudyDefinition, dataset: Dataset, estimate: Estimate, references: float) -> Iterator[str]:
    rows = ", ".join(f"{name} {n:,}" for name, n in dataset.sizes.items() if n)
    yield f"study {definition.name} · data {dataset.path or 'arrays'} ({rows})"
    yield f"searched: {', '.join(definition.searched_space.searched) or 'nothing; all hyperparameters are fixed'}"
    yield estimate.ran
    least, most = rough_duration(estimate.seconds_at_least), rough_duration(estimate.seconds_at_most)
    stops = "(if every trial stops as early, or as late, as possible)"
    yield f"{definition.search.trials} trials: {least} to {most} with one worker {stops}"
    yield f"reference models: at most about {rough_duration(references)}, once (--references none: not trained)"
    data, peak = estimate.data_bytes / MEGABYTE, estimate.peak_bytes / MEGABYTE
    yield f"memory: {data:,.0f} MB of data, {peak:,.0f} MB in total; workers share the data"
