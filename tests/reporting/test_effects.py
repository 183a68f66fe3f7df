"""Hyperparameters as the analysis wants them."""

import dataclasses

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.reporting.effects import searched_hyperparameters
from tuner.reporting.figures.failures import failures
from tuner.storage import StudyRecord
from tuner.study import parse_definition

SEARCHED = '{ choice = ["gradient_descent", "momentum"] }'


def test_choices_with_an_order_are_ordered() -> None:
    """Networks by their size, numbers by their value; names have no order."""
    text = make_study(0).definition.replace(
        "[search]",
        'hidden = { choice = ["128-64", "none", "32"] }\nl1 = { choice = [0.1, 0.001] }\n[search]',
    )
    hyperparameters = {
        hyperparameter.name: hyperparameter
        for hyperparameter in searched_hyperparameters(parse_definition(text, "made.toml"))
    }
    assert list(hyperparameters["hidden"].bounds) == ["none", "32", "128-64"]
    assert hyperparameters["hidden"].ordered
    assert list(hyperparameters["l1"].bounds) == [0.001, 0.1]
    assert not hyperparameters["initializer"].ordered


def with_optimizers(optimizer: str, names: list[str]) -> StudyRecord:
    """A study that has ``optimizer`` in its space, and whose trials take the names in turn."""
    record = make_study(40)
    definition = record.definition.replace("[search]", f"optimizer = {optimizer}\n[search]")
    trials = [
        dataclasses.replace(trial, params=trial.params | {"optimizer": names[trial.number % len(names)]})
        for trial in record.trials
    ]
    return dataclasses.replace(record, definition=definition, trials=trials)


def test_a_hyperparameter_that_never_acts_has_no_effect() -> None:
    """Gradient descent has no momentum: beta was drawn, and did nothing."""
    report = build_report(with_optimizers('"gradient_descent"', ["gradient_descent"]))
    assert report.effects is not None
    assert "beta" not in {effect.hyperparameter for effect in report.effects.effects}
    assert "alpha" in {effect.hyperparameter for effect in report.effects.effects}
    assert report.importances is not None
    assert "beta" not in report.importances.shares
    assert "alpha" in report.importances.shares


def test_effects_are_learned_where_a_hyperparameter_acts() -> None:
    """What was drawn for beta in trials of gradient descent changes no effect; what momentum used does."""
    names = ["gradient_descent", "momentum"]
    record = with_optimizers(SEARCHED, names)

    def changed(optimizer: str) -> StudyRecord:
        beta = {"beta": 0.81}
        trials = [
            dataclasses.replace(trial, params=trial.params | beta) if trial.params["optimizer"] == optimizer else trial
            for trial in record.trials
        ]
        return dataclasses.replace(record, trials=trials)

    effects = build_report(record).effects
    assert effects is not None
    assert "beta" in {effect.hyperparameter for effect in effects.effects}
    idle, used = (build_report(changed(name)).effects for name in names)
    assert idle is not None
    assert used is not None
    assert idle.effects == effects.effects
    assert used.effects != effects.effects


def where_gradient_descent_drew_one_beta() -> StudyRecord:
    """Trials of gradient descent are the best, and drew 0.98 for the beta that they do not use; others drew any."""
    record = with_optimizers(SEARCHED, ["gradient_descent", "momentum"])
    trials = [
        dataclasses.replace(trial, params=trial.params | {"beta": 0.98}, value=trial.number / 1000)
        if trial.params["optimizer"] == "gradient_descent"
        else dataclasses.replace(trial, value=0.5)
        for trial in record.trials
    ]
    return dataclasses.replace(record, trials=trials)


def test_trials_where_a_hyperparameter_is_idle_do_not_make_it_important() -> None:
    """All good trials drew the same beta, and did not use it."""
    importances = build_report(where_gradient_descent_drew_one_beta()).importances
    assert importances is not None
    assert list(importances.shares)[-1] == "beta"
    assert importances.shares["beta"] == 0


def test_trials_where_a_hyperparameter_is_idle_do_not_show_where_training_diverged() -> None:
    """Half of gradient descent's trials diverged, and drew 0.98: counted, beta would differ more than the optimizer."""
    record = with_optimizers(SEARCHED, ["gradient_descent", "momentum", "gradient_descent", "momentum"])
    betas = ({"beta": 0.98}, {}, {"beta": 0.85}, {})
    trials = [
        dataclasses.replace(
            trial,
            params=trial.params | betas[trial.number % 4],
            stop_reason="patience" if trial.number % 4 else "diverged",
        )
        for trial in record.trials
    ]
    figure = failures(build_report(dataclasses.replace(record, trials=trials)))
    assert figure is not None
    assert figure.sentence.endswith("along optimizer.")
