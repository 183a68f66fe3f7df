"""Experiment trackers that a study can log its trials in, and the packages they need."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from tuner.errors import UsageError

TRACKERS = {"mlflow": "tuner-search[track]", "tensorboard": "tuner-search[track]", "wandb": "wandb"}
"""Name, which is that of its package, -> what installs it."""


def require_trackers(names: Sequence[str]) -> None:
    """Raise UsageError for a tracker whose package is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UsageError(
                f"search.track: {name!r} needs the package {name}, which is not installed. Run: "
                f"pip install '{TRACKERS[name]}'"
            )
