"""What a custom trainer returned, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.data.dataset import Ints
from tuner.formatting import error_line
from tuner.trainer_child.messages import Returned, TrainerData
from tuner.trainer_child.report import TrainerError


def checked(trainer: str, returned: Any, data: TrainerData) -> Returned:
    """The class indices that a trainer returned, of train, dev and train-dev.  Raises TrainerError."""
    tables = data.tables
    expected = f"expected the predicted labels of {', '.join(tables)}, as a tuple of {len(tables)} arrays"
    if not isinstance(returned, tuple | list):
        raise TrainerError(f"trainer {trainer} returned {type(returned).__name__}, {expected}")
    if len(returned) != len(tables):
        raise TrainerError(f"trainer {trainer} returned {len(returned)} things, {expected}")
    return Returned(
        [
            _labels(f"trainer {trainer} returned {split} labels", labels, len(table), data.n_classes)
            for (split, table), labels in zip(tables.items(), returned, strict=True)
        ]
    )


def _labels(what: str, labels: Any, n: int, n_classes: int) -> Ints:
    expected = f"expected ({n},) class indices from 0 to {n_classes - 1}, as in y"
    try:
        array = np.asarray(labels)
    except Exception as error:
        raise TrainerError(f"{what} that are no array ({error_line(error)}), {expected}") from error
    if array.shape != (n,):
        hint = "; take the argmax of probabilities" if array.shape == (n, n_classes) else ""
        raise TrainerError(f"{what} of shape {array.shape}, {expected}{hint}")
    if array.dtype.kind not in "iufb":
        raise TrainerError(f"{what} like {array.tolist()[0]!r}, {expected} (not the classes' names)")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((array >= 0) & (array < n_classes) & (array == np.floor(array))))
    if len(wrong):
        raise TrainerError(f"{what} with {array[wrong[0]]} at row {wrong[0]}, {expected}")
    return array.astype(np.int64)
