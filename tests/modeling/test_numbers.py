"""Models of numbers by every loss: searched, trained, evaluated, saved and exported, as scikit-learn measures them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)

import tuner
from tuner.errors import ArgumentError, DataError, DefinitionError
from tuner.modeling import export_onnx, load_model, onnx_inputs
from tuner.modeling.evaluating import evaluate_file
from tuner.modeling.predicting import predictions
from tuner.study.typed import complete_definition

SMALL = {
    "training": {"max_epochs": 6},
    "space": {"alpha": 0.02, "optimizer": "adam", "batch_size": 32},
    "search": {"pruner": "none"},
}


def visits(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Rows with a number of visits, a price over four orders of magnitude, and what each row counts for."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0, 4, n)
    return pd.DataFrame(
        {
            "rate": rate.round(3),
            "place": rng.choice(["town", "lake"], n),
            "visits": rng.poisson(np.exp(0.7 * rate)),
            "price": (10 ** (rate + rng.normal(0, 0.1, n))).round(2),
            "counts": rng.uniform(0.5, 2, n).round(2),
        }
    )


def searched(folder: Path, target: Any, **tables: dict[str, Any]) -> tuner.Study:
    """A study of one small network."""
    definition = {**SMALL, **tables}
    for key in SMALL.keys() & tables.keys():
        definition[key] = {**SMALL[key], **tables[key]}
    definition["network"] = {"hidden": [8], "task": "regression", **tables.get("network", {})}
    return tuner.search(
        visits(),
        target=target,
        definition=definition,
        trials=1,
        storage=f"sqlite:///{folder / 'tuner.db'}",
        references="none",
        progress=False,
    )


def exported(model: tuner.Model, folder: Path, frame: pd.DataFrame) -> list[Any]:
    """What the ONNX graph of a model answers."""
    runtime = pytest.importorskip("onnxruntime")
    export_onnx(model, folder / "m.onnx", force=True)
    outputs: list[Any] = runtime.InferenceSession(folder / "m.onnx").run(None, onnx_inputs(model, frame))
    return outputs


def test_the_mean_absolute_error_takes_the_place_of_the_rmse(tmp_path: Path) -> None:
    """In search, report, model and evaluation, with weights and a transformed target, as scikit-learn has it."""
    study = searched(
        tmp_path,
        "price",
        data={"target_transform": "log", "weight": "counts"},
        search={"metric": "absolute_error"},
        network={"output": "absolute"},
    )
    report = study.report()
    dev = report.diagnosis.errors["dev"]
    assert (report.error_name, dev.value) == ("MAE", pytest.approx(study.best.dev_error))
    assert report.diagnosis.material_gap < 0.02 * visits()["price"].std()
    study.train().save(tmp_path / "m.tuner")
    model, rows = load_model(tmp_path / "m.tuner").in_double_precision, visits(60, seed=3)
    rows.to_csv(tmp_path / "new.csv", index=False)
    found, said = evaluate_file(model, tmp_path / "new.csv"), model.predict(rows)
    weighed = (rows["price"], said, rows["counts"])
    assert isinstance(found, tuner.modeling.NumberEvaluation)
    assert found.error.value == pytest.approx(mean_absolute_error(*weighed[:2], sample_weight=weighed[2]), rel=1e-9)
    assert found.error.low < found.error.value < found.error.high
    assert found.root_mean_squared_error == pytest.approx(
        root_mean_squared_error(*weighed[:2], sample_weight=weighed[2]), rel=1e-9
    )
    assert found.r2 == pytest.approx(r2_score(*weighed[:2], sample_weight=weighed[2]), rel=1e-9)
    assert dev.value == pytest.approx(study.evaluate(model)["dev"].error.value, rel=1e-5)


def test_quantiles_are_predicted_and_their_intervals_measured(tmp_path: Path) -> None:
    """The prediction is the median; no two cross; losses and coverage are those of scikit-learn and of counting."""
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    study = searched(tmp_path, "price", network={"quantiles": levels}, data={"target_transform": "log"})
    study.train().save(tmp_path / "m.tuner")
    model, rows = load_model(tmp_path / "m.tuner").in_double_precision, visits(60, seed=3)
    rows.to_csv(tmp_path / "new.csv", index=False)
    said = model.predict_quantiles(rows)
    assert said.shape == (60, 5)
    assert (np.diff(said) >= 0).all()
    assert list(model.predict(rows)) == list(said[:, 2])
    found = evaluate_file(model, tmp_path / "new.csv")
    assert isinstance(found, tuner.modeling.NumberEvaluation)
    for k, level in enumerate(levels):
        assert found.pinball[level] == pytest.approx(
            mean_pinball_loss(rows["price"], said[:, k], alpha=level), rel=1e-9
        )
    widest, other = found.intervals
    within = (rows["price"] >= said[:, 0]) & (rows["price"] <= said[:, 4])
    assert (widest.low, widest.high, 1 - widest.outside.value) == (0.05, 0.95, pytest.approx(within.mean()))
    assert widest.width == pytest.approx((said[:, 4] - said[:, 0]).mean())
    assert widest.expected == pytest.approx(0.9)
    assert other.outside.value > widest.outside.value
    columns = next(predictions(model, tmp_path / "new.csv", keep=("place",)))
    names = ["place", "predicted", "predicted_0.05", "predicted_0.25", "predicted_0.75", "predicted_0.95"]
    assert list(columns) == names
    np.testing.assert_allclose(columns[names[1:]], said[:, [2, 0, 1, 3, 4]], rtol=1e-4)
    predicted, quantiles = exported(load_model(tmp_path / "m.tuner"), tmp_path, rows)
    np.testing.assert_allclose(quantiles, said, rtol=1e-3)
    np.testing.assert_allclose(predicted, said[:, 2], rtol=1e-3)


def test_counts_are_predicted_by_their_logarithm(tmp_path: Path) -> None:
    """Without a negative prediction, and nearly as a Poisson regression of scikit-learn where no layer is hidden."""
    study = searched(
        tmp_path,
        "visits",
        network={"output": "poisson", "hidden": []},
        training={"max_epochs": 40},
        data={"columns": {"price": "drop", "counts": "drop", "place": "drop"}},
    )
    model, rows = study.train(), visits(60, seed=3)
    said = model.predict(rows)
    assert (said > 0).all()
    train = visits()
    other = PoissonRegressor(alpha=0).fit(train[["rate"]], train["visits"]).predict(rows[["rate"]])
    np.testing.assert_allclose(said, other, rtol=0.4)
    assert model.score(rows, rows["visits"]) > 0.5
    (exact,) = exported(model, tmp_path, rows)
    np.testing.assert_allclose(exact, said, rtol=1e-5)


@pytest.mark.parametrize(("cell", "shown"), [(-1, "'-1'"), (2.5, "'2.5'")])
def test_what_is_no_count_is_refused(tmp_path: Path, cell: float, shown: str) -> None:
    """With its row, and what predicts such a number."""
    frame = visits().astype({"visits": object})
    frame.loc[5, "visits"] = cell
    definition = {**SMALL, "network": {"output": "poisson"}}
    with pytest.raises(DataError, match=rf"{shown} is not a count; expected an integer ≥ 0.*output = .linear."):
        tuner.search(frame, target="visits", definition=definition, trials=1, storage=f"sqlite:///{tmp_path}/t.db")


def test_a_definition_in_python_gets_the_task_that_its_thresholds_are_for() -> None:
    """Where its [network] does not say one: those made for the data are in the unit of the target."""
    made = "[network]\ntask = 'regression'\n[diagnosis]\nmaterial_gap = 40.0"
    made += "".join(f"\n[{name}]" for name in ("data", "training", "space", "search"))
    completed = complete_definition({"network": {"hidden": [8]}}, made)
    assert completed["network"] == {"task": "regression", "hidden": [8]}
    assert complete_definition({"network": {"task": "classification"}}, made)["network"] == {"task": "classification"}


@pytest.mark.parametrize("output", ["linear", "huber", "absolute"])
def test_several_targets_are_learned_by_every_loss(tmp_path: Path, output: str) -> None:
    """Columns of a frame, weighted, by RMSE or MAE; a saved model predicts what the evaluation measures."""
    metric = "absolute_error" if output == "absolute" else "error"
    study = searched(
        tmp_path,
        ["visits", "price"],
        data={"weight": "counts"},
        search={"metric": metric},
        network={"output": output},
        training={"max_epochs": 20},
    )
    report, rows = study.report(), visits(60, seed=3)
    assert report.diagnosis.material_gap == pytest.approx(0.02, abs=0.01)
    assert report.diagnosis.references["mean"] > report.diagnosis.errors["dev"].value
    study.train().save(tmp_path / "m.tuner")
    rows.to_csv(tmp_path / "new.csv", index=False)
    model = load_model(tmp_path / "m.tuner").in_double_precision
    found, true = evaluate_file(model, tmp_path / "new.csv"), rows[["visits", "price"]].to_numpy()
    assert isinstance(found, tuner.modeling.NumberEvaluation)
    scales, said = model.metadata.unit.scales, model.predict(rows)
    measure = mean_absolute_error if metric == "absolute_error" else mean_squared_error
    whole = measure(true / scales, said / scales, sample_weight=rows["counts"])
    assert found.error.value == pytest.approx(whole if metric == "absolute_error" else whole**0.5, rel=1e-9)
    assert report.diagnosis.errors["dev"].value == pytest.approx(study.evaluate(model)["dev"].error.value, rel=1e-5)


def test_numbers_of_each_row_are_several_targets(tmp_path: Path) -> None:
    """An array (n, k), or a table of them, beside arrays or a frame; the study is opened again with the same rows."""
    rows = visits()
    X, y = rows[["rate", "counts"]].to_numpy(), rows[["visits", "price"]].to_numpy()
    storage = f"sqlite:///{tmp_path / 'tuner.db'}"
    options: dict[str, Any] = {"trials": 1, "storage": storage, "references": "none", "progress": False}
    definition = {**SMALL, "network": {"hidden": [8], "task": "regression"}}
    study = tuner.search(X, target=y, definition=definition, name="a", **options)
    said = study.train().predict(X)
    assert said.shape == (240, 2)
    again = tuner.load_study("a", storage=storage, data=X, target=y)
    np.testing.assert_allclose(again.train().predict(X), said)
    named = tuner.search(rows[["rate"]], target=rows[["visits", "price"]], definition=definition, name="b", **options)
    assert [target.name for target in named.train().metadata.unit.targets] == ["visits", "price"]
    rows.to_csv(tmp_path / "v.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with pytest.raises(DataError, match="no column 'prise'"):
            tuner.search("v.csv", target=["visits", "prise"], **options)
    alone = tuner.search(rows[["rate", "visits"]], target=["visits"], definition=definition, name="c", **options)
    assert alone.train().predict(rows).shape == (240,)
    with pytest.raises(ArgumentError, match="target: no column 'prise'"):
        tuner.search(rows, target=["visits", "prise"], **options)
    with pytest.raises(DataError, match=r"expected one value per row, got shape \(100, 2\)"):
        tuner.search(X, target=y[:100], **options)


@pytest.mark.parametrize(
    "tables",
    [
        {"network": {"quantiles": [0.1, 0.5, 0.9]}},
        {"network": {"output": "poisson"}},
        {"network": {"task": "classification"}},
        {"data": {"target_transform": "auto"}},
    ],
)
def test_what_is_of_one_number_is_refused(tmp_path: Path, tables: dict[str, Any]) -> None:
    """In one line that names the key."""
    with pytest.raises(DefinitionError, match="with several targets"):
        searched(tmp_path, ["visits", "price"], **tables)
