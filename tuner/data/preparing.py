"""From assembled rows to the arrays of a ``Dataset``: one encoding per network, one table per set."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tuner.data.assembling import Assembly, Selection
from tuner.data.cache import Store, entry_name, read_entry
from tuner.data.dataset import ColumnSummary, Dataset, DatasetFacts, Part, Table
from tuner.data.encoders import FittedColumn
from tuner.data.encoding import INPUTS, Encoding, Zeros, bytes_of_a_row, chunks, encode
from tuner.data.reading import RowReader
from tuner.data.settings import DataSettings
from tuner.data.sources.memory import refuse_if_too_large
from tuner.data.target_means import folds_of
from tuner.inputs import Inputs

FACTS = TypeAdapter(DatasetFacts)


@functools.cache
def code_digest() -> str:
    """Return a digest of this room's code, since other code might prepare other arrays."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def cache_key(settings: DataSettings, fingerprint: str, path: Path | None) -> str:
    """Return the name of a cache entry: of the data's path, contents and settings, of the code and the user.

    Rows in memory are a file of their own whenever they change.
    """
    return entry_name([os.geteuid(), str(path or fingerprint)], fingerprint, [code_digest(), settings.described()])


# --- encodings --------------------------------------------------------------------------------------------------------


def encode_selection(assembly: Assembly, encoding: Encoding, name: str, selection: Selection, zeros: Zeros) -> Table:
    """Encode a selection's rows into arrays that ``zeros`` provides."""
    target = assembly.target_of(selection)
    is_fitted = (
        selection.table == "source" and name != "train_dev" and name.startswith(("train", "outside_test", "all"))
    )
    folds = folds_of(target.units) if is_fitted else None
    inputs = encode(encoding, assembly.tables[selection.table], selection.rows, partial(_named, zeros, name), folds)
    y, rows = _filled(zeros, f"{name}.y", target.y), _filled(zeros, f"{name}.rows", selection.rows)
    weights = None if target.weights is None else _filled(zeros, f"{name}.weights", target.weights)
    return Table(inputs, y, rows, weights)


