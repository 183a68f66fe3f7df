"""Load a ``Dataset`` from a definition's ``[data]`` section, a frame or arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tuner.data.cache import Store, cache_folder, read_entry
from tuner.data.dataset import Dataset, Ints, Table
from tuner.data.in_memory import rows_in_memory
from tuner.data.number_forms import STANDARDIZE, NumericForm
from tuner.data.reading import FileReader, RowReader
from tuner.data.settings import DataSettings
from tuner.data.sources.raw import target_names
from tuner.errors import DataError
from tuner.inputs import Inputs, joined_inputs
from tuner.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from tuner.data.assembling import Assembly, Selection
    from tuner.data.encoding import Encoding


def load_dataset(
    settings: DataSettings, folder: Path, *, cache: bool = True, forms: Collection[NumericForm] = ()
) -> Dataset:
    """Read, split, encode and normalize what ``settings`` describe; relative paths are relative to ``folder``.

    With ``cache`` the arrays are kept in the user's cache folder and mapped read-only.  ``forms``: see ``Dataset``.
    Raises DataError.
    """
    return dataset_from(FileReader(settings, folder), cache=cache, forms=forms)


def dataset_from(reader: RowReader, *, cache: bool = True, forms: Collection[NumericForm] = ()) -> Dataset:
    """Load a dataset from a reader; inside ``with reader:`` rows are not read again."""
    with reader:
        dataset = _prepared(reader, cache=cache)
        usual = reader.settings.numeric or STANDARDIZE
        others = {form: _prepared(reader.in_form(form), cache=cache) for form in forms if form != usual}
        return replace(dataset, forms={form: others.get(form, dataset) for form in forms})


def _prepared(reader: RowReader, *, cache: bool) -> Dataset:
    from tuner.data.preparing import cache_key, dataset_of, prepare

    with reader:
        path = reader.path
        reader.measure()
        key = cache_key(reader.settings, reader.fingerprint(), path) if cache else None
        if key is not None and (entry := read_entry(cache_folder() / key)) is not None:
            return dataset_of(*entry, stored=cache_folder() / key, reader=reader)
        try:
            return prepare(reader.assemble(), reader.encodings(), reader, key)
        except MemoryError as error:  # the estimate was too low, or another process took the memory
            raise DataError(f"{path or 'the rows'}: not enough memory. Use fewer rows or columns") from error


def dataset_from_frame(
    frame: pd.DataFrame, target: Any, settings: DataSettings | None = None, *, cache: bool = True
) -> Dataset:
    """Prepare a pandas DataFrame; its index is not a column.  ``settings`` may not name files."""
    return dataset_from(rows_in_memory(frame, target).reader(settings or DataSettings()), cache=cache)


def dataset_from_arrays(
    X: ArrayLike, y: ArrayLike, settings: DataSettings | None = None, *, cache: bool = True
) -> Dataset:
    """Prepare X (n, n_columns), or images (n, height, width[, channels]), and y (n,) classes."""
    return dataset_from(rows_in_memory(X, y).reader(settings or DataSettings()), cache=cache)


# --- raw rows again ---------------------------------------------------------------------------------------------------


def assembly_of(dataset: Dataset) -> Assembly:
    """Read a dataset's rows again; refuse them if they have changed."""
    assembly = reader_of(dataset).assemble()
    _refuse_changed(dataset, assembly.fingerprint)
    return assembly


def check_rows(dataset: Dataset) -> None:
    """Refuse a dataset whose rows are gone or have changed, without parsing them."""
    _refuse_changed(dataset, reader_of(dataset).fingerprint())


def reader_of(dataset: Dataset) -> RowReader:
    """Return what reads a dataset's rows again.  Raises DataError where they are gone."""
    if dataset.reader is None:
        raise DataError("the data: the rows are not available in this process; load the dataset here")
    return dataset.reader


def _refuse_changed(dataset: Dataset, fingerprint: str) -> None:
    if fingerprint != dataset.fingerprint:
        raise DataError(f"{dataset.path}: changed since it was loaded. Restore the file, or start again")


def can_split_again(dataset: Dataset) -> bool:
    """Whether the dev rows were drawn at random, and the rows are there to be drawn again."""
    return dataset.reader is not None and dataset.reader.settings.draws_dev


def with_another_split(dataset: Dataset, seed: int) -> Dataset:
    """Return data that can be split again with dev, or the folds, drawn anew from the rows outside the test set.

    Encodings are fitted on the new training rows; the sets have the sizes that they had.
    """
    from tuner.data.assembling import Selection
    from tuner.data.encoding import fit_encodings
    from tuner.data.preparing import prepare
    from tuner.data.splitting import Request, draw_dev_again
    from tuner.data.targets import strata_of

    with reader_of(dataset) as reader:
        assembly, settings = assembly_of(dataset), reader.settings
        y, groups = assembly.y["source"], assembly.groups.get("source")
        request = Request(
            y=y if assembly.class_names else strata_of(y),
            sizes=settings.split,
            seed=seed,
            folds=settings.folds,
            groups=None if groups is None else groups.codes,
        )
        rest = np.sort(np.concatenate([each.rows for each in assembly.outside_test]))
        split = draw_dev_again(request, rest, dataset.sizes["dev"])
        train, dev = (tuple(Selection("source", rows) for rows in each) for each in (split.train, split.dev))
        assembly = replace(assembly, train=train, dev=dev)
        another = prepare(assembly, fit_encodings(assembly, train), reader, None).counting(dataset.counted_by)
        forms = {form: with_another_split(one, seed) for form, one in dataset.forms.items()}
        return replace(another, forms=forms)


