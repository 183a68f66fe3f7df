"""What every trainer must do, over a table of trainers: to test another one, add a line to ``TRAINERS``."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SMALL_STUDY, small_table
from tests.running.conftest import with_reference_models
from tuner.data import Dataset, load_dataset
from tuner.errors import SearchError
from tuner.outcomes import StopReason
from tuner.reporting import build_report
from tuner.running import SearchRequest, SearchResult, run_search
from tuner.storage import CURVE_COLUMNS, NetworkRecord, Outcome, pack_losses
from tuner.study import StudyDefinition, parse_definition
from tuner.trainers import CustomTrainer, Estimate, Interrupted, OwnNetwork, Trainer, TrainerFunction, TrialRequest
from tuner.trainers.trainer import memory_used
from tuner.trial import draw_dev_folds, trial_settings
from tuner.workspace import StudyRequest, open_study, read_record

CUSTOM_STUDY = "\n".join(
    line for line in SMALL_STUDY.splitlines() if not line.startswith(("hidden", "patience", "min_updates"))
).replace("[network]", '[network]\ntrainer = "conforming:fit"')

CONFORMING = """\
def fit(params, data, seed, report):
    for epoch in range(1, report.max_epochs + 1):
        report(epoch, 2 / 3, 2 / 3)
    return data.train.y * 0, data.dev.y * 0
"""


@dataclass(frozen=True)
class Constant:
    """A third trainer: it always predicts the first class."""

    definition: StudyDefinition

    def prepare(self) -> None:
        """Nothing is imported."""

    def run(self, request: TrialRequest) -> Outcome | Interrupted:
        """One network, whose error is the same after every epoch."""
        if request.should_stop():
            return Interrupted()
        (part,) = request.dataset.parts
        wrong = part.dev.y != 0
        value = float(wrong.mean())
        pruned = bool(request.settings.rungs) and request.prune is not None
        pruned = pruned and request.prune({request.settings.rungs[0]: value}, [value])
        reason = StopReason.PRUNED if pruned else StopReason.MAX_EPOCHS
        network = NetworkRecord(
            reason, 1, 1, 1, len(part.train), int((part.train.y != 0).sum()), math.nan, len(wrong), int(wrong.sum()),
            math.nan, b"" if pruned else pack_losses(wrong), dict.fromkeys(CURVE_COLUMNS, np.array([value])),
        )  # fmt: skip
        return Outcome(value, reason, dict.fromkeys(request.settings.rungs, value), [network], 0.001)

    def estimate(self, dataset: Dataset) -> Estimate:
        """Nothing takes time."""
        return Estimate(
            n_networks=1, n_parameters=None, updates_per_epoch=None, epoch_seconds=None, seconds_at_least=0.0,
            seconds_at_most=0.0, ran="nothing", **memory_used(dataset),
        )  # fmt: skip


def _custom(definition: StudyDefinition) -> Trainer:
    return CustomTrainer(definition, TrainerFunction("conforming:fit", (Path.cwd(),)))


TRAINERS: dict[str, tuple[str, Callable[[StudyDefinition], Trainer]]] = {
    "own network": (SMALL_STUDY, OwnNetwork),
    "custom": (CUSTOM_STUDY, _custom),
    "third": (CUSTOM_STUDY, Constant),
}
"""A trainer's name, its small study, and how it is made."""


@dataclass(frozen=True)
class Case:
    """A trainer with its study, in an empty folder."""

    trainer: Trainer
    dataset: Dataset

    def request(self) -> TrialRequest:
        """The trial in the middle of the space."""
        definition = self.trainer.definition
        settings = replace(trial_settings(definition), rungs=(2,))
        folds = draw_dev_folds(len(self.dataset.dev_rows), None, 0)
        values = definition.searched_space.middle()
        return TrialRequest(dataset=self.dataset, values=values, settings=settings, seed=1, dev_folds=folds)

    def search(self) -> SearchResult:
        """Search the study with this trainer."""
        study = with_reference_models(open_study(StudyRequest("small")))
        return run_search(replace(study, trainer=self.trainer), SearchRequest())