def _named(zeros: Zeros, table: str, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return zeros(f"{table}.{name}", shape, dtype)


def _filled(zeros: Zeros, name: str, values: NDArray[Any]) -> NDArray[Any]:
    array = zeros(name, values.shape, values.dtype)
    array[:] = values
    return array


def named_selections(assembly: Assembly) -> Iterator[tuple[str, int, Selection]]:
    """Yield each table to encode: its name, the network with its encoding, its rows."""
    for k, (train, dev) in enumerate(zip(assembly.train, assembly.dev, strict=True)):
        yield f"train{k}", k, train
        yield f"dev{k}", k, dev
    if assembly.train_dev is not None:
        yield "train_dev", 0, assembly.train_dev
    if assembly.test is not None and len(assembly.train) == 1:
        yield "test", 0, assembly.test


# --- the dataset ------------------------------------------------------------------------------------------------------


def prepare(assembly: Assembly, encodings: list[Encoding], reader: RowReader, key: str | None) -> Dataset:
    """Encode all parts, into the cache if ``key`` is given and its folder is writable."""
    need = sum(len(selection) * bytes_of_a_row(encodings[k]) for _, k, selection in named_selections(assembly))
    what = f"the network's input of {encodings[0].n_features:,} features"
    refuse_if_too_large(str(assembly.path or "the rows"), need, what)
    with Store(key) as store:
        for name, k, selection in named_selections(assembly):
            encode_selection(assembly, encodings[k], name, selection, store.zeros)
        if assembly.test is not None and len(assembly.train) > 1:
            _filled(store.zeros, "test.rows", assembly.test.rows)
        if assembly.groups:
            groups = np.concatenate([assembly.groups[dev.table].codes[dev.rows] for dev in assembly.dev])
            _filled(store.zeros, "dev_groups", groups)
        facts = FACTS.dump_python(facts_of(assembly, encodings), mode="json")
        meta = {**facts, "n_parts": len(assembly.train)}
        stored = store.commit(meta)
        kept = read_entry(stored, written_here=True) if stored is not None else None
        return dataset_of(*(kept or (meta, store.arrays)), stored=stored if kept else None, reader=reader)


def facts_of(assembly: Assembly, encodings: list[Encoding]) -> DatasetFacts:
    """Return the facts of a dataset."""
    parts = assembly.parts
    n_classes = len(assembly.class_names)
    counts = sum(
        np.bincount(assembly.y[each.table][each.rows], minlength=n_classes) if n_classes else np.zeros(0, np.int64)
        for each in assembly.outside_test
    )
    return DatasetFacts(
        class_names=assembly.class_names,
        feature_names=encodings[0].feature_names,
        sizes={name: len(parts.get(name, ())) for name in ("train", "dev", "train_dev", "test")},
        class_counts=np.asarray(counts),
        unit=assembly.unit,
        fingerprint=assembly.fingerprint,
        path=assembly.path,
        target=assembly.target,
        encodings=tuple(encoding.to_json() for encoding in encodings),
        periodic=tuple(sorted({place for encoding in encodings for place in encoding.periodic})),
        columns=summarize(assembly, encodings),
        split_text=assembly.split_text,
        image=assembly.image,
        notices=(*assembly.notices, *column_notices(encodings)),
    )


def dataset_of(
    meta: dict[str, Any], arrays: dict[str, NDArray[Any]], *, stored: Path | None, reader: RowReader
) -> Dataset:
    """Build a dataset from its facts as JSON and its arrays."""
    for array in arrays.values():
        array.flags.writeable = False

    def table(name: str) -> Table:
        numbers, places, flags, y, rows = (arrays[f"{name}.{what}"] for what in (*INPUTS, "y", "rows"))
        inputs = Inputs(numbers[:, : len(places)], places, flags, len(meta["feature_names"]))
        return Table(inputs, y, rows, arrays.get(f"{name}.weights"))

    return Dataset(
        **vars(FACTS.validate_python(meta)),
        parts=tuple(Part(table(f"train{k}"), table(f"dev{k}")) for k in range(meta["n_parts"])),
        train_dev=table("train_dev") if "train_dev.y" in arrays else None,
        test=table("test") if "test.y" in arrays else None,
        dev_groups=arrays.get("dev_groups"),
        test_rows=arrays.get("test.rows", np.empty(0, dtype=np.int64)),
        stored=stored,
        reader=reader,
    )


# --- descriptions -----------------------------------------------------------------------------------------------------


def summarize(assembly: Assembly, encodings: list[Encoding]) -> tuple[ColumnSummary, ...]:
    """Return each column's summary."""
    typed = assembly.tables[assembly.seen.table]
    rows = assembly.seen.rows
    missing: dict[str, int] = {}
    for numbers in typed.numbers:
        if numbers.values.dtype.kind == "f":
            counts = np.zeros(len(numbers.names), dtype=np.int64)
            for _, piece in chunks(rows, len(counts)):
                cells = numbers.values[piece]
                if np.isnan(cells.min()):
                    counts += np.isnan(cells).sum(axis=0)
            missing |= dict(zip(numbers.names, counts.tolist(), strict=True))
    missing |= {name: int(np.isnan(seconds[rows]).sum()) for name, seconds in typed.values.items()}
    missing |= {name: int((text.codes[rows] < 0).sum()) for name, text in typed.text.items()}
    return tuple(
        ColumnSummary(
            name=same[0].name,
            kind=same[0].kind,
            encoding=encoding_text(same),
            features=len({feature.position for column in same for feature in column.features}),
            missing=missing.get(same[0].name, 0),
            why=unused_why(same) or same[0].why or same[0].note,
        )
        for same in zip(*(encoding.columns for encoding in encodings), strict=True)
    )


def unused_why(same: tuple[FittedColumn, ...]) -> str:
    """Return why a column is not used in any fold; empty if it is used."""
    return "" if any(column.features for column in same) else same[0].why or "not used"


def encoding_text(same: tuple[FittedColumn, ...]) -> str:
    """Describe the encoding of a column, over all folds."""
    used = [column for column in same if column.features]
    features = {key: feature for column in used for key, feature in column.keyed().items()}
    parts = [feature.part for feature in features.values()]
    return used[0].encoder.describe(used[0], parts) if used else "not used"


def column_notices(encodings: list[Encoding]) -> list[str]:
    """List what is to be said of columns: first how they are read, then which are not used, each by reason."""
    notes: dict[str, list[str]] = {}
    unused: dict[str, list[str]] = {}
    for same in zip(*(encoding.columns for encoding in encodings), strict=True):
        if why := unused_why(same):
            unused.setdefault(why, []).append(same[0].name)
        elif note := same[0].note:
            notes.setdefault(note, []).append(same[0].name)
    return [
        *(f"column{'s' if len(names) > 1 else ''} {_some(names)}: {note}" for note, names in notes.items()),
        *(f"columns not used ({why}): {_some(names)}" for why, names in unused.items()),
    ]


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
