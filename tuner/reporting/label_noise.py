"""How many of the dev labels are wrong, and what that does to the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import Diagnosis, Share, independent_examples, wrong_label_share
from tuner.data import Dataset, random_subset
from tuner.formatting import percent, points, span
from tuner.reporting.wrong_rows import row_predictions
from tuner.storage import StudyRecord

FEWEST_ROWS = 200
MOST_ROWS, MOST_CELLS = 5000, 200_000
"""Dev rows, and their probabilities, that the estimate is based on; of more a random part."""
NEIGHBORS = 20
DISTANCES = 2e7
"""Distances between dev and training rows that the neighbors may take."""
STREAM = 17


@dataclass(frozen=True)
class LabelNoise:
    """The share of dev labels that are wrong, with its 95% interval, from ``share.n`` dev rows."""

    share: Share

    def sentence(self, diagnosis: Diagnosis, record: StudyRecord) -> str:
        """Say how many labels look wrong, and by how much that may lower avoidable bias; empty if none need be."""
        share = self.share
        if share.low <= 0:
            return ""
        text = f"About {percent(share.value)} of dev labels look wrong (95% interval {span(share.low, share.high)})"
        if record.unit.loss is not None or record.dev_weights is not None or "avoidable_bias" not in diagnosis.gaps:
            return f"{text}."
        unless = ", unless the baseline allows for them" if diagnosis.baseline_given else ""
        return f"{text}: avoidable bias may be {points(share.value)} pp smaller{unless}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return self.share.to_dict()


def find_label_noise(record: StudyRecord, dataset: Dataset) -> LabelNoise | None:
    """Estimate the share of wrong dev labels, by the best trials' predictions and by the nearest training rows.

    None for numbers, without probabilities, and with fewer than 200 dev rows.
    """
    y, names = record.dev_y, record.class_names
    if not record.unit.is_share or len(y) < FEWEST_ROWS:
        return None
    predicted = (
        row_predictions(each, len(y), names, record.counted_by)[1]
        for each in record.trials
        if each.predictions is not None
    )
    known = [probabilities for probabilities in predicted if probabilities is not None]
    if not known:
        return None
    rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(STREAM,)))
    most = min(MOST_ROWS, MOST_CELLS // len(names))
    rows = np.arange(len(y)) if len(y) <= most else np.sort(rng.permutation(len(y))[:most])
    networks = np.mean(known, axis=0)
    wrong = (networks.argmax(axis=1) != y).astype(float)
    independent = independent_examples(wrong, record.dev_groups, None, rng=rng)
    views = [networks[rows], _of_neighbors(dataset, rows, rng)]
    return LabelNoise(wrong_label_share(y[rows], views, 1.0 if independent is None else independent / len(y)))


def _of_neighbors(dataset: Dataset, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the shares of classes (n, n_classes) among the nearest training rows of some dev rows.

    Each class is counted once more: neighbors are less sure than their votes.
    """
    from sklearn.neighbors import NearestNeighbors

    parts, starts = dataset.parts, np.cumsum([0, *(len(part.dev) for part in dataset.parts)])
    share = DISTANCES / (len(rows) / len(dataset.dev_y) * sum(len(part.train) * len(part.dev) for part in parts))
    shares = []
    for part, start in zip(parts, starts[:-1], strict=True):
        of_part = rows[(rows >= start) & (rows < start + len(part.dev))] - start
        if not len(of_part):
            continue
        n_train = min(len(part.train), max(int(share * len(part.train)), 10 * NEIGHBORS))
        train = part.train if n_train == len(part.train) else random_subset(part.train, n_train, rng)
        near = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(train))).fit(train.X)
        classes = train.y[near.kneighbors(part.dev.inputs.rows(of_part).array(), return_distance=False)]
        counts = (classes[:, :, None] == np.arange(dataset.n_classes)).sum(axis=1) + 1.0
        shares.append(counts / counts.sum(axis=1, keepdims=True))
    return np.concatenate(shares)