@pytest.fixture(params=TRAINERS)
def case(request: pytest.FixtureRequest, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Each trainer of the table."""
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    text, make = TRAINERS[request.param]
    folder = workplace / "studies"
    folder.mkdir()
    (folder / "small.csv").write_text(small_table(), encoding="utf-8")
    (folder / "small.toml").write_text(text, encoding="utf-8")
    (workplace / "conforming.py").write_text(CONFORMING, encoding="utf-8")
    definition = parse_definition(text, "small.toml")
    return Case(make(definition), load_dataset(definition.data, folder))


def test_the_budget_is_spent_and_every_trial_is_recorded(case: Case) -> None:
    """Values, networks and the report are there, whatever trains."""
    result = case.search()
    assert result.run.complete + result.run.pruned == 4
    record = read_record("small")
    assert all(trial.networks and 0 <= (trial.value or 0) <= 1 for trial in record.trials)
    report = build_report(record)
    assert report.best is not None
    assert set(report.best.params) == set(case.trainer.definition.searched_space.middle())
    assert (report.write("reports") / "report.html").exists()


def test_the_same_trial_has_the_same_outcome(case: Case) -> None:
    """The seed and the hyperparameters determine it."""
    one, again = (case.trainer.run(case.request()) for _ in range(2))
    assert isinstance(one, Outcome)
    assert isinstance(again, Outcome)
    assert (one.value, one.rung_values) == (again.value, again.rung_values)
    assert set(one.rung_values) == {2}


def test_the_predictions_are_wrong_where_the_losses_say_so(case: Case) -> None:
    """Of a trainer that tells them."""
    outcome = case.trainer.run(case.request())
    assert isinstance(outcome, Outcome)
    if isinstance(case.trainer, Constant):
        assert outcome.predictions is None
        return
    assert outcome.predictions is not None
    wrong = outcome.predictions.classes != case.dataset.dev_y
    np.testing.assert_array_equal(wrong, outcome.networks[0].dev_losses)


def test_a_hopeless_trial_is_pruned(case: Case) -> None:
    """The rung's value is asked about; what was trained until then is recorded."""
    asked: list[dict[int, float]] = []
    outcome = case.trainer.run(replace(case.request(), prune=lambda values, _: asked.append(values) or True))
    assert isinstance(outcome, Outcome)
    assert outcome.pruned
    assert [list(values) for values in asked] == [[2]]
    assert outcome.networks


def test_a_trial_that_is_stopped_is_interrupted(case: Case) -> None:
    """It has no outcome."""
    assert isinstance(case.trainer.run(replace(case.request(), should_stop=lambda: True)), Interrupted)


def test_a_failure_is_a_failed_trial(case: Case) -> None:
    """An exception of the trainer ends the trial; three in a row end the search."""

    class Broken:
        definition = case.trainer.definition
        prepare, estimate = case.trainer.prepare, case.trainer.estimate

        def run(self, request: TrialRequest) -> Outcome | Interrupted:
            case.trainer.run(request)
            raise OSError("no such device")

    with pytest.raises(SearchError, match=r"3 trials in a row failed.*OSError: no such device"):
        replace(case, trainer=Broken()).search()
    assert [trial.state for trial in read_record("small").trials] == ["failed"] * 3


def test_a_trainer_is_sent_to_other_processes(case: Case) -> None:
    """It is picklable."""
    assert pickle.loads(pickle.dumps(case.trainer)).definition.name == "small"


def test_an_estimate_says_what_was_tried(case: Case) -> None:
    """In a sentence beside the numbers that ``tuner check --json`` prints."""
    estimate = case.trainer.estimate(case.dataset)
    assert estimate.ran
    assert 0 <= estimate.seconds_at_least <= estimate.seconds_at_most
    assert "ran" not in estimate.to_dict()
