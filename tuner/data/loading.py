"""From a definition's ``[data]`` section to a ``Dataset``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Dataset, Part, Table
from tuner.data.settings import DataSettings
from tuner.data.splitting import draw_split
from tuner.errors import DataError


def load_dataset(settings: DataSettings, folder: Path) -> Dataset:
    """Read, split, encode and normalise what ``settings`` describe; relative paths are relative to ``folder``."""
    import pandas as pd

    if settings.source is None:
        raise DataError("[data] source is missing: name the file that holds the rows")
    path = (folder / settings.source).resolve()
    if not path.is_file():
        raise DataError(f"{path}: no such file ([data] source)")
    frame = pd.read_csv(path)
    if settings.target not in frame.columns:
        raise DataError(f"{path.name}: no column {settings.target!r}, found {', '.join(map(str, frame.columns[:10]))}")
    labels = frame.pop(str(settings.target))
    classes, y = np.unique(labels.to_numpy(), return_inverse=True)
    y = y.astype(np.int64)
    split = draw_split(y, dev=settings.split.dev, test=settings.split.test, folds=settings.folds, seed=settings.seed)
    raw = frame.to_numpy(dtype=np.float64)
    varies = raw[np.concatenate(split.train)].std(axis=0) > 0
    parts, encodings = [], []
    test = None
    for train_rows, dev_rows in zip(split.train, split.dev, strict=True):
        mean, scale = raw[train_rows].mean(axis=0), raw[train_rows].std(axis=0)
        scale[scale == 0] = 1

        def table(
            rows: NDArray[np.int64], mean: NDArray[np.float64] = mean, scale: NDArray[np.float64] = scale
        ) -> Table:
            X = ((raw[rows] - mean) / scale)[:, varies]
            return Table(np.ascontiguousarray(X, dtype=np.float32), y[rows], rows)

        parts.append(Part(table(train_rows), table(dev_rows)))
        encoding: dict[str, Any] = {"mean": mean.tolist(), "scale": scale.tolist()}
        encodings.append(encoding)
        if settings.folds is None and len(split.test):
            test = table(split.test)
    outside = len(y) - len(split.test)
    sizes = {
        "train": outside if settings.folds else len(split.train[0]),
        "dev": outside if settings.folds else len(split.dev[0]),
        "train_dev": 0,
        "test": len(split.test),
    }
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    return Dataset(
        parts=tuple(parts),
        train_dev=None,
        test=test,
        class_names=tuple(str(name) for name in classes),
        feature_names=tuple(str(name) for name, keep in zip(frame.columns, varies, strict=True) if keep),
        sizes=sizes,
        dev_groups=None,
        test_rows=split.test,
        fingerprint=fingerprint,
        path=path,
        encodings=tuple(encodings),
    )
