"""Predictions for files: raw rows in, a table of predictions out, piece by piece."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.data import read_rows
from tuner.errors import DataError, UsageError
from tuner.files import refuse_overwriting, whole_file
from tuner.formatting import csv_cell, quoted
from tuner.modeling.model import Model
from tuner.nn import MEDIAN

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = "predicted"
LONGEST_HEADER = 1_000_000  # characters
OUTPUTS = (".csv", ".csv.gz", ".parquet")


class TextOutput(Protocol):
    """What predictions are written to as CSV."""

    def write(self, text: str, /) -> int:
        """Write a text."""


Write = Callable[["pd.DataFrame"], None]


def predict_file(
    model: Model,
    data: Path,
    output: Path | None,
    stdout: TextOutput,
    *,
    probabilities: bool = False,
    keep: tuple[str, ...] = (),
    force: bool = False,
) -> int:
    """Write the predictions for a file's rows, in their order, to ``output`` or as CSV to ``stdout``; how many rows.

    The columns: those of the data named by ``keep``, then ``predicted``, then with ``probabilities`` one per class, and
    of a model with quantiles one for each but the median: ``predicted_0.1``.
    Never leaves an incomplete file; replaces earlier predictions with ``force`` only.  Raises DataError.
    """
    rows = 0
    with _writer(output, stdout, force=force) as write:
        for table in predictions(model, data, probabilities=probabilities, keep=keep):
            write(table)
            rows += len(table)
    return rows


def predictions(
    model: Model, data: Path, *, probabilities: bool = False, keep: tuple[str, ...] = ()
) -> Iterator[pd.DataFrame]:
    """Predictions of a file's rows, in tables of many rows."""
    import pandas as pd

    rows = 0
    taken = (*keep, PREDICTED)
    names = [f"{name} (probability)" if name in taken else name for name in model.metadata.class_names]
    of_quantiles = {f"{PREDICTED}_{level:g}": k for k, level in enumerate(model.quantiles_) if level != MEDIAN}
    settings, unit = model.metadata.data_settings, model.metadata.unit
    of_targets = [f"{PREDICTED}_{target.name}" for target in unit.targets]
    if twice := next((name for name in keep if name in (*of_quantiles, *of_targets)), None):
        raise UsageError(f"--keep {twice}: a column of the predictions has this name; rename that of the data")
    classes = pd.Index(model.classes_ if unit.is_share else [])
    if probabilities and not unit.is_share:
        raise UsageError("--probabilities: this model predicts numbers, which have no probabilities; leave it out")
    with threadpool_limits(limits=1):
        for frame, inputs in read_rows(data, model.encodings, settings, keep=keep):
            absent = next((name for name in keep if name not in frame.columns), None)
            if absent is not None:
                some = ", ".join(map(quoted, frame.columns[:8]))
                raise DataError(f"{data}: no column {quoted(absent)} to keep; expected one of {some}")
            predicted = model.classify_encoded(inputs)
            columns: dict[str, Any] = {name: frame[name].to_numpy() for name in keep}
            if of_targets:
                columns |= dict(zip(of_targets, predicted.classes.T, strict=True))
            else:
                columns[PREDICTED] = (
                    pd.Categorical.from_codes(predicted.classes, categories=classes)
                    if unit.is_share
                    else predicted.classes
                )
            columns |= {name: predicted.probabilities[:, k] for name, k in of_quantiles.items()}
            if probabilities:
                columns |= dict(zip(names, predicted.probabilities.T, strict=True))
            rows += len(frame)
            yield pd.DataFrame(columns, copy=False)
    if not rows:  # a table without rows has its columns all the same
        own = of_targets or [PREDICTED, *of_quantiles]
        none = pd.DataFrame({name: [] for name in (*keep, *own, *(names if probabilities else ()))})
        numbers = dict.fromkeys(own, np.float64)
        yield none.astype({PREDICTED: pd.CategoricalDtype(classes)} if unit.is_share else numbers)


# --- where predictions go ---------------------------------------------------------------------------------------------


def check_output(output: Path, *inputs: Path, force: bool = False) -> None:
    """Raise UsageError for a file of a kind that is not written, or one that must stay."""
    if not output.name.endswith(OUTPUTS):
        raise UsageError(f"--output {output}: expected a file that ends in {', '.join(OUTPUTS)}")
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UsageError(f"--output {output}: would overwrite the input {path}; expected another file")
    refuse_overwriting(output, force=force, is_ours=is_predictions)


def is_predictions(path: Path) -> bool:
    """Whether a file has the column of predictions."""
    try:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            return _are_of_predictions(parquet.read_schema(path).names)
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return _are_of_predictions(next(csv.reader([file.readline(LONGEST_HEADER)]), []))
    except (ImportError, OSError, EOFError, ValueError, csv.Error):
        return False


def _are_of_predictions(names: Sequence[str]) -> bool:
    """Whether a file with these columns has predictions: of several targets they are its last ones."""
    last = names[-2:]
    return PREDICTED in names or (len(last) == 2 and all(name.startswith(f"{PREDICTED}_") for name in last))


@contextmanager
def _writer(output: Path | None, stdout: TextOutput, *, force: bool) -> Iterator[Write]:
    if output is None:
        yield _csv_to(stdout)
        return
    with whole_file(output, force=force, is_ours=is_predictions) as file:
        if output.suffix == ".parquet":
            with _parquet_to(file, output) as write:
                yield write
        elif output.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed, io.TextIOWrapper(packed, "utf-8") as text:
                yield _csv_to(text)
        else:
            with io.TextIOWrapper(file, "utf-8", newline="") as text:
                yield _csv_to(text)


def _csv_to(file: TextOutput) -> Write:
    """Tables one below the other, under one header."""
    first = True

    def write(table: pd.DataFrame) -> None:
        nonlocal first
        names = [csv_cell(str(name)) for name in table]
        header = names if first else False
        file.write(_without_formulas(table).to_csv(index=False, header=header, lineterminator="\n"))
        first = False

    return write


def _without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table with text that no spreadsheet calculates."""
    import pandas as pd

    cleaned = table.copy(deep=False)
    for name, column in table.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            classes = np.array([csv_cell(of) for of in column.cat.categories], dtype=object)
            cleaned[name] = classes[column.cat.codes]
        elif pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
            cleaned[name] = [csv_cell(of) for of in column]
    return cleaned


@contextmanager
def _parquet_to(file: IO[bytes], path: Path) -> Iterator[Write]:
    import pandas as pd

    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow. Run: pip install 'tuner-search[parquet]'") from error
    writer: Any = None

    def write(table: pd.DataFrame) -> None:
        nonlocal writer
        column, plain = table.get(PREDICTED), table
        if column is not None and isinstance(column.dtype, pd.CategoricalDtype):
            plain = table.assign(**{PREDICTED: column.astype(column.cat.categories.dtype)})
        arrow = pyarrow.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata(None)
        writer = writer or parquet.ParquetWriter(file, arrow.schema)
        writer.write_table(arrow.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
