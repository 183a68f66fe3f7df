"""What the tests share: a small data file, a study that takes a second, and the command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import tuner

settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")  # how fast examples are drawn is that of the machine and its other work

Run = Callable[..., subprocess.CompletedProcess[str]]

DEADLINE = 300
"""Seconds after which a test gives up on a process: far more than a slow machine with other work takes."""

SMALL_STUDY = """\
name = "small"

[data]
source = "small.csv"
target = "kind"

[network]
hidden = [4]

[training]
max_epochs = 6
patience = 2
min_updates = 10

[space]
lambda = { log_uniform = [1e-3, 1.0] }
keep_prob = { uniform = [0.7, 1.0] }
alpha = { log_uniform = [1e-2, 1.0] }
beta = { one_minus_log_uniform = [0.8, 0.99] }
batch_size = { power_of_two = [16, 32] }
initializer = { choice = ["he", "xavier"] }

[search]
trials = 4
"""


def small_table(n: int = 150) -> str:
    """CSV text: two numeric columns and three classes that overlap a little."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, 2)) + np.array([[0, 0], [2, 0], [0, 2]])[y]
    rows = [f"{a:.4f},{b:.4f},{'abc'[k]}" for (a, b), k in zip(X, y, strict=True)]
    return "\n".join(["width,height,kind", *rows]) + "\n"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process neighbors: what they share is made once, and those that start many processes do not meet."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name binary parameters after their argument: bytes may hold a time, and parallel workers must agree on names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is neither read nor filled: with a thousand entries each new one takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one, with a cache folder of its own and no storage variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / ".cache"))
    monkeypatch.delenv("TUNER_STORAGE", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def without_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search from Python trains no reference models, unless it is asked to: they take longer than small trials."""
    monkeypatch.setattr(tuner, "search", partial(tuner.search, references="none"))


@pytest.fixture
def small_study(workplace: Path) -> Path:
    """``studies/small.toml`` and its data in the current folder."""
    folder = workplace / "studies"
    folder.mkdir()
    (folder / "small.csv").write_text(small_table(), encoding="utf-8")
    (folder / "small.toml").write_text(SMALL_STUDY, encoding="utf-8")
    return folder / "small.toml"


@pytest.fixture
def run(workplace: Path) -> Run:
    """Run ``tuner ARGUMENTS`` as a process in the current folder."""

    def tuner(*arguments: object, timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tuner", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ,
            check=False,
        )

    return tuner
