"""From a file to honest train, dev and test sets: sources, encoding, splits, folds, normalisation, augmentation."""

from tuner.data.dataset import ColumnSummary, Dataset, Part, Table
from tuner.data.loading import (
    dataset_from_arrays,
    dataset_from_frame,
    fit_on_all,
    load_dataset,
    open_prepared,
    read_part,
)
from tuner.data.settings import ColumnSettings, DataSettings, SplitSettings

__all__ = [
    "ColumnSettings",
    "ColumnSummary",
    "DataSettings",
    "Dataset",
    "Part",
    "SplitSettings",
    "Table",
    "dataset_from_arrays",
    "dataset_from_frame",
    "fit_on_all",
    "load_dataset",
    "open_prepared",
    "read_part",
]
