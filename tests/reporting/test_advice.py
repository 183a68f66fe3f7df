"""What to do next: the study's state, commands that exist."""

import dataclasses
import shlex
from typing import Any

import numpy as np
import pytest

from tests.reporting.building import make_study
from tuner.analysis import Fit, StudyState
from tuner.cli.app import COMMANDS
from tuner.reporting import build_report
from tuner.reporting.advice import state_of
from tuner.reporting.markdown import markdown
from tuner.storage import StudyRecord, TrialRecord


def state(record: StudyRecord) -> StudyState:
    """What actions are chosen by."""
    report = build_report(record)
    return state_of(record, report.definition, report.findings, report.effects, report.learning)


def high_bias(**options: Any) -> StudyRecord:
    """A study whose network misses a fifth of its training examples."""
    return make_study(30, bias=0.2, variance=0.01, n_train=4000, n_dev=3000, **options)


def high_variance(**options: Any) -> StudyRecord:
    """A study whose network is far worse on dev."""
    return make_study(30, bias=0.005, variance=0.2, n_dev=3000, **options)


@pytest.mark.parametrize("make", [high_bias, high_variance, make_study])
def test_every_command_begins_with_one_that_exists(make: Any) -> None:
    """Nothing is advised that the reader cannot do."""
    actions = build_report(make()).actions
    assert actions
    for action in actions:
        words = shlex.split(action.command)
        assert not words or (words[0] == "tuner" and words[1] in COMMANDS)


def test_high_bias_without_a_baseline_asks_for_one_first() -> None:
    """20% may be all that a person reaches, too: nothing is made larger until someone says how low an error can be."""
    names = [action.action for action in build_report(high_bias()).actions]
    assert names[0] == "give_baseline"
    assert not {"bigger_network", "less_regularization"} & set(names)


def test_with_a_baseline_it_is_not_asked_for_again() -> None:
    """``--baseline`` counts as given."""
    names = {action.action for action in build_report(high_bias(), baseline=0.01).actions}
    assert "give_baseline" not in names
    assert {"bigger_network", "less_regularization"} & names


def test_a_model_with_a_far_lower_error_shows_bias() -> None:
    """Gradient boosting at 2% where the network misses a fifth of its training examples: no baseline is needed."""
    record = high_bias()
    facts = dataclasses.replace(record.facts, references={"gradient_boosting": 0.02})
    report = build_report(dataclasses.replace(record, facts=facts))
    assert report.verdict == "high_bias"
    names = {action.action for action in report.actions}
    assert "give_baseline" not in names
    assert {"bigger_network", "less_regularization"} & names


def test_a_command_is_printed_once_with_all_its_reasons() -> None:
    """Actions that one refine carries out are one step, at the place of the first."""
    report = build_report(high_bias(), baseline=0.01)
    refining = [step for step in report.steps if "tuner refine" in step.command]
    assert [len(step.actions) for step in refining] == [sum("tuner refine" in a.command for a in report.actions)]
    assert len(refining[0].reasons) > 1
    assert markdown(report).count("tuner refine") == 1
    assert [action for step in report.steps for action in step.actions if not action.command] == [
        action for action in report.actions if not action.command
    ]


def test_high_variance_wants_data_and_regularization() -> None:
    """The lectures' recipe."""
    names = [action.action for action in build_report(high_variance()).actions]
    assert "more_data" in names
    assert "more_regularization" in names


def test_a_study_without_trials_is_told_to_search() -> None:
    """There is nothing else to be said."""
    actions = build_report(make_study(0)).actions
    assert actions[0].action == "run_search"
    assert actions[0].command.startswith("tuner search made")


def test_another_database_is_named_in_commands() -> None:
    """Typed in another folder, the command still finds the study; a password is not written down."""
    record = dataclasses.replace(make_study(0), storage="postgresql+psycopg://me:***@host/db")
    assert build_report(record).actions[0].command == 'tuner search made --storage "$TUNER_STORAGE"'
    record = dataclasses.replace(make_study(0), storage="sqlite:////data/my studies.db")
    assert build_report(record).actions[0].command == "tuner search made --storage 'sqlite:////data/my studies.db'"


