"""Rows in memory as a study: with a definition, sets of their own, groups and a custom trainer, and used again."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.conftest import SMALL_STUDY, small_table
from tuner.errors import ArgumentError, DataError, DefinitionError, InputError
from tuner.scales import SCALES

pytestmark = pytest.mark.usefixtures("without_references")

FRAME = pd.read_csv(io.StringIO(small_table()))
X, Y = FRAME[["width", "height"]].to_numpy(), FRAME["kind"].to_numpy()
GROUPS = np.arange(150) // 3
QUICK: dict[str, Any] = {"training": {"max_epochs": 2}, "network": {"hidden": [3]}}
TRAINER = """
def fit(params, data, seed, report):
    return data.train.y, data.dev.y

def reporting(params, data, seed, report):
    report(1, 0.5, 0.25)
    return data.train.y, data.dev.y

class Model:
    def fit(self, params, data, seed):
        return data.train.y, data.dev.y
"""

NEIGHBORS = """
import tuner
from sklearn.neighbors import KNeighborsClassifier

fit = tuner.sklearn_trainer(KNeighborsClassifier)
"""

WEIGHING = """
import tuner
from sklearn.tree import DecisionTreeClassifier

fit = tuner.sklearn_trainer(DecisionTreeClassifier)
"""


def parsed(study: tuner.Study) -> Any:
    """The study's definition."""
    return study.report().definition


def test_a_typed_definition_is_searched(workplace: Path) -> None:
    """What it says is used; the sections that it lacks are made for the data, as without a definition."""
    definition = tuner.Definition(
        network=tuner.NetworkSection(hidden=[3]),
        training=tuner.TrainingSection(max_epochs=2),
        space={"alpha": tuner.log_uniform(1e-3, 10), "batch_size": tuner.power_of_two(16, 32), "beta": 0.9},
    )
    found = parsed(tuner.search(FRAME, target="kind", definition=definition, trials=1))
    assert (found.network.hidden, found.training.max_epochs, found.data.folds) == ([3], 2, 5)
    assert {name: getattr(entry, "kind", entry) for name, entry in found.space.items()} == {
        "alpha": "log_uniform",
        "batch_size": "power_of_two",
        "beta": 0.9,
    }


@pytest.mark.parametrize(("columns", "is_searched"), [(["width"], True), (["width", "height"], False)])
def test_no_form_is_searched_where_every_column_has_its_own(
    columns: list[str], is_searched: bool, workplace: Path
) -> None:
    """A form that trials chose would change nothing."""
    data = {"columns": {name: {"numeric": "quantile"} for name in columns}}
    found = parsed(tuner.search(FRAME, target="kind", definition={**QUICK, "data": data}, trials=1, references="none"))
    assert bool(found.forms) == is_searched


def test_a_dict_and_a_file_say_the_same(workplace: Path) -> None:
    """A dict of the file's tables, and the file itself, whose data source the rows replace, make the same study."""
    Path("small.toml").write_text(SMALL_STUDY, encoding="utf-8")
    table = {
        "data": {"target": "kind"},
        "network": {"hidden": [4]},
        "training": {"max_epochs": 6, "patience": 2, "min_updates": 10},
        "space": {
            "lambda": tuner.log_uniform(1e-3, 1.0),
            "keep_prob": tuner.uniform(0.7, 1.0),
            "alpha": {"log_uniform": [1e-2, 1.0]},
            "beta": tuner.one_minus_log_uniform(0.8, 0.99),
            "batch_size": tuner.power_of_two(16, 32),
            "initializer": tuner.choice("he", "xavier"),
        },
        "search": {"trials": 2},
    }
    from_dict = tuner.search(FRAME, target="kind", definition=table, name="small")
    again = tuner.search(FRAME, definition="small.toml", trials=1)
    assert (from_dict.name, again.name) == ("small", "small")
    assert len(again.trials()) == 3
    Path("part.toml").write_text("[training]\nmax_epochs = 6\n", encoding="utf-8")
    part = {"training": {"max_epochs": 6}}
    made = [parsed(tuner.search(FRAME, target="kind", definition=of, trials=1)) for of in ("part.toml", part)]
    assert made[0] == made[1]


