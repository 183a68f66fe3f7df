"""One trial: what its value is, when it ends, and that it can be interrupted and continued bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.data import Dataset, DataSettings, dataset_from_frame
from tuner.metrics import METRICS, Measured
from tuner.nn import Hyperparameters, Stopping
from tuner.storage import StudyFacts
from tuner.study import cost_matrix, parse_definition
from tuner.trial import (
    TrialResult,
    TrialSettings,
    class_weights,
    dev_layout,
    draw_dev_folds,
    network_seeds,
    run_trial,
    trial_seed,
    trial_settings,
)

HYPERPARAMETERS = Hyperparameters(hidden=(4,), alpha=0.3, keep_prob=0.9, batch_size=16)
STOPPING = Stopping(max_epochs=12, patience=100, min_updates=0)


def make_dataset(folds: int | None = None) -> Dataset:
    """A hundred and fifty rows of three overlapping classes."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    X = rng.normal(size=(150, 2)) + np.array([[0, 0], [2, 0], [0, 2]])[y]
    frame = pd.DataFrame({"width": X[:, 0], "height": X[:, 1], "kind": [f"class {k}" for k in y]})
    return dataset_from_frame(frame, "kind", DataSettings(target="kind", folds=folds))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """One dev set of thirty rows."""
    return make_dataset()


@pytest.fixture(scope="module")
def folded() -> Dataset:
    """Five folds."""
    return make_dataset(folds=5)


def run(
    dataset: Dataset, *, stopping: Stopping = STOPPING, hyper: Any = HYPERPARAMETERS, **options: Any
) -> TrialResult:
    """A trial with the settings that matter to a test."""
    fields = ("metric", "costs", "seeds", "rungs", "class_weight")
    settings = TrialSettings(stopping=stopping, **{name: options.pop(name) for name in fields if name in options})
    folds = draw_dev_folds(len(dataset.dev_rows), None, 0)
    return run_trial(dataset, hyper, settings, seed=7, dev_folds=folds, **options)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("balanced", [2 / 3, 2, 1]), ({"b": 5}, [1, 5, 1]), ({"a": 0.5, "c": 2}, [0.5, 1, 2])],
)
def test_class_weights(given: Any, expected: list[float]) -> None:
    """Of three rows of a, one of b and none of c: n / (classes × rows of the class), here of the two that have rows."""
    found = class_weights(given, np.array([0, 0, 0, 1]), ["a", "b", "c"])
    assert found is not None
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("of", ["dataset", "folded"])
def test_a_class_that_weighs_more_is_predicted_more_often(of: str, request: pytest.FixtureRequest) -> None:
    """None of its rows are wrong, and more of the others, whose errors still count; both costs are weighted."""
    data = request.getfixturevalue(of)
    by_cost = replace(STOPPING, monitor="cost")
    plain, weighted = run(data, stopping=by_cost), run(data, stopping=by_cost, class_weight={"class 1": 1000.0})
    y = np.concatenate([part.dev.y for part in data.parts])
    of_class, of_others = (
        [np.concatenate([network.dev_wrong for network in one.networks])[where].mean() for one in (plain, weighted)]
        for where in (y == 1, y != 1)
    )
    assert of_class[0] > of_class[1] == 0
    assert of_others[0] < of_others[1]
    for name in ("train_cost", "dev_cost"):
        assert weighted.networks[0].curve[name][-1] < plain.networks[0].curve[name][-1]


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.of_rows is not None])
@pytest.mark.parametrize("of", ["dataset", "folded"])
def test_a_trial_by_a_metric_of_probabilities(of: str, name: str, request: pytest.FixtureRequest) -> None:
    """Value, errors and curves are its losses of the networks' dev rows; another monitor's losses are its own."""
    plain = request.getfixturevalue(of)
    costs = {"class 0->class 1": 4.0}
    metric = METRICS[name].of_study(plain.class_counts, cost_matrix(costs, plain.class_names))
    data = plain.counting(metric)
    result = run(data, stopping=replace(STOPPING, max_epochs=4), metric=name, costs=costs)
    layout = dev_layout(data, 1)
    losses = [
        metric.losses_of(network.predict_proba(part.dev.X), part.dev.y)
        for network, part in zip(result.networks, data.parts, strict=True)
    ]
    assert result.value == pytest.approx(metric.of_losses(layout, losses, data.dev_y), abs=1e-6)
    assert result.networks[0].dev_error == pytest.approx(losses[0].mean(), abs=1e-6)
    pairs = zip(result.dev_fold_losses, result.networks, strict=True)
    best = [folds[network.best_epoch - 1].sum() for folds, network in pairs]
    assert best == pytest.approx([own.sum() for own in losses], abs=1e-4)
    by_error = run(plain, stopping=replace(STOPPING, monitor=name, max_epochs=4), costs=costs)
    watched = metric.losses_of(by_error.networks[0].predict_proba(plain.parts[0].dev.X), plain.parts[0].dev.y).mean()
    assert by_error.networks[0].dev_error == pytest.approx(by_error.networks[0].dev_wrong.mean())
    assert by_error.networks[0].on_dev.watched.mean() == pytest.approx(watched, abs=1e-6)


