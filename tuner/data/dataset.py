"""What a study sees of its data: arrays, row numbers and names; no frame and no file is held open."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Table:
    """Examples as rows: X (n, n_features) float32, y (n,) class indices, rows (n,) row numbers in the file, from 0."""

    X: Floats
    y: Ints
    rows: Ints

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True)
class Part:
    """What one network trains on and is compared on; with folds there are K of them."""

    train: Table
    dev: Table


@dataclass(frozen=True)
class Dataset:
    """Prepared data: encoded and normalised by what the training rows alone show (each fold's own, with folds)."""

    parts: tuple[Part, ...]
    train_dev: Table | None
    test: Table | None
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    sizes: dict[str, int]
    dev_groups: Ints | None
    test_rows: Ints
    fingerprint: str
    path: Path | None
    encodings: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = field(default=())

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def n_features(self) -> int:
        """Number of inputs of a network."""
        return len(self.feature_names)

    @property
    def encoding(self) -> dict[str, Any]:
        """The fitted encoding as plain JSON; with folds ``{"folds": [...]}``, one for each."""
        return self.encodings[0] if len(self.encodings) == 1 else {"folds": list(self.encodings)}

    @property
    def dev_rows(self) -> Ints:
        """Row numbers of the dev rows, concatenated over the parts."""
        return np.concatenate([part.dev.rows for part in self.parts])

    @property
    def dev_y(self) -> Ints:
        """Class indices of the dev rows, in the order of ``dev_rows``."""
        return np.concatenate([part.dev.y for part in self.parts])
