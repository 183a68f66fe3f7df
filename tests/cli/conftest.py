"""The searched studies and their model, for the commands that use them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.modeling.conftest import model_bytes, place, searched
from tests.running.conftest import command
from tuner import reference_models
from tuner.data import Dataset
from tuner.running import reference_job

__all__ = ["model_bytes", "place", "searched"]


@pytest.fixture
def trained(place: Path, model_bytes: bytes) -> Path:
    """The folder of the searched studies, with the model of "mixed" in it."""
    (place / "models").mkdir()
    (place / "models" / "mixed.tuner").write_bytes(model_bytes)
    return place


def simplest_errors(_: object, dataset: Dataset, *__: object) -> dict[str, float]:
    """The error of the reference model that needs no training."""
    return {"majority": reference_models.majority(dataset)}


@pytest.fixture
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``tuner ARGUMENTS`` in this process, which has everything imported already.

    A new study has one reference model, which needs no training.
    """
    monkeypatch.setattr(reference_job, "reference_errors", simplest_errors)

    def tuner(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(list(map(str, arguments)), *command(*arguments))

    return tuner