def same(one: TrialResult, other: TrialResult) -> None:
    """Assert that two results are equal bit for bit, except for the time they took."""
    assert (one.value, one.stop_reason, one.rung_values) == (other.value, other.stop_reason, other.rung_values)
    for a, b in zip(one.networks, other.networks, strict=True):
        np.testing.assert_array_equal(a.theta, b.theta)
        np.testing.assert_array_equal(a.dev_wrong, b.dev_wrong)
        for name in ("train_cost", "train_error", "dev_cost", "dev_error"):
            np.testing.assert_array_equal(a.curve[name], b.curve[name])
    for left, right in zip(one.dev_fold_losses, other.dev_fold_losses, strict=True):
        np.testing.assert_array_equal(left, right)


def test_dev_folds_are_of_equal_size_and_keep_groups_whole() -> None:
    """Twenty folds; each group lies in one of them."""
    assert sorted(np.bincount(draw_dev_folds(45, None, 3), minlength=20)) == [2] * 15 + [3] * 5
    groups = np.repeat(np.arange(40), 3)
    folds = draw_dev_folds(120, groups, 3)
    assert all(len(set(folds[groups == group])) == 1 for group in range(40))
    np.testing.assert_array_equal(folds, draw_dev_folds(120, groups, 3))


def test_seeds_descend_from_search_seed_and_number() -> None:
    """Every trial and network has its own; they fit in a signed 64-bit column."""
    seeds = {trial_seed(search, number) for search in range(10) for number in range(100)}
    assert len(seeds) == 1000
    (word,) = np.random.SeedSequence([0, 1]).generate_state(1, np.uint64)
    assert trial_seed(0, 1) == int(word) // 2  # in every version
    assert all(0 <= seed < 2**63 for seed in seeds)
    first, second = network_seeds(5, 2)
    assert first.generate_state(1) != second.generate_state(1)


def test_a_trials_value_is_its_networks_dev_error(dataset: Dataset) -> None:
    """At the best epoch, which the folds' counts add up to."""
    result = run(dataset)
    (network,) = result.networks
    assert result.value == network.dev_wrong.mean() == network.dev_error
    counts = result.dev_fold_losses[0]
    assert counts.shape == (12, 20)
    assert counts[network.best_epoch - 1].sum() == network.dev_wrong.sum()
    np.testing.assert_allclose(counts.sum(axis=1) / 30, network.curve["dev_error"])


def test_with_folds_all_dev_rows_count_once(folded: Dataset) -> None:
    """The value is the wrong rows of all folds over all rows."""
    result = run(folded)
    assert len(result.networks) == 5
    wrong = np.concatenate([network.dev_wrong for network in result.networks])
    assert len(wrong) == len(folded.dev_rows)
    assert result.value == wrong.mean()


def test_with_seeds_the_networks_errors_are_averaged(dataset: Dataset) -> None:
    """Three networks that differ in their seed alone, each judged on all dev rows."""
    result = run(dataset, seeds=3)
    assert [len(network.dev_wrong) for network in result.networks] == [30, 30, 30]
    assert result.value == pytest.approx(np.mean([network.dev_error for network in result.networks]))


def test_each_metric_is_what_it_says(dataset: Dataset) -> None:
    """Error, the mean of the classes' errors, and cost, from a hand-worked set of wrong rows."""
    wrong = np.zeros(30, bool)
    wrong[np.flatnonzero(dataset.dev_y == 1)[:5]] = True
    n = np.bincount(dataset.dev_y)
    layout, measured = dev_layout(dataset, 1), Measured(0.4, 5 / 30, wrong, np.full(30, 0.4))
    own = {name: one for name, one in METRICS.items() if one.of_rows is None and not one.of_numbers}
    values = {name: metric.value(layout, [measured], dataset.dev_y) for name, metric in own.items()}
    assert values == {"error": 5 / 30, "balanced_error": pytest.approx(5 / n[1] / 3), "cost": 0.4}


