"""The ONNX graph answers as the model does, from raw numbers and categories."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.modeling.conftest import mixed_rows
from tuner.data import ENCODERS
from tuner.data.number_forms import NumberForm
from tuner.errors import UsageError
from tuner.modeling import Model, evaluate, export_onnx, onnx_inputs
from tuner.modeling.archive import unpack
from tuner.modeling.metadata import NumbersMetadata
from tuner.modeling.onnx_graph import GRAPHS
from tuner.nn import ACTIVATIONS
from tuner.target_transforms import TargetTransform, fit_log, fit_quantile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def model(model_bytes: bytes) -> Model:
    """A model of "mixed"."""
    return Model(*unpack(model_bytes, "m.tuner"))


def reshaped(model: Model, *, networks: int = 1, seed: int = 0, **shape: Any) -> Model:
    """A model of another shape on the same columns, its weights drawn at random."""
    metadata = model.metadata
    architecture = replace(metadata.architecture, **shape)
    names = [f"class {k}" for k in range(architecture.n_classes)]
    changes = {"architecture": architecture, "class_names": names, "updates": [1] * networks}
    rng = np.random.default_rng(seed)
    n = architecture.n_parameters
    return Model(
        metadata.model_copy(update=changes), [rng.normal(0, 0.5, n).astype(np.float32) for _ in range(networks)]
    )


def rows() -> pd.DataFrame:
    """Rows with unseen and missing cells, and one with nothing in it."""
    frame = mixed_rows(300, seed=7)
    frame.loc[3, "color"] = "ultraviolet"
    frame.loc[4] = None
    frame.loc[5, "length"] = 1e60
    frame.loc[6, "day"] = "1903-02-28"
    return frame


def check(model: Model, path: Path, frame: pd.DataFrame) -> None:
    """The same class on every row, the same probabilities to 1e-5."""
    export_onnx(model, path)
    session = onnxruntime.InferenceSession(path)
    classes, probabilities = session.run(["predicted", "probabilities"], onnx_inputs(model, frame))
    np.testing.assert_allclose(probabilities, model.predict_proba(frame), atol=1e-5)
    assert classes.tolist() == model.predict(frame).tolist()


def test_every_kind_of_column(model: Model, tmp_path: Path) -> None:
    """Numbers, booleans, dates and categories, whatever stands in the cells."""
    check(model, tmp_path / "m.onnx", rows())


def test_every_encoder_has_its_graph() -> None:
    """Blocks of numbers are made at once; every other encoder that reads cells has a line of the table."""
    alone = {name for name, encoder in ENCODERS.items() if encoder.parts and not encoder.in_blocks}
    assert set(GRAPHS) == alone


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "shape",
    [
        {"hidden": (7, 5)},
        {"hidden": (7, 7, 5, 5), "residual": True, "networks": 3},
        {"hidden": (7,), "output": "sigmoid", "n_classes": 2},
        {"hidden": (), "output": "sigmoid", "n_classes": 2, "networks": 2},
    ],
    ids=str,
)
def test_every_shape(model: Model, tmp_path: Path, activation: str, shape: dict[str, Any]) -> None:
    """Each activation of the table, each output, any depth, one network and several; read from a model file."""
    saved = reshaped(model, activation=activation, **shape).save(tmp_path / "m.tuner")
    check(tuner.load_model(saved), tmp_path / "m.onnx", rows())


@pytest.mark.parametrize("options", [{}, {"ensemble_of": 2}])
def test_networks_of_folds_have_each_their_encoding(place: Path, options: dict[str, Any]) -> None:
    """Averaged as the model averages them, of one trial or of several."""
    model = tuner.load_study("folded").train(**options)
    check(model, place / "m.onnx", rows())


def test_spellings_of_missing_cells(workplace: Path) -> None:
    """What "?" or the definition calls missing is missing in the graph as in the model; nodes have names."""
    frame = mixed_rows(120, seed=7)
    frame.loc[::9, ["width", "color", "day"]] = [-999.0, "unknown", "1900-01-01"]
    frame.loc[4::9, "color"] = "?"
    settings = {"data": {"missing": ["-999", "unknown", "1900-01-01", "-1.5"]}, "network": {"hidden": [4]}}
    model = tuner.search(frame, target="class", trials=1, definition=settings).train()
    raw = onnx_inputs(model, frame)
    assert np.isnan(raw["numbers"][0, 1])
    assert raw["categories"][0, 0] == ""
    raw["numbers"][::9, [1, 3]] = [-999, pd.Timestamp("1900-01-01").timestamp()]
    raw["categories"][:, 0] = frame["color"].fillna("NA")
    export_onnx(model, workplace / "m.onnx")
    (probabilities,) = onnxruntime.InferenceSession(workplace / "m.onnx").run(["probabilities"], raw)
    np.testing.assert_allclose(probabilities, model.predict_proba(frame), atol=1e-5)
    names = [node.name for node in onnx.load(workplace / "m.onnx").graph.node]
    assert len(set(names)) == len(names)
    assert {"network 1/layer 2/MatMul", "inputs/column color/LabelEncoder"} < set(names)


@pytest.mark.parametrize("form", ["standardize", "periodic"])
def test_a_column_that_some_folds_do_not_use(form: str, workplace: Path) -> None:
    """The graph takes the columns of all folds, and each fold finds its own."""
    frame = mixed_rows(90, seed=7).drop(columns="day")
    frame.insert(0, "once", (np.arange(90) == 40).astype(float))
    settings = {"data": {"folds": 3, "numeric": form}, "training": {"max_epochs": 2}}
    model = tuner.search(frame, target="class", trials=1, definition=settings).train()
    used = [{column.name for column in encoding.columns if column.features} for encoding in model.encodings]
    assert sum("once" in names for names in used) == 2
    check(model, workplace / "m.onnx", frame)


@pytest.mark.parametrize("form", get_args(NumberForm))
def test_forms_of_numbers(form: str, workplace: Path) -> None:
    """Of each fold its own, beside numbers that are only normalized, with cells that are missing or far out."""
    frame = mixed_rows(120, seed=7)
    columns = {"width": {"numeric": "standardize"}} if form == "robust" else {}
    settings = {"data": {"numeric": form, "folds": 3, "columns": columns}, "training": {"max_epochs": 2}}
    model = tuner.search(frame, target="class", trials=1, definition=settings).train()
    frame.loc[:4, "length"] = [1e60, -1e60, 40, np.nan, 0]
    check(model, workplace / "m.onnx", frame)


def test_categories_as_numbers(workplace: Path) -> None:
    """Those in an order are numbers of the graph, their places; means of the target are made of categories.

    The train error is that of the inputs that the network was trained on.
    """
    frame = mixed_rows(120, seed=7)
    columns = {"color": "target_encoded", "sold": {"order": ["yes", "no"]}}
    study = tuner.search(frame, target="class", trials=1, definition={"data": {"columns": columns}})
    model = study.train()
    check(model, workplace / "m.onnx", rows())
    assert onnx_inputs(model, frame)["numbers"][:3, 2].tolist() == (frame["sold"][:3] == "no").tolist()
    [measured] = [one for one in evaluate(model, study._dataset) if one.name == "train"]
    assert measured.error.value == model.metadata.errors["train"].value


def test_numbers_alone_and_whole_number_classes(workplace: Path) -> None:
    """A study of arrays: one input, and classes that are numbers."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    X = rng.normal(size=(150, 2)) + np.eye(3)[y][:, :2] * 3
    model = tuner.search(X, target=y, trials=1).train()
    frame = pd.DataFrame(X, columns=["x_0", "x_1"])
    check(model, workplace / "m.onnx", frame)
    assert set(onnx_inputs(model, frame)) == {"numbers"}


