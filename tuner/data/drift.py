"""What differs between the rows of two studies: the data checks of two sets, with one study's rows as each."""

from __future__ import annotations

import numpy as np

from tuner.data.assembling import Selection, assemble, special_columns
from tuner.data.data_checks import SetComparison, compare
from tuner.data.dataset import Dataset
from tuner.data.loading import reader_of
from tuner.outcomes import Finding

OTHER = "the other study"


def find_drift(first: Dataset, other: Dataset, names: tuple[str, str]) -> tuple[Finding, ...]:
    """Compare all rows of two studies: classes, columns, and a classifier that tells them apart.

    ``names``: those of the studies.  Columns are read as ``first`` reads them; raises DataError if the other data lack
    one.  Nothing is found in data with the same contents.
    """
    if first.fingerprint == other.fingerprint:
        return ()
    with reader_of(first) as mine, reader_of(other) as theirs:
        raws = {"source": mine.raws()["source"], "dev": theirs.raws()["source"]}
        special = special_columns(raws["source"], mine.settings)
        settings = mine.settings.model_copy(
            update={
                **dict.fromkeys((*special, "folds", "test")),
                "dev": OTHER,
                "columns": dict.fromkeys(special.values(), "drop") | mine.settings.columns,
            }
        )
        assembly = assemble(raws, settings, mine.fingerprint(), None)
    a, b = (Selection(table, np.arange(len(assembly.y[table]))) for table in ("source", "dev"))
    return tuple(compare(SetComparison(assembly, names, a, b)))
