"""Trainings on growing subsets: which sizes, which rows, how long, and what is kept of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.storage.conftest import make_study, outcome, take_and_draw
from tuner.data import Dataset, DataSettings, SplitSettings, Table, dataset_from_arrays, random_subset
from tuner.data.subsets import class_shares
from tuner.inputs import Inputs
from tuner.modeling import learning_curve, measure_learning_curve
from tuner.modeling.learning_curve import LearningCurveTask, _left_out_errors, train_size
from tuner.storage import StudyFacts, open_database, read_study, sqlite_url, write_outcome
from tuner.study import parse_definition
from tuner.trainers import OwnNetwork
from tuner.trial import draw_dev_folds

DEFINITION = """
name = "made"
[data]
[network]
hidden = [4]
[training]
max_epochs = {epochs}
patience = 3
min_updates = 20
[space]
lambda = 0.1
alpha = 0.3
batch_size = 16
"""
PARAMS = {
    "lambda": 0.1,
    "keep_prob": 1.0,
    "alpha": 0.3,
    "beta": 0.9,
    "batch_size": 16,
    "initializer": "he",
    "hidden": "4",
}


def dataset(n: int = 200, folds: int | None = None) -> Dataset:
    """Three classes that overlap a little, one of them rare."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(n) % 10 == 0, 2, np.arange(n) % 2)
    X = rng.normal(size=(n, 3)) + np.eye(3)[y] * 3
    split = {} if folds else {"split": SplitSettings(dev=0.25, test=0.0)}
    return dataset_from_arrays(X, y, DataSettings(folds=folds, **split))


def task(data: Dataset, epochs: int = 8) -> LearningCurveTask:
    """The definition's one point on these data."""
    folds = draw_dev_folds(len(data.dev_rows), None, 0)
    definition = parse_definition(DEFINITION.format(epochs=epochs), "made")
    return LearningCurveTask(definition, data, folds, PARAMS, 5, OwnNetwork(definition))


@pytest.mark.parametrize(
    ("counts", "n", "expected"),
    [([60, 30, 10], 10, [6, 3, 1]), ([98, 1, 1], 10, [8, 1, 1]), ([5, 5, 5], 7, [3, 2, 2]), ([4, 0, 4], 8, [4, 0, 4])],
)
def test_classes_have_their_share(counts: list[int], n: int, expected: list[int]) -> None:
    """Largest remainders; a rare class keeps one row, an empty one none."""
    assert class_shares(np.array(counts), n).tolist() == expected


def test_what_a_network_was_not_trained_on_is_looked_at() -> None:
    """150 training rows: a network of 40 leaves out 110, each repeat others; one of all 150 none."""
    small, again = train_size(task(dataset()), 40, seeds=2)
    assert [int(network.left_out.sum()) for network in (small, again)] == [110, 110]
    assert small.left_out.tolist() != again.left_out.tolist()
    assert not (small.left_wrong & ~small.left_out).any()
    assert 0.02 < small.left_wrong.sum() / 110 < 0.5
    (whole,) = train_size(task(dataset()), 150, seeds=1)
    assert len(whole.left_out) == len(whole.left_wrong) == 0


def test_the_rows_looked_at_are_those_left_out() -> None:
    """20 of 30 rows are trained on: the network is asked about the other ten, and every third answer is wrong."""
    rng = np.random.default_rng(0)
    table = Table(Inputs.of(rng.normal(size=(30, 3))), np.zeros(30, np.int64), np.arange(100, 130))
    trained_on = table.chosen(slice(20))
    left_out, wrong = _left_out_errors(Says(np.arange(30) % 3 == 0), table, trained_on)
    assert left_out.tolist() == [False] * 20 + [True] * 10
    assert np.flatnonzero(wrong).tolist() == [20, 23, 26, 29]


