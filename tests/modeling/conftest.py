"""Two small studies, searched once, of which each test gets a copy: one with a dev set, one with folds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tuner

STUDY = """\
name = "{name}"

[data]
source = "mixed.csv"
target = "class"
{split}

[network]
hidden = [6]

[training]
max_epochs = 5
patience = 3
min_updates = 10

[space]
alpha = {{ log_uniform = [1e-2, 1.0] }}
keep_prob = {{ uniform = [0.7, 1.0] }}
lambda = {{ log_uniform = [1e-3, 1.0] }}
batch_size = 16

[search]
trials = 4
pruner = "none"
"""


def mixed_rows(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Rows of every kind of column, with missing cells, whose class the numbers and the color nearly decide."""
    rng = np.random.default_rng(seed)
    length, width = rng.normal(40, 10, n).round(3), rng.normal(0, 1, n).round(3)
    color = rng.choice(["red", "green", "blue"], n)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    worth = (length - 40) / 10 + width + (color == "red") + rng.normal(0, 0.5, n)
    frame = pd.DataFrame(
        {
            "length": length,
            "width": width,
            "color": color,
            "sold": np.where(rng.random(n) < 0.5, "yes", "no"),
            "day": day.strftime("%Y-%m-%d"),
            "class": np.where(worth > 1, "good", np.where(worth > -0.5, "fair", "bad")),
        }
    )
    frame.loc[rng.random(n) < 0.1, "width"] = np.nan
    frame.loc[rng.random(n) < 0.1, "color"] = None
    return frame


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the studies "mixed" and "folded" were searched."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "studies").mkdir()
    mixed_rows().to_csv(folder / "studies" / "mixed.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        for name, split in (("mixed", ""), ("folded", "folds = 3")):
            text = STUDY.format(name=name, split=split)
            (folder / "studies" / f"{name}.toml").write_text(text, encoding="utf-8")
            tuner.search(name)
    return folder


@pytest.fixture
def place(searched: Path, workplace: Path) -> Path:
    """The current folder, with a copy of the searched studies in it."""
    shutil.copytree(searched / "studies", workplace / "studies")
    return workplace


@pytest.fixture(scope="session")
def model_bytes(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model file of "mixed"."""
    path = tmp_path_factory.mktemp("model") / "mixed.tuner"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(searched)
        patch.setenv("TUNER_CACHE", str(searched / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        tuner.load_study("mixed").train().save(path)
    return path.read_bytes()