def test_a_definition_names_its_study_or_is_part_of_the_name(workplace: Path) -> None:
    """The same rows with another definition are another study; a larger budget is not."""

    def name(**search: Any) -> str:
        return tuner.search(X, target=Y, definition={**QUICK, "search": search}, trials=1).name

    assert tuner.search(X, target=Y, definition={**QUICK, "name": "mine"}, trials=1).name == "mine"
    assert name(trials=3) == name(trials=4) != name(trials=3, seed=1)


@pytest.mark.parametrize("name", [None, "mine"])
def test_a_call_goes_on_with_the_definition_that_it_made(
    name: str | None, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made for data may be another one in a later version; the study of the same call goes on as it began."""
    settings = {"training": {"max_epochs": 2}}
    with monkeypatch.context() as earlier:
        earlier.setattr(tuner.study.making, "WIDTHS", ("3",))
        first = tuner.search(X, target=Y, definition=settings, trials=1, name=name)
    again = tuner.search(X, target=Y, definition=settings, trials=1, name=name)
    assert again.name == first.name
    assert list(again.trials()["hidden"]) == ["3", "3"]


@pytest.mark.parametrize("form", ["frame", "arrays"])
def test_dev_and_test_rows_of_their_own(form: str, workplace: Path) -> None:
    """They are what trials are compared on and what is held out; all other rows are trained on."""
    dev, test, rest = FRAME[:40], FRAME[40:70], FRAME[70:]

    def given(part: pd.DataFrame) -> Any:
        return part if form == "frame" else (part[["width", "height"]].to_numpy(), part["kind"])

    data: dict[str, Any] = {"target": "kind"} if form == "frame" else {"target": rest["kind"]}
    rows = rest if form == "frame" else given(rest)[0]
    study = tuner.search(rows, **data, dev=given(dev), test=given(test), definition=QUICK, trials=1, name="own")
    sizes = study.report().record.sizes
    assert (sizes["dev"], sizes["test"], sizes["train"] + sizes["train_dev"]) == (40, 30, 80)
    again = tuner.load_study("own", data=rows, **data, dev=given(dev), test=given(test))
    assert again.train().score(X, Y) == study.train().score(X, Y)
    with pytest.raises(InputError, match="dev"):
        tuner.load_study("own", data=rows, **data, test=given(test))


@pytest.mark.parametrize("rows", [X, FRAME[["width", "height"]], FRAME.assign(group=1, kind="k")], ids=range(3))
def test_groups_are_kept_together(rows: Any, workplace: Path) -> None:
    """One label per row, apart from the columns, which the model does not need."""
    study = tuner.search(rows, target=Y, groups=GROUPS, definition=QUICK, trials=1, name="grouped")
    assert parsed(study).data.group in ("group", "group_")
    assert len(set(study.report().record.dev_groups)) == 40
    assert set(study.train().predict(rows[:9])) <= {"a", "b", "c"}
    again = tuner.load_study("grouped", data=rows, target=Y, groups=GROUPS.tolist())
    assert (again.train().predict_proba(rows) == study.train().predict_proba(rows)).all()


def test_a_column_of_groups(workplace: Path) -> None:
    """It is no input, and is known again from the definition."""
    frame = FRAME.assign(family=GROUPS)
    study = tuner.search(frame, target="kind", groups="family", definition=QUICK, trials=1, name="grouped")
    assert list(study.train().feature_names_in_) == ["width", "height"]
    assert tuner.load_study("grouped", data=frame).train().classes_.tolist() == ["a", "b", "c"]


def test_a_study_is_used_again_with_its_rows_only(workplace: Path) -> None:
    """Trained in a later process, with the same rows; others, or none, are refused."""
    study = tuner.search(X, target=Y, definition=QUICK, trials=1, name="mine")
    loaded = tuner.load_study("mine", data=X.copy(), target=Y.copy())
    assert (loaded.train().predict_proba(X) == study.train().predict_proba(X)).all()
    assert len(loaded.learning_curve(seeds=1, sizes=2).points) == 2
    with pytest.raises(DataError, match="not the rows that study 'mine' was searched on"):
        tuner.load_study("mine", data=X[::-1], target=Y)
    with pytest.raises(InputError, match=r"tuner\.load_study\('mine', data=…, target=…\)"):
        tuner.load_study("mine").train()


@pytest.fixture
def trainers(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module with a custom trainer, in the current folder."""
    Path("my_memory_trainers.py").write_text(TRAINER, encoding="utf-8")
    monkeypatch.syspath_prepend(workplace)
    yield importlib.import_module("my_memory_trainers")
    del sys.modules["my_memory_trainers"]


def test_a_trainer_is_a_function(trainers: Any) -> None:
    """Stored as the name that worker processes import; its hyperparameters are those of the definition."""
    space = {"training": {"max_epochs": 2}, "space": {"depth": tuner.choice(1, 2)}}
    study = tuner.search(X, target=Y, trainer=trainers.fit, definition=space, trials=2, workers=2)
    assert study.trials()["dev_error"].tolist() == [0, 0]
    assert parsed(study).network.trainer == "my_memory_trainers:fit"
    assert set(study.trials()["depth"]) <= {1, 2}


def test_a_trainer_that_a_function_made_is_trained_again(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its name in the module, and permitted to the study that was searched with it."""
    Path("my_memory_neighbors.py").write_text(NEIGHBORS, encoding="utf-8")
    monkeypatch.syspath_prepend(workplace)
    trainer = importlib.import_module("my_memory_neighbors").fit
    Path("space.toml").write_text("[space]\nn_neighbors = 5\n", encoding="utf-8")
    study = tuner.search(X, target=Y, trainer=trainer, definition="space.toml", trials=1)
    assert parsed(study).network.trainer == "my_memory_neighbors:fit"
    assert study.train().score(X, Y) > 0.5


def test_the_epochs_of_a_trainer_are_passed_on(trainers: Any) -> None:
    """Those it reports of its first network, from the process that it runs in."""
    epochs: list[tuner.EndedEpoch] = []
    tuner.search(X, target=Y, trainer=trainers.reporting, trials=1, on_epoch=epochs.append)
    assert epochs == [tuner.EndedEpoch(0, 1, 0.5, 0.25)]


def in_here(params: Any, data: Any, seed: int) -> Any:
    """A trainer that is replaced in its module."""
    return data.train.y, data.dev.y


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        (lambda module: lambda params, data, seed: None, "<lambda> is not at the top level of its module"),
        (lambda module: module.Model().fit, "Model.fit is not at the top level of its module"),
        (lambda module: 3, "expected a function or 'package.module:function', got 3"),
        (lambda module: "no.such.module:fit", "no module 'no' is installed"),
    ],
)
def test_a_trainer_that_no_process_can_import_is_refused(
    trainers: Any, trainer: Callable[[Any], Any], expected: str
) -> None:
    """With what to do, before anything is written."""
    with pytest.raises(InputError, match=expected):
        tuner.search(X, target=Y, trainer=trainer(trainers))
    assert not Path("studies").exists()


def test_a_trainer_of_a_script_is_refused(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the script in a worker would run it again."""
    monkeypatch.setattr(in_here, "__module__", "__main__")
    with pytest.raises(ArgumentError, match="in_here is defined in the running script or notebook"):
        tuner.search(X, target=Y, trainer=in_here)


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({"definition": {"search": {"trails": 3}}}, DefinitionError, "unknown key 'search.trails'; did you mean"),
        ({"definition": {3: 3}}, DefinitionError, "expected names of sections, got 3"),
        ({"definition": 5}, ArgumentError, "expected a study file, a dict or a tuner.Definition, got 5"),
        ({"definition": "none.toml"}, InputError, "none.toml: no such file"),
        ({"definition": "trails.toml"}, DefinitionError, "^trails.toml: unknown key 'search.trails'; did you mean"),
        ({"definition": {"data": {"dev": "x.csv"}}}, ArgumentError, "data.dev names a file, but the data are in mem"),
        ({"definition": {"data": {"folds": 3}}, "dev": (X, Y)}, DefinitionError, "dev and folds are mutually exclu"),
        ({"dev": X}, ArgumentError, r"dev: expected \(rows, classes\)"),
        ({"groups": "family"}, ArgumentError, "groups: no column 'family'"),
        ({"groups": [1, 2]}, DataError, "groups: expected 150 values, one per row, got 2"),
        ({"groups": GROUPS, "dev": (X, Y)}, ArgumentError, "groups: with dev or test rows, expected a column"),
        ({"target": "kind"}, ArgumentError, "expected the classes of an array's rows, got the name 'kind'"),
        ({"target": [Y]}, DataError, r"target: expected one value per row, got shape \(1, 150\)"),
        ({"target": 3}, DataError, "target: expected one value per row, got 3"),
        ({"study": {"a": 1}}, DataError, "expected a DataFrame or an array, got dict"),
        ({"study": None}, DataError, "expected a DataFrame or an array, got NoneType"),
        ({"study": [[1, 2], [3]]}, DataError, "the data: a list cannot be read"),
        ({"study": "x.csv", "dev": (X, Y)}, ArgumentError, "dev: is for rows in memory"),
    ],
)
def test_what_cannot_be_read_is_refused(
    workplace: Path, arguments: dict[str, Any], error: type[Exception], expected: str
) -> None:
    """In tuner's own words, with the argument, before anything is written."""
    Path("trails.toml").write_text("[search]\ntrails = 3\n", encoding="utf-8")
    with pytest.raises(error, match=expected):
        tuner.search(**{"study": X, "target": Y, **arguments})
    assert not Path("studies").exists()


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_tables_of_other_libraries(library: str, workplace: Path) -> None:
    """They are the same rows as those of pandas, and the model takes them too."""
    made = pytest.importorskip(library)
    table = made.Table.from_pandas(FRAME) if library == "pyarrow" else made.from_pandas(FRAME)
    study = tuner.search(table, target="kind", definition=QUICK, trials=1)
    assert tuner.search(FRAME, target="kind", definition=QUICK, trials=1).name == study.name
    assert (study.train().predict(table) == study.train().predict(FRAME)).all()
    apart = tuner.search(FRAME[["width", "height"]], target=table["kind"], definition=QUICK, trials=1)
    assert len(apart.trials()) == 1


