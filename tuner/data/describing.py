"""The data as ``tuner data STUDY`` shows them: columns, kinds, encodings, missing cells and sizes, as plain JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tuner.data.dataset import Dataset


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return everything worth printing about a dataset, except the honesty checks, which read the rows again."""
    return {
        "source": None if dataset.path is None else str(dataset.path),
        "fingerprint": dataset.fingerprint,
        "target": dataset.target,
        "classes": [
            {"name": name, "rows": int(count)}
            for name, count in zip(dataset.class_names, dataset.class_counts, strict=True)
        ],
        "sizes": dict(dataset.sizes),
        "folds": len(dataset.parts) if len(dataset.parts) > 1 else None,
        "split": dataset.split_text,
        "features": dataset.n_features,
        "image": None if dataset.image is None else list(dataset.image),
        "columns": [asdict(column) for column in dataset.columns],
        "notices": list(dataset.notices),
    }
