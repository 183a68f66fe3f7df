"""Models of numbers by every loss: searched, trained, evaluated, saved and exported, as scikit-learn measures them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

import tuner
from tuner.modeling import export_onnx, load_model, onnx_inputs
from tuner.modeling.evaluating import evaluate_file

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


def searched(folder: Path, target: str, **tables: dict[str, Any]) -> tuner.Study:
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