@dataclass
class Says:
    """A network that answers class 1 at these places of what it is asked, else class 0."""

    wrong: np.ndarray

    def classify(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the answers, (n, 2) as probabilities."""
        answers = self.wrong[: len(X)].astype(np.int64)
        return answers, np.eye(2)[answers]


def test_of_many_training_rows_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones for every network, so that what is kept stays small."""
    monkeypatch.setattr(learning_curve, "MOST_WATCHED", 60)
    networks = train_size(task(dataset()), 40, 2) + train_size(task(dataset()), 80, 2)
    assert {len(network.left_out) for network in networks} == {60}
    assert task(dataset()).watched().rows.tolist() == task(dataset()).watched().rows.tolist()


@pytest.mark.parametrize(
    "changes",
    [{"folds": 4}, {"dev": "dev.csv"}, {"group": "who"}, {"time": "when"}, {"split_column": "part"}],
)
def test_rows_left_out_count_only_where_dev_was_drawn_like_them(changes: dict[str, object]) -> None:
    """Folds have all rows in dev already; a dev file, groups, time or a split column may make dev another thing."""
    given = task(dataset())
    data = given.definition.data.model_copy(update=changes)
    other = replace(given, definition=given.definition.model_copy(update={"data": data}))
    assert given.is_one_draw
    assert not other.is_one_draw
    assert all(len(network.left_out) == 0 for network in train_size(other, 40, 1))


def test_a_curve_that_was_interrupted_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Kept sizes and newly trained ones are the same networks bit for bit, with the same left-out rows."""
    given = task(dataset())
    with open_database(sqlite_url(tmp_path / "tuner.db"), create=True) as database:
        study = make_study(database)
        for _ in range(2):
            assert write_outcome(database, take_and_draw(database, study), study, outcome())
        whole, other = read_study(database, "made").trials
        expected = measure_learning_curve(given, whole, database, study, sizes=4, seeds=2)
        sizes: list[int] = []
        measure_learning_curve(
            given, other, database, study, sizes=4, seeds=2,
            on_size=lambda networks: sizes.append(networks[0].n_train), should_stop=lambda: len(sizes) == 2,
        )  # fmt: skip
        other = read_study(database, "made").trials[1]
        assert len({network.n_train for network in other.learning}) == 2
        found = measure_learning_curve(given, other, database, study, sizes=4, seeds=2)
        kept = read_study(database, "made").trials[1].learning
    for one, two, three in zip(expected, found, kept, strict=True):
        assert np.array_equal(one.left_out, two.left_out)
        for network in (two, three):
            fields = {**asdict(one), "seconds": network.seconds}
            assert all(np.array_equal(value, getattr(network, name)) for name, value in fields.items())


@pytest.mark.parametrize("folds", [None, 4])
def test_every_repeat_is_a_training_of_its_own(folds: int | None) -> None:
    """Three repeats, with folds a network a fold in each, each on other rows; a repeat covers the dev set."""
    data = dataset(folds=folds)
    found = train_size(task(data), 40, seeds=3)
    parts = len(data.parts)
    assert [(n.repeat, n.part) for n in found] == [(r, p) for r in range(3) for p in range(parts)]
    for repeat in range(3):
        assert sum(len(n.wrong) for n in found if n.repeat == repeat) == len(data.dev_rows)
    assert len({n.wrong.tobytes() + bytes([n.train_wrong]) for n in found}) > parts
    assert all(0 <= n.train_wrong <= 40 and 0 <= n.error <= 1 for n in found)


def test_folds_share_an_epoch_where_those_of_the_trials_do() -> None:
    """Networks of one repeat end at one epoch, other repeats at others; each is as it is trained beside no repeat."""
    shared = replace(task(dataset(folds=4)), facts=StudyFacts(class_names=(), sizes={}, pooled_epoch=True))
    networks = train_size(shared, 40, seeds=3)
    assert [(n.repeat, n.part) for n in networks] == [(r, p) for r in range(3) for p in range(4)]
    epochs = [{n.best_epoch for n in networks if n.repeat == repeat} for repeat in range(3)]
    assert all(len(each) == 1 for each in epochs)
    assert len(set.union(*epochs)) > 1
    alone = train_size(shared, 40, seeds=1)
    assert [n.wrong.tolist() for n in alone] == [n.wrong.tolist() for n in networks[:4]]
    assert [n.error for n in alone] == [n.error for n in networks[:4]]


def test_the_largest_subset_is_the_whole_training_set() -> None:
    """All rows, and smaller ones are rows of it, each once."""
    table = dataset().parts[0].train
    assert np.array_equal(random_subset(table, len(table), np.random.default_rng(0)).rows, table.rows)
    some = random_subset(table, 40, np.random.default_rng(0))
    assert len(set(some.rows.tolist())) == 40
    assert set(some.rows.tolist()) < set(table.rows.tolist())
    assert np.array_equal(table.y[np.searchsorted(table.rows, some.rows)], some.y)


def test_the_same_task_gives_the_same_bits() -> None:
    """A curve is repeated from the trial's seed alone; another trial's is another one."""
    one, again = (train_size(task(dataset()), 40, 2) for _ in range(2))
    other = train_size(replace(task(dataset()), seed=6), 40, 2)
    assert [n.wrong.tobytes() for n in one] == [n.wrong.tobytes() for n in again]
    assert [n.error for n in one] == [n.error for n in again]
    assert [n.left_wrong.tobytes() for n in one] == [n.left_wrong.tobytes() for n in again]
    assert [n.wrong.tobytes() for n in one] != [n.wrong.tobytes() for n in other]


def test_fewer_examples_have_more_epochs() -> None:
    """150 rows are 10 updates an epoch, 80 are 5, 20 are 2: as many updates, up to four times the epochs."""
    data = dataset()
    assert data.n_train == 150
    stopping = [task(data).stopping(n) for n in (150, 80, 20)]
    assert [(s.max_epochs, s.patience, s.min_updates) for s in stopping] == [(8, 3, 20), (16, 6, 20), (32, 12, 20)]


def test_what_is_interrupted_is_not_kept() -> None:
    """Half a size would look like a whole one."""
    assert train_size(task(dataset()), 40, 2, should_stop=lambda: True) is None


def test_epochs_chosen_by_another_metric_leave_the_error_as_counted() -> None:
    """Early stopping watched the cost: a choice by the error never happened, and is not allowed for."""
    by_error = task(dataset())
    text = DEFINITION.format(epochs=8).replace("[training]", '[training]\nmonitor = "cost"')
    by_cost = replace(by_error, definition=parse_definition(text, "made"))
    assert all(network.error == network.wrong.mean() for network in train_size(by_cost, 40, seeds=2))
    assert any(network.error != network.wrong.mean() for network in train_size(by_error, 40, seeds=2))