def fit_on_all(dataset: Dataset, name: str = "outside_test") -> tuple[Table, Table | None, Encoding]:
    """Encode all rows outside the test set (train, train-dev, dev) for a final network.

    ``name``: "all" to include the test set.  Returns those rows, the test rows (None without a test set) and the
    encoding.
    """
    from tuner.data.assembling import Selection
    from tuner.data.encoding import fit_encodings

    assembly = assembly_of(dataset)
    in_source = [each.rows for each in _together(assembly)[name] if each.table == "source"]
    # a dev file may have another distribution: fit the encoding on the training file only
    encoding = fit_encodings(assembly, (Selection("source", np.sort(np.concatenate(in_source))),))[0]
    names = [name, *(["test"] if assembly.test is not None else [])]
    tables = _encoded(assembly, names, encoding, dataset.counted_by)
    return tables[name], tables.get("test"), encoding


def _together(assembly: Assembly) -> dict[str, Sequence[Selection]]:
    """Return the rows that train a final network: those outside the test set, and all."""
    test = () if assembly.test is None else (assembly.test,)
    return {"outside_test": assembly.outside_test, "all": (*assembly.outside_test, *test)}


def read_parts(dataset: Dataset, names: Sequence[str], encodings: Sequence[Encoding]) -> list[dict[str, Table]]:
    """Encode "train", "dev", "train_dev", "test", or "outside_test" or "all", the training rows of a final network.

    Returns the tables by name for each encoding; the rows are read once.  With folds train and dev are all rows outside
    the test set.
    """
    with reader_of(dataset) as reader:
        assembly = assembly_of(dataset)
        counted_by = dataset.counted_by
        return [_encoded(_read_by(encoding, assembly, reader), names, encoding, counted_by) for encoding in encodings]


def _read_by(encoding: Encoding, assembly: Assembly, reader: RowReader) -> Assembly:
    """Return the rows as an encoding reads them; one of an earlier version may know fewer ways to write a number."""
    if encoding.reads_as(assembly.columns):
        return assembly
    return replace(assembly, tables={key: encoding.typed(raw) for key, raw in reader.raws().items()})


def _encoded(assembly: Assembly, names: Iterable[str], encoding: Encoding, counted_by: Metric) -> dict[str, Table]:
    from tuner.data.preparing import encode_selection

    selections: dict[str, Sequence[Selection]] = {name: (part,) for name, part in assembly.parts.items()}
    selections |= _together(assembly)
    encoded = {}
    for name in names:
        if name not in selections:
            raise DataError(f"the data: no {name} set; expected one of {', '.join(selections)}")
        tables = [encode_selection(assembly, encoding, name, each, Store(None).zeros) for each in selections[name]]
        encoded[name] = replace(_joined(tables), counted_by=counted_by)
    return encoded


def read_groups(dataset: Dataset, name: str) -> Ints | None:
    """Return group codes of the rows of ``read_parts``, "dev" or "test"; None without groups."""
    assembly = assembly_of(dataset)
    selection = assembly.test if name == "test" else assembly.dev[0]
    if selection is None or not assembly.groups:
        return None
    return assembly.groups[selection.table].codes[selection.rows]


def read_dev_rows(dataset: Dataset, places: Ints, fixed: Mapping[str, Any]) -> pd.DataFrame:
    """Return some dev rows as the file has them; ``places``: where among the dev rows they are.

    Columns: ``place`` ("line 17"), those of ``fixed``, then the file's own but for the target; an own one with the name
    of another before it gets underscores.  Raises DataError if the rows have changed.
    """
    import pandas as pd

    from tuner.data.kinds import unused_name

    with reader_of(dataset) as reader:
        _refuse_changed(dataset, reader.fingerprint())
        raw = reader.raws()["dev" if reader.settings.dev is not None else "source"]
    rows = dataset.dev_rows[places]
    columns = {"place": np.array([raw.line_of(row) for row in rows.tolist()], dtype=object), **fixed}
    own = raw.frame.iloc[rows].drop(columns=[*target_names(dataset.target)], errors="ignore")
    for name in own.columns:
        columns[unused_name(str(name), tuple(columns))] = own[name].to_numpy()
    return pd.DataFrame(columns)


def _joined(tables: Sequence[Table]) -> Table:
    """Concatenate tables of one encoding."""
    if len(tables) == 1:
        return tables[0]
    y, rows = (np.concatenate([getattr(table, name) for table in tables]) for name in ("y", "rows"))
    weights = [table.weights for table in tables if table.weights is not None]
    inputs = joined_inputs([table.inputs for table in tables])
    return Table(inputs, y, rows, np.concatenate(weights) if weights else None)


def read_rows(
    path: Path, encodings: Sequence[Encoding], settings: DataSettings, *, keep: Iterable[str] = ()
) -> Iterator[tuple[pd.DataFrame, list[Inputs]]]:
    """Yield raw rows, and each encoding's inputs, of a file to predict, piece by piece; the target may be missing.

    ``settings`` describe the format of the study's files.  Text is read in pieces to save memory.  Columns in ``keep``
    are read as text.
    """
    from tuner.data.encoding import encode_raw
    from tuner.data.sources import read_pieces
    from tuner.data.sources.raw import Wanted

    first = encodings[0]
    text = first.text_columns | set(keep)
    wanted = Wanted(settings, first.source_columns, text, first.target, labeled=False)
    for raw in read_pieces(path, wanted):
        yield raw.frame, encode_raw(encodings, raw)
