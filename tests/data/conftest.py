"""Small tables written to a temporary folder, and a cache folder of each test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.data import Dataset, DataSettings, load_dataset
from tuner.data.settings import Task

Load = Callable[..., Dataset]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "cache"))


def people(n: int = 200, seed: int = 0) -> pd.DataFrame:
    """A table of two numbers, a category and a class that the first number nearly decides."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, n).round(4)
    return pd.DataFrame(
        {
            "age": age,
            "hours": rng.integers(0, 60, n),
            "job": rng.choice(["clerk", "cook", "smith"], n),
            "rich": np.where(age + rng.normal(0, 5, n) > 40, "yes", "no"),
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a frame, a list of lines, text or bytes into the test's folder."""

    def put(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content.to_csv(path, index=False)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else "\n".join(content) + "\n", encoding="utf-8")
        return path

    return put


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a file of the test's folder; settings are keywords, the target is "rich" unless said; ``task`` of it."""

    def load_it(source: str, *, cache: bool = False, task: Task | None = None, **settings: Any) -> Dataset:
        settings.setdefault("target", "rich")
        of_data = DataSettings(source=source, **settings)
        of_data.set_task(task)
        return load_dataset(of_data, tmp_path, cache=cache)

    return load_it
