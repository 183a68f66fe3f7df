"""What differs between the rows of two studies, or between a study's training and dev rows: as data checks compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuner.data.assembling import Selection, assemble, special_columns
from tuner.data.data_checks import (
    Separation,
    SetComparison,
    Tested,
    compare,
    compare_classes,
    comparisons,
    differing_columns,
    sample_sets,
    separation,
)
from tuner.data.dataset import Dataset
from tuner.data.loading import assembly_of, reader_of
from tuner.outcomes import Finding

if TYPE_CHECKING:
    import pandas as pd

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


@dataclass(frozen=True)
class Mismatch:
    """How dev rows differ from training rows that were not drawn at random from the same rows.

    ``rows``: training and dev rows, at most 10,000 of each; ``separation``: how well they are told apart, and by what;
    ``tests``: those of columns that clearly differ, the most first, with their adjusted p; ``classes``: what is said of
    the shares of the classes, if they differ.
    """

    rows: tuple[int, int]
    separation: Separation
    tests: tuple[tuple[Tested, float], ...]
    classes: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per column: ``column``, ``auc_fall``, ``distribution`` and ``missingness``; NaN for what is small."""
        import pandas as pd

        falls, sizes = dict(self.separation.falls), {(test.kind, test.column): test.size for test, _ in self.tests}
        kinds = ("distribution", "missingness")
        rows = [[name, falls.get(name), *(sizes.get((kind, name)) for kind in kinds)] for name in self.columns]
        return pd.DataFrame(rows, columns=["column", "auc_fall", *kinds])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that give dev rows away, the most first, then those that differ without doing so."""
        return tuple(
            dict.fromkeys([*(name for name, _ in self.separation.falls), *(test.column for test, _ in self.tests)])
        )


def find_mismatch(dataset: Dataset) -> Mismatch | None:
    """Compare training and dev rows; None where both were drawn from the same rows, or fewer than 200 are in one."""
    with reader_of(dataset) as reader:
        if reader.settings.draws_dev:
            return None
        assembly = assembly_of(dataset)
    whole = next((each for each in comparisons(assembly) if each.parts == ("train", "dev")), None)
    samples = None if whole is None else sample_sets(whole)
    if samples is None:
        return None
    classes = compare_classes(samples) if assembly.class_names else ()
    return Mismatch(
        (len(samples.a), len(samples.b)),
        separation(samples),
        tuple(differing_columns(samples)),
        tuple(finding.text for finding in classes),
    )
