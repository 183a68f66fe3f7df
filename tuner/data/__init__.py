"""From a file to honest train, dev and test sets: sources, encoding, splits, folds, normalisation, augmentation."""

from tuner.data.dataset import Dataset, Part, Table
from tuner.data.loading import load_dataset
from tuner.data.settings import ColumnSettings, DataSettings, SplitSettings

__all__ = ["ColumnSettings", "DataSettings", "Dataset", "Part", "SplitSettings", "Table", "load_dataset"]
