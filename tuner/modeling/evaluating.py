"""A model, judged: errors with intervals, classes, confusions and calibration on every set it may be judged on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tuner.analysis import (
    Calibration,
    ClassError,
    ErrorEstimate,
    calibration,
    class_errors,
    confusion_matrix,
    effective_examples,
)
from tuner.data import Dataset, Table, joined, read_groups, read_labelled, read_parts
from tuner.errors import DataError
from tuner.modeling.model import Model, Predictions

Ints = NDArray[np.int64]

LEARNT = "rows it learnt from"


@dataclass(frozen=True)
class Evaluation:
    """How a model does on one set.  ``note`` says what the set is to the model; confusion rows are true classes."""

    name: str
    note: str
    error: ErrorEstimate
    classes: list[ClassError]
    confusion: Ints
    calibration: Calibration

    @property
    def wrong(self) -> int:
        """Rows that are classified wrongly."""
        return int(self.confusion.sum() - np.trace(self.confusion))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers; an error that could not be counted is null."""
        return {
            "note": self.note,
            "error": _estimate(self.error),
            "classes": {one.name: _estimate(one.estimate) for one in self.classes},
            "confusion": self.confusion.tolist(),
            "log_loss": self.calibration.log_loss,
            "calibration": self.calibration.to_dict(),
        }


def evaluate(model: Model, dataset: Dataset, *, test: bool = False) -> list[Evaluation]:
    """Judge a model on the sets of its study; on the test set only if it is asked for.  Raises DataError."""
    if dataset.fingerprint != model.card.fingerprint:
        raise DataError(
            f"{dataset.path}: not the data that the model was trained on (fingerprint {dataset.fingerprint[:12]}, "
            f"the model's {model.card.fingerprint[:12]}); name another file to count on that: tuner evaluate MODEL DATA"
        )
    with threadpool_limits(limits=1):
        names = list(_notes(model, dataset)) if model.card.rows != "folds" else []
        judged = [] if names else [_out_of_fold(model, dataset)]
        names += ["test"] if test else []
        tables = [read_parts(dataset, names, encoding) for encoding in model.encodings] if names else []
        for name in names:
            inputs = [each[name] for each in tables]
            note = {**_notes(model, dataset), "test": "never seen in training or choosing"}[name]
            groups = read_groups(dataset, name) if dataset.dev_groups is not None and name in ("dev", "test") else None
            answers = model.answer_encoded([table.X for table in inputs])
            judged.append(_judge(model, _shown(name), note, answers, inputs[0].y, groups))
    return judged


def evaluate_file(model: Model, path: Path) -> Evaluation:
    """Judge a model on the rows of a labelled file.  Raises DataError."""
    card = model.card
    with threadpool_limits(limits=1):
        pieces = [
            (model.answer(frame, where=str(path)), y)
            for frame, y in read_labelled(path, model.encodings[0], card.data_settings, tuple(card.class_names))
        ]
    if not pieces:
        raise DataError(f"{path}: no rows, expected some to count errors on")
    answers = Predictions(
        *(np.concatenate([getattr(a, key) for a, _ in pieces]) for key in ("classes", "probabilities"))
    )
    return _judge(model, path.name, "another file", answers, np.concatenate([y for _, y in pieces]), None)


def _shown(name: str) -> str:
    return "train+dev" if name == "outside_test" else name


def _notes(model: Model, dataset: Dataset) -> dict[str, str]:
    """The sets outside the test set, and what each is to the model."""
    if model.card.rows == "train+dev":
        return {"outside_test": LEARNT}
    there = {"train": LEARNT, "dev": "chosen on it: trial and epoch", "train_dev": "like the training rows, not learnt"}
    return {name: note for name, note in there.items() if dataset.sizes.get(name)}


def _out_of_fold(model: Model, dataset: Dataset) -> Evaluation:
    """Each row outside the test set by the network that had not learnt from it."""
    outside = [read_parts(dataset, ["dev"], encoding)["dev"] for encoding in model.encodings]
    answers, tables = [], []
    for network, (part, table) in enumerate(zip(_parts(dataset, len(outside)), outside, strict=True)):
        rows = np.searchsorted(table.rows, part)
        tables.append(Table(table.X[rows], table.y[rows], part))
        answers.append(Predictions(*model.networks[network].classify(tables[-1].X)))
    every = Predictions(*(np.concatenate([getattr(a, key) for a in answers]) for key in ("classes", "probabilities")))
    groups = None if dataset.dev_groups is None else np.tile(dataset.dev_groups, len(outside) // len(dataset.parts))
    note = "each row by the network of its fold, which had not learnt from it"
    return _judge(model, "dev", note, every, joined(tables).y, groups)


def _parts(dataset: Dataset, n_networks: int) -> Iterable[Ints]:
    """The dev rows of each network; several seeds of the folds go over them again."""
    return [part.dev.rows for part in dataset.parts] * (n_networks // len(dataset.parts))


def _judge(
    model: Model, name: str, note: str, answers: Predictions, y: Ints, groups: NDArray[np.integer] | None
) -> Evaluation:
    wrong = answers.classes != y
    names: Sequence[str] = model.card.class_names
    effective = None
    if groups is not None:
        effective = effective_examples(wrong, groups, rng=np.random.default_rng(0))
    return Evaluation(
        name=name,
        note=note,
        error=ErrorEstimate.counted(int(wrong.sum()), len(y), effective),
        classes=class_errors(y, wrong, names),
        confusion=confusion_matrix(y, answers.classes, len(names)),
        calibration=calibration(answers.probabilities, y),
    )


def _estimate(found: ErrorEstimate) -> dict[str, Any] | None:
    if math.isnan(found.value):
        return None
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