def test_a_network_that_fits_in_other_epochs_or_trials_is_seen() -> None:
    """The best trial's later epochs come first, then a trial with a network no larger; a larger one is no proof."""
    record = high_bias(diagnosis="baseline_error = 0.0")
    best = build_report(record).best
    assert best is not None
    assert state(record).fit is None

    def with_train_errors(trial: TrialRecord, errors: list[float], hidden: str = "64-32") -> TrialRecord:
        curve = {**trial.networks[0].curve, "train_error": np.array(errors)}
        networks = [dataclasses.replace(trial.networks[0], curve=curve)]
        return dataclasses.replace(trial, networks=networks, params={**trial.params, "hidden": hidden})

    falling = [*np.linspace(0.5, 0.1, 10), 0.02, 0.0]

    def fit_beside(*others: TrialRecord) -> Fit | None:
        trials = {trial.number: trial for trial in [*record.trials, *others]}
        return state(dataclasses.replace(record, trials=list(trials.values()))).fit

    smaller = with_train_errors(record.trials[7], falling)
    assert fit_beside(with_train_errors(record.trials[7], falling, hidden="256")) is None
    assert fit_beside(smaller) == Fit(0.0, trial=7)
    assert fit_beside(smaller, with_train_errors(best, falling)) == Fit(0.02, epoch=11)


def test_one_late_fold_is_no_reason_to_train_longer() -> None:
    """Only where most networks of the best trial ended while still falling do all of them get more epochs."""

    def still_improving(*best_epochs: int) -> bool:
        record = make_study(1, folds=5, epochs=12)
        networks = [
            dataclasses.replace(network, stop_reason="max_epochs", best_epoch=epoch)
            for network, epoch in zip(record.trials[0].networks, best_epochs, strict=True)
        ]
        record.trials[0] = dataclasses.replace(record.trials[0], networks=networks, stop_reason="max_epochs")
        best = state(record).best
        assert best is not None
        return best.still_improving

    assert not still_improving(12, 3, 3, 4, 3)
    assert still_improving(12, 11, 12, 4, 3)


def test_diverged_trials_use_the_budget_up() -> None:
    """A finished study with diverged trials is not called unfinished."""
    record = make_study(30)
    record.trials[3] = dataclasses.replace(record.trials[3], stop_reason="diverged", value=1.0)
    search = state(record).search
    assert search.diverged == 1
    assert search.done == search.budget


def test_commands_judge_as_the_report_does() -> None:
    """A baseline and a line that the definition does not know go along, so that refine sees the same verdict."""
    report = build_report(high_bias(), baseline=0.01, material_gap=0.03)
    command = next(action.command for action in report.actions if "refine" in action.command)
    assert command.startswith("tuner refine made --baseline 0.01 --material-gap 0.03 --output studies/made-2.toml")
    said = build_report(high_bias(diagnosis="baseline_error = 0.01\nmaterial_gap = 0.03"))
    assert next(action.command for action in said.actions if "refine" in action.command) == (
        "tuner refine made --output studies/made-2.toml && tuner search studies/made-2.toml --from made"
    )


def test_a_command_is_printed_whole() -> None:
    """Cut off at the terminal's width it could not be typed."""
    report = build_report(high_bias())
    commands = [action.command for action in report.actions]
    assert max(map(len, commands)) > 40
    assert all(command in report.text(width=40) for command in commands)


def test_actions_stand_in_summary_and_page() -> None:
    """Programs read what people read."""
    report = build_report(high_variance())
    summary = report.summary["actions"]
    assert [list(action) for action in summary] == [["action", "why", "command", "evidence"]] * len(report.actions)
    assert report.actions[0].why.split(";")[0][:40] in report.text().replace("\n", " ")
