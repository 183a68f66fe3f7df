"""From a file to train, dev and test sets: sources, encoding, splits, folds, normalization, augmentation.

``load_dataset`` is the main entry.  Code that reads raw rows (pandas, the encoding, the data checks) is imported on
first use, because a worker that maps prepared arrays needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuner.data.augmentation import AUGMENTATIONS, make_augment
from tuner.data.cache import cache_folder
from tuner.data.dataset import Dataset, Part, Table, chosen_task, describe, read_differently
from tuner.data.dates import CYCLES as DATE_CYCLES
from tuner.data.dates import DAY
from tuner.data.encoders import ENCODERS, MISSING, ColumnSettings, Feature, FittedColumn, Reads
from tuner.data.in_memory import RowsInMemory, as_table, rows_in_memory
from tuner.data.loading import (
    can_split_again,
    dataset_from,
    dataset_from_arrays,
    dataset_from_frame,
    fit_on_all,
    load_dataset,
    read_dev_rows,
    read_groups,
    read_parts,
    read_rows,
    reader_of,
    with_another_split,
)
from tuner.data.number_forms import BINS, FORMS, PERIODIC, ROBUST_LIMIT, STANDARDIZE, NumericForm
from tuner.data.reading import FileReader, RowReader, fingerprint_of
from tuner.data.settings import DataSettings, SplitSettings
from tuner.data.subsets import random_subset

if TYPE_CHECKING:
    from tuner.data.applying import (
        LabeledRows,
        class_indices,
        missing_numbers,
        missing_texts,
        names_of,
        raw_columns,
        raw_names,
        read_labeled,
        rows_frame,
    )
    from tuner.data.data_checks import check_data_quality
    from tuner.data.drift import Mismatch, find_drift, find_mismatch
    from tuner.data.encoding import LARGEST_INPUT, Encoding, encode_frame
    from tuner.data.odd_rows import OddCell, contradicting_rows, odd_cells
    from tuner.data.sources import readable, usable_rows

__all__ = [
    "AUGMENTATIONS",
    "BINS",
    "DATE_CYCLES",
    "DAY",
    "ENCODERS",
    "FORMS",
    "LARGEST_INPUT",
    "MISSING",
    "PERIODIC",
    "ROBUST_LIMIT",
    "STANDARDIZE",
    "ColumnSettings",
    "DataSettings",
    "Dataset",
    "Encoding",
    "Feature",
    "FileReader",
    "FittedColumn",
    "LabeledRows",
    "Mismatch",
    "NumericForm",
    "OddCell",
    "Part",
    "Reads",
    "RowReader",
    "RowsInMemory",
    "SplitSettings",
    "Table",
    "as_table",
    "cache_folder",
    "can_split_again",
    "check_data_quality",
    "chosen_task",
    "class_indices",
    "contradicting_rows",
    "dataset_from",
    "dataset_from_arrays",
    "dataset_from_frame",
    "describe",
    "encode_frame",
    "find_drift",
    "find_mismatch",
    "fingerprint_of",
    "fit_on_all",
    "load_dataset",
    "make_augment",
    "missing_numbers",
    "missing_texts",
    "names_of",
    "odd_cells",
    "random_subset",
    "raw_columns",
    "raw_names",
    "read_dev_rows",
    "read_differently",
    "read_groups",
    "read_labeled",
    "read_parts",
    "read_rows",
    "readable",
    "reader_of",
    "rows_frame",
    "rows_in_memory",
    "usable_rows",
    "with_another_split",
]


def __getattr__(name: str) -> Any:
    for module in ("sources", "encoding", "applying", "data_checks", "drift", "odd_rows") if name in __all__ else ():
        if hasattr(imported := import_module(f"tuner.data.{module}"), name):
            return getattr(imported, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