def test_a_trial_is_pruned_at_its_rung(dataset: Dataset) -> None:
    """The pruner sees the best value up to each rung, and ends the trial there."""
    asked: list[dict[int, float]] = []

    def prune(rung_values: dict[int, float], _: Sequence[float]) -> bool:
        asked.append(rung_values)
        return len(asked) == 2

    result = run(dataset, rungs=(4, 6, 9), prune=prune)
    assert [list(values) for values in asked] == [[4], [4, 6]]
    assert (result.stop_reason, result.networks[0].epochs) == ("pruned", 6)
    errors = result.networks[0].curve["dev_error"]
    assert result.rung_values == {4: min(errors[:4]), 6: min(errors[:6])}


def test_the_pruner_sees_each_network_at_its_best_so_far(folded: Dataset) -> None:
    """With folds its error on its own dev rows, also where the networks' best epochs differ."""
    asked: list[Sequence[float]] = []

    def prune(_: dict[int, float], network_losses: Sequence[float]) -> bool:
        asked.append(network_losses)
        return False

    result = run(folded, rungs=(4, 9), prune=prune)
    curves = [network.curve["dev_error"] for network in result.networks]
    assert asked == [pytest.approx([min(curve[:rung]) for curve in curves]) for rung in (4, 9)]
    assert len(set(asked[0])) > 1


def test_the_pruner_sees_networks_that_share_the_epoch_at_that_epoch(folded: Dataset) -> None:
    """With one epoch for all folds, each network's loss is that of the best epoch of all dev rows so far."""
    asked: list[Sequence[float]] = []

    def prune(_: dict[int, float], network_losses: Sequence[float]) -> bool:
        asked.append(network_losses)
        return False

    result = run(folded, stopping=replace(STOPPING, pooled=True), rungs=(9,), prune=prune)
    curves = np.array([network.curve["dev_error"] for network in result.networks])
    best = curves[:, :9].mean(axis=0).argmin()
    assert asked == [pytest.approx(curves[:, best])]
    assert {network.best_epoch for network in result.networks} == {curves.mean(axis=0).argmin() + 1}


def test_a_trial_that_ends_before_a_rung_has_its_final_value_there(dataset: Dataset) -> None:
    """Others are compared with it there all the same."""
    result = run(dataset, stopping=Stopping(max_epochs=5, patience=100, min_updates=0), rungs=(4, 6, 9))
    assert list(result.rung_values) == [4, 6, 9]
    assert result.rung_values[6] == result.rung_values[9] == result.value


def test_a_diverged_trial_has_the_worst_value(dataset: Dataset) -> None:
    """Finite, so that the sampler learns from it."""
    wild = Hyperparameters(hidden=(4,), alpha=1e30, batch_size=16)
    assert (run(dataset, hyper=wild).stop_reason, run(dataset, hyper=wild).value) == ("diverged", 1.0)
    assert run(dataset, hyper=wild, metric="cost").value == 1e6


@pytest.mark.parametrize(("which", "pooled"), [("dataset", False), ("folded", False), ("folded", True)])
@pytest.mark.parametrize("batches", [1, 20, 47])
def test_an_interrupted_trial_goes_on_to_the_same_bits(
    which: str, pooled: bool, batches: int, request: pytest.FixtureRequest
) -> None:
    """Stopped in the middle of an epoch, stored as bytes and resumed: as if nothing had been."""
    data = request.getfixturevalue(which)
    stopping = replace(STOPPING, pooled=pooled)
    whole = run(data, stopping=stopping, rungs=(2, 6))
    asked = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > batches

    part = run(data, stopping=stopping, rungs=(2, 6), should_stop=stop)
    assert part.stop_reason == "interrupted"
    same(run(data, stopping=stopping, rungs=(2, 6), checkpoint=part.checkpoint), whole)


def test_the_same_trial_twice_is_the_same(dataset: Dataset) -> None:
    """Nothing is drawn that does not descend from the seed."""
    same(run(dataset), run(dataset))


def test_the_layers_are_described_as_training_goes_on(dataset: Dataset) -> None:
    """After epochs 1, 2, 5 and 10 of twelve, and after the best one, the hidden layer and the output."""
    (network,) = run(dataset).networks
    epochs = sorted({1, 2, 5, 10, network.best_epoch})
    assert [(layer.epoch, layer.layer) for layer in network.layers] == [(e, k) for e in epochs for k in (1, 2)]


def test_a_study_of_0_2_keeps_its_l1() -> None:
    """Exact zeros are for studies whose facts say so."""
    definition = parse_definition(
        'name = "a"\ndata = { source = "a.csv", target = "y" }\nspace = { l1 = 1.0 }', "a.toml"
    )
    facts = StudyFacts(class_names=["a", "b"], sizes={})
    assert not trial_settings(definition, facts).exact_zeros
    assert trial_settings(definition, replace(facts, exact_zeros=True)).exact_zeros
