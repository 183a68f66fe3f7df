"""Predictions for files: any format, unseen and missing cells, piece by piece."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.modeling.conftest import mixed_rows
from tuner.data import sources
from tuner.errors import DataError
from tuner.modeling import Model, predict_file
from tuner.modeling.archive import unpack


@pytest.fixture
def model(model_bytes: bytes) -> Model:
    """A model of "mixed"."""
    return Model(*unpack(model_bytes, "m.tuner"))


def predicted(model: Model, path: Path, **how: object) -> pd.DataFrame:
    """What is written to stdout, as a frame."""
    out = io.StringIO()
    predict_file(model, path, None, out, **how)  # type: ignore[arg-type]
    return pd.read_csv(io.StringIO(out.getvalue()))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_any_format_of_training(model: Model, tmp_path: Path, suffix: str) -> None:
    """The predictions do not depend on the file format, or on the target being present."""
    rows = mixed_rows(60, seed=3)
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
        rows.to_parquet(path)
    else:
        rows.drop(columns="class").to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert predicted(model, path)["predicted"].tolist() == model.predict(rows).tolist()


def test_a_column_for_each_class(model: Model, tmp_path: Path) -> None:
    """The classes' names, and probabilities that round to nothing else."""
    rows = mixed_rows(60, seed=3)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = predicted(model, tmp_path / "rows.csv", probabilities=True)
    assert list(found) == ["predicted", "bad", "fair", "good"]
    np.testing.assert_allclose(found.iloc[:, 1:], model.predict_proba(rows), atol=1e-8)


def test_unseen_and_missing_cells_are_predicted(model: Model, tmp_path: Path) -> None:
    """A category that training never saw, and rows with nothing in them."""
    rows = mixed_rows(20, seed=3).drop(columns="class")
    rows.loc[0, "color"] = "ultraviolet"
    rows.loc[1] = None
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert len(predicted(model, tmp_path / "rows.csv")) == 20


def test_pieces_give_what_the_whole_gives(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file read in many pieces: every row once, in order, and one header."""
    rows = mixed_rows(300, seed=4)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    whole = predicted(model, tmp_path / "rows.csv")
    monkeypatch.setattr(sources, "PIECE", 1000)
    assert predicted(model, tmp_path / "rows.csv").equals(whole)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_output_files(model: Model, tmp_path: Path, name: str) -> None:
    """The suffix says how it is written; columns to keep come first, as they stand."""
    rows = mixed_rows(30, seed=3).assign(id=[f"{k:03}" for k in range(30)])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    out = tmp_path / name
    n = predict_file(model, tmp_path / "rows.csv", out, io.StringIO(), keep=("id",))
    found = pd.read_parquet(out) if name.endswith(".parquet") else pd.read_csv(out, dtype=str)
    assert n == len(found) == 30
    assert list(found) == ["id", "predicted"]
    assert found["id"].tolist() == rows["id"].tolist()


def test_nothing_is_left_of_a_prediction_that_fails(model: Model, tmp_path: Path) -> None:
    """A bad cell far down is named; the file that was there before stays as it was."""
    rows = mixed_rows(30, seed=3).astype({"length": str})
    rows.loc[25, "length"] = "long"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "out.csv"
    out.write_text("predicted\nbefore\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 27, column 'length': 'long' is not a number"):
        predict_file(model, tmp_path / "rows.csv", out, io.StringIO(), force=True)
    assert out.read_text(encoding="utf-8") == "predicted\nbefore\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.csv"]


def test_a_missing_column_is_named(model: Model, tmp_path: Path) -> None:
    """One that the model uses, or one to keep."""
    mixed_rows(30).drop(columns="color").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match="no column 'color', which the model uses"):
        predicted(model, tmp_path / "rows.csv")
    mixed_rows(30).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match="no column 'id' to keep"):
        predicted(model, tmp_path / "rows.csv", keep=("id",))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_no_rows_are_a_table_without_rows(model: Model, tmp_path: Path, suffix: str) -> None:
    """Nothing to predict tonight: the columns are there all the same."""
    rows, path, out = mixed_rows(3).iloc[:0], tmp_path / f"rows{suffix}", tmp_path / f"out{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
        rows.to_parquet(path)
    else:
        rows.to_csv(path, index=False)
    assert predict_file(model, path, out, io.StringIO(), probabilities=True) == 0
    found = pd.read_parquet(out) if suffix == ".parquet" else pd.read_csv(out)
    assert list(found) == ["predicted", "bad", "fair", "good"]


def test_parquet_is_read_in_pieces(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row once, in order."""
    pytest.importorskip("pyarrow")
    rows = mixed_rows(300, seed=4)
    rows.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(sources, "PIECE_ROWS", 70)
    assert predicted(model, tmp_path / "rows.parquet")["predicted"].tolist() == model.predict(rows).tolist()