def test_the_file_says_what_it_takes(model: Model, tmp_path: Path) -> None:
    """The names of the columns and classes are in its metadata."""
    export_onnx(model, tmp_path / "m.onnx")
    props = {entry.key: entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(props["numbers"]) == ["length", "width", "sold", "day"]
    assert json.loads(props["categories"]) == ["color"]
    assert json.loads(props["classes"]) == ["bad", "fair", "good"]


def test_without_onnx_the_export_says_what_to_install(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and no file."""
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(UsageError, match=r"pip install 'tuner-search\[onnx\]'"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "transform",
    [
        fit_log(np.array([1.0, 20.0, 3e5, 2e4])),
        fit_quantile((-10.0, 100.0, 5e4, 1e6), (-3.0, -1.0, 0.5, 3.0)),
        TargetTransform("ratio", -1.0, 30.0, width=1e5),
        None,
    ],
    ids=["log", "quantile", "ratio", "none"],
)
def test_numbers_are_restored_as_by_the_model(model: Model, tmp_path: Path, transform: TargetTransform | None) -> None:
    """From what one network predicts, or the mean of two, with the limits of the transform."""
    for networks in (1, 2):
        other = reshaped(model, networks=networks, n_classes=1, output="linear")
        numbers = NumbersMetadata(mean=5.0, scale=3e4, transform=transform)
        metadata = other.metadata.model_copy(update={"class_names": [], "numbers": numbers})
        numeric = Model(metadata, [0.2 * network.theta for network in other.networks])
        export_onnx(numeric, tmp_path / "m.onnx", force=True)
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
        (said,) = session.run(None, onnx_inputs(numeric, rows()))
        np.testing.assert_allclose(said, numeric.predict(rows()), rtol=1e-3, atol=0.1)
        assert len(np.unique(said)) > 30
