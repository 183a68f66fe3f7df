"""Hyperparameters as the analysis wants them."""

import dataclasses

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.reporting.effects import searched_hyperparameters
from tuner.storage import StudyRecord
from tuner.study import parse_definition


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
    found = build_report(with_optimizers('"gradient_descent"', ["gradient_descent"])).effects
    assert found is not None
    assert "beta" not in {effect.hyperparameter for effect in found.effects}
    assert "alpha" in {effect.hyperparameter for effect in found.effects}


def test_effects_are_learned_where_a_hyperparameter_acts() -> None:
    """What was drawn for beta in trials of gradient descent changes no effect; what momentum used does."""
    names = ["gradient_descent", "momentum"]
    record = with_optimizers('{ choice = ["gradient_descent", "momentum"] }', names)

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
