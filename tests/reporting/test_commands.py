"""Actions as commands that can be typed as they are printed."""

import dataclasses
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.analysis.test_actions import ALPHA, DOWN, LAMBDA, state
from tests.reporting.building import make_study
from tuner.analysis import ACTIONS, Action, Fit, SegmentState, ThresholdGain, Verb, diagnose
from tuner.cli.app import COMMANDS, app
from tuner.reporting.commands import command_of, next_definition
from tuner.storage import StudyRecord
from tuner.study import parse_definition

SPACES = dataclasses.replace(make_study(0, name="made"), storage="sqlite:////data/my studies.db")


def command(record: StudyRecord, verb: Verb | None, trainer: str | None = None, **options: float) -> str:
    """The command of an action, as a report on this study prints it."""
    definition = parse_definition(record.definition, "made")
    if trainer is not None:
        network = definition.network.model_copy(update={"trainer": trainer})
        definition = definition.model_copy(update={"network": network})
    judged = diagnose(train=None, dev=None, material_gap=0.03)
    return command_of(Action(action="one", why="", verb=verb, options=options), record, definition, judged)


def parse(lines: str) -> None:
    """Let the command line parse what is printed; it exits or raises where it cannot."""
    for line in filter(None, lines.split(" && ")):
        program, name, *arguments = shlex.split(line)
        assert program == "tuner"
        assert name in COMMANDS
        get_command(app).commands[name].make_context(name, arguments)


def test_options_follow_the_study() -> None:
    """What an action asks for follows the study's name."""
    record = make_study(0)
    assert command(record, Verb.TRAIN) == "tuner train made"
    assert command(record, Verb.DATA) == "tuner data made"
    assert command(record, Verb.LEARNING_CURVE) == "tuner learning-curve made"
    assert command(record, Verb.SEARCH, trials=12_345) == "tuner search made --trials 12345"
    assert command(record, None) == ""


def test_refining_is_two_commands() -> None:
    """The next definition, and the search of it that begins with the trials of this one; spaces are quoted."""
    storage = "--storage 'sqlite:////data/my studies.db'"
    assert command(SPACES, Verb.REFINE) == (
        f"tuner refine made {storage} --material-gap 0.03 --output studies/made-2.toml"
        f" && tuner search studies/made-2.toml --from made {storage}"
    )
    named = dataclasses.replace(SPACES, name="my study")
    assert "--material-gap 0.03 --output 'studies/my study-2.toml'" in command(named, Verb.REFINE)
    assert "tuner search 'studies/my study-2.toml' --from 'my study'" in command(named, Verb.REFINE)


@pytest.mark.parametrize("verb", Verb)
def test_no_printed_command_permits_a_custom_trainer(verb: Verb) -> None:
    """Its name may come from another person's database."""
    assert "mine:train" not in command(make_study(0), verb, "mine:train")


def test_the_next_definition_has_a_free_name() -> None:
    """Studies beside this one have taken theirs."""
    assert next_definition(dataclasses.replace(make_study(0), beside=["made", "made-2"])) == Path("studies/made-3.toml")


def test_nothing_can_be_typed_about_data_in_memory() -> None:
    """No other process has the rows; a study that no database holds cannot be named at all."""
    record = make_study(0)
    memory = dataclasses.replace(record, definition=record.definition.replace('source = "made.csv"\n', ""))
    assert {command(memory, verb) for verb in Verb} == {""}
    assert {command(dataclasses.replace(record, storage=""), verb) for verb in Verb} == {""}


@pytest.mark.parametrize("trainer", [None, "mine:train"])
@pytest.mark.parametrize("verb", Verb)
def test_the_command_line_parses_what_any_action_prints(verb: Verb, trainer: str | None) -> None:
    """Every verb, with the options that actions give it, is one that exists and takes them."""
    options = {Verb.SEARCH: {"trials": 50}}.get(verb, {})
    parse(command(SPACES, verb, trainer, **options))


HIGH = {"bias": "high", "variance": "high", "baseline_given": True}
PROPOSED: dict[str, dict[str, Any]] = {
    "run_search": {"trials": 0},
    "give_baseline": {"bias": "undecided", "train_error": 0.2, "dev_error": 0.2},
    "more_rows_of_classes": {"n_classes": 400, "dev_error": 0.9},
    "check_data": {"warnings": ("column 'ended' predicts the target",)},
    "beat_majority": {"majority": 0.001},
    "train_longer": {**HIGH, "still_improving": True},
    "steadier_stopping": {**HIGH, "fit": Fit(0.0, epoch=3)},
    "bigger_network": {**HIGH, "is_largest": True},
    "less_regularization": {**HIGH, "hyperparameters": (replace(LAMBDA, effect_on_bias=1),)},
    "other_architecture": HIGH,
    "more_data": HIGH,
    "more_regularization": {**HIGH, "hyperparameters": (replace(LAMBDA, effect_on_dev=DOWN),)},
    "nothing_promised": {"variance": "undecided"},
    "augmentation": {**HIGH, "images": True},
    "compare_gradient_boosting": {"gradient_boosting": 0.001, "dev_error": 0.2},
    "resemble_dev": {"mismatch": "high"},
    "bigger_dev_set": {"dev_overfit": "high"},
    "use_folds": {"variance": "undecided"},
    "more_dev_examples": {"variance": "undecided", "dev_error": 0.0116, "folds": 5},
    "more_examples": {"variance": "undecided", "train_error": 0.0181, "dev_error": 0.0381, "folds": 5},
    "choose_threshold": {"threshold": ThresholdGain("yes", 0.3, 0.2, 0.05, 0.15, 0.02, 0.09)},
    "evaluate_once": {},
    "fewer_diverged": {"diverged": 40, "diverged_above": 0.5, "hyperparameters": (ALPHA,)},
    "widen_range": {"hyperparameters": (replace(ALPHA, near_high=1.0, position=1.0, effect_on_dev=DOWN),)},
    "gentler_pruning": {"pruned_winners": 3},
    "narrow_range": {"bias": "undecided", "hyperparameters": (replace(ALPHA, good=(0.4, 0.6)),)},
    "more_trials": {"searched": 20},
    "fewer_duplicates": {"duplicates": 60},
    "fix_labels": {"suspects": 14},
    "collect_segment": {"segment": SegmentState("region = south", 214, 0.2, 0.5, 0.02, None)},
    "stop_searching": {"since_best": 90},
    "compare_logistic_regression": {"logistic_regression": 0.001},
    "compare_nearest_neighbors": {"nearest_neighbors": 0.001},
    "compare_ridge": {"ridge": 0.001},
    "beat_mean": {"mean": 0.001},
    "try_linear_model": {"logistic_regression": 0.012},
}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_actions_command_is_one_that_the_command_line_parses(name: str) -> None:
    """A new action needs a case here; what it asks for is typed as it is printed, and taken."""
    found = ACTIONS[name](state(**PROPOSED[name]))
    assert found is not None
    assert found.changes.keys() == found.reasons.keys()
    parse(command(SPACES, found.verb, **found.options))
