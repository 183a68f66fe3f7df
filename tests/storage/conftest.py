"""A database with one study, on both kinds of database, and what is written to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from tests.databases import KINDS, new_url
from tuner.analysis import LearningNetwork
from tuner.nn import LayerReport
from tuner.storage import (
    Budget,
    Claim,
    Database,
    DevPredictions,
    NetworkRecord,
    NewStudy,
    Outcome,
    Owner,
    SampledTrial,
    StudyFacts,
    claim_trial,
    ensure_study,
    open_database,
    pack_losses,
    write_sampled,
)

DISTRIBUTIONS = {
    "alpha": FloatDistribution(0.01, 1.0, log=True),
    "initializer": CategoricalDistribution(("he", "xavier")),
}
N_DEV = 10


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A new database, once SQLite and once PostgreSQL."""
    found = open_database(new_url(request.param, tmp_path), create=True)
    yield found
    found.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A new SQLite file."""
    found = open_database(new_url("sqlite", tmp_path), create=True)
    yield found
    found.close()


def new_study(name: str = "made", budget: int = 4, **changes: Any) -> NewStudy:
    """A study of ten dev examples."""
    values = {
        "name": name,
        "definition": f'name = "{name}"\n',
        "identity": {"name": name, "data.fingerprint": "f"},
        "fingerprint": "f",
        "data_path": "/data/made.csv",
        "dev_rows": np.arange(N_DEV),
        "dev_classes": np.arange(N_DEV) % 2,
        "dev_groups": None,
        "dev_folds": np.arange(N_DEV) % 20,
        "test_rows": np.arange(N_DEV, 2 * N_DEV),
        "budget": budget,
        "facts": StudyFacts(class_names=["a", "b"], sizes={"train": 40, "dev": N_DEV}, folder="/data"),
        **changes,
    }
    return NewStudy(**values)


def make_study(database: Database, name: str = "made", budget: int = 4) -> int:
    """The id of a new study."""
    return ensure_study(database, new_study(name, budget))[0].study_id


def take(database: Database, study_id: int, call: str = "a", extra: int | None = None, attempts: int = 3) -> Claim:
    """A claim that there must be."""
    owner = Owner.this_process()
    claim, standing = claim_trial(database, study_id, Budget(call, extra), max_attempts=attempts, owner=owner)
    assert claim is not None, standing
    return claim


def drawn(number: int = 0) -> SampledTrial:
    """What a trial runs with."""
    sampled = {"alpha": 0.1 + number / 100, "initializer": "xavier"}
    return SampledTrial(sampled, {"lambda": 0.0, **sampled}, 1000 + number, exploring=number == 0)


def outcome(value: float = 0.2, *, pruned: bool = False, epochs: int = 3, stop_reason: str = "patience") -> Outcome:
    """What came of a trial of one network."""
    bits = np.arange(N_DEV) < round(value * N_DEV)
    folds = np.arange(epochs * 20, dtype=np.uint16).reshape(epochs, 20)
    curve = {name: np.linspace(1, value, epochs) for name in ("train_cost", "train_error", "dev_cost", "dev_error")}
    network = NetworkRecord(
        stop_reason=stop_reason,
        best_epoch=epochs,
        epochs=epochs,
        updates=10 * epochs,
        n_train=30,
        train_wrong=3,
        train_cost=0.3,
        n_dev=N_DEV,
        dev_wrong=int(bits.sum()),
        dev_cost=0.4,
        dev_bits=pack_losses(bits),
        curve={**curve, "seconds": np.full(epochs, 0.1)},
        dev_fold_losses=folds,
        layers=[LayerReport(1, 1, 0.5, 1.0, 0.25, 2.0, 3.0, 0.0), LayerReport(1, 2, 0.25, 2.0, 0.0, 1.5, 0.0, 0.0)],
    )
    reason = "pruned" if pruned else stop_reason
    predictions = DevPredictions(np.arange(N_DEV) % 2 ^ bits, np.full((N_DEV, 2), 0.5))
    return Outcome(
        value, reason, {1: 0.5, 2: value}, [network], seconds=0.3, predictions=None if pruned else predictions
    )


def learning_network(n_train: int = 20, repeat: int = 0, error: float = 0.3, **left_out: np.ndarray) -> LearningNetwork:
    """A network of a learning curve."""
    return LearningNetwork(
        n_train=n_train,
        repeat=repeat,
        part=0,
        stop_reason="patience",
        best_epoch=3,
        epochs=5,
        train_wrong=1,
        error=error,
        wrong=np.arange(N_DEV) < round(error * N_DEV),
        seconds=0.2,
        **left_out,
    )


def take_and_draw(database: Database, study_id: int, **arguments: Any) -> Claim:
    """A claim whose trial is drawn."""
    claim = take(database, study_id, **arguments)
    assert write_sampled(database, claim, study_id, drawn(claim.number), DISTRIBUTIONS)
    return claim
