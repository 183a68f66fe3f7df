"""The searched studies and their model, for the commands that use them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pandas as pd
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


def make_model_of_houses(folder: Path, houses: pd.DataFrame, *options: object) -> Path:
    """Run ``init`` with these options, a short ``search``, ``report`` and ``train``; each prints to a file there."""
    houses.to_csv(folder / "houses.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / "cache"))
        for arguments in (
            ("init", "houses.csv", *options),
            ("search", "houses", "--trials", 3, "--references", "fast"),
            ("report", "houses"),
            ("train", "houses"),
        ):
            code, out, err = command(*arguments)
            assert code == 0, err
            (folder / f"{arguments[0]}.txt").write_text(out)
            if arguments[0] == "init":
                definition = folder / "studies" / "houses.toml"
                text = definition.read_text().replace("max_epochs = 300", "max_epochs = 8")
                for name, fixed in (("hidden", "8"), ("numeric", "standardize")):
                    text = re.sub(rf"{name} = \{{.*?\}}", f'{name} = "{fixed}"', text)
                definition.write_text(text.replace("folds = 5", "folds = 2"))
    return folder


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