def test_every_range_has_its_function() -> None:
    """One for each kind in the table, and each refuses what the file's range refuses."""
    for kind, scale in SCALES.items():
        made = getattr(tuner, kind)(*((0.5, 0.5) if scale.bounds_type == tuple[float, float] else (2, 4)))
        assert made.kind == kind
    with pytest.raises(ArgumentError, match=r"tuner.log_uniform\(0, 1\): expected low > 0"):
        tuner.log_uniform(0, 1)
    layers: Any = [8, 4]
    with pytest.raises(
        ArgumentError, match=r"expected numbers, booleans, or texts like '64-32', each an argument, got \[8, 4\]"
    ):
        tuner.choice(layers, "8")
    with pytest.raises(DefinitionError, match=r"space\.alpha: expected a number > 0, got 'x'"):
        tuner.Definition(space={"alpha": "x"})


def test_weights_are_in_every_error(workplace: Path) -> None:
    """Of own networks and a custom trainer, in value, report, model and evaluation, as scikit-learn weights them."""
    weights = np.random.default_rng(1).lognormal(size=150)
    Path("weighing.py").write_text(WEIGHING, encoding="utf-8")
    sys.path.insert(0, str(workplace))
    custom: dict[str, Any] = {"space": {"max_depth": tuner.choice(1, 2, 3)}}
    try:
        for name, trainer, definition in (("own", None, QUICK), ("custom", "weighing:fit", custom)):
            study = tuner.search(
                FRAME, target="kind", sample_weight=weights, trials=2, name=name, trainer=trainer, definition=definition
            )
            model = study.train()
            sets = study.evaluate(model, test=True)
            assert model.repetition is not None
            assert model.repetition.differences == []
            assert sets["dev"].error.value == pytest.approx(study.best.value, abs=1e-9)
            assert sets["dev"].error.value == pytest.approx(study.best.dev_error, abs=1e-9)
            assert study.report().diagnosis.errors["test"] == sets["test"].error
            rows = study.report().record.test_rows
            wrong = model.predict(FRAME.iloc[rows]) != Y[rows]
            assert sets["test"].error.value == pytest.approx(np.average(wrong, weights=weights[rows]), abs=1e-9)
    finally:
        sys.path.remove(str(workplace))
    assert tuner.load_study("own", data=FRAME, target="kind", sample_weight=weights).train().metadata.trial >= 0
    with pytest.raises(DataError, match="data: not the rows that study 'own' was searched on"):
        tuner.load_study("own", data=FRAME, target="kind", sample_weight=weights + 1)
