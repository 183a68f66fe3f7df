"""The usual loops, as custom trainers: ``tuner.sklearn_trainer`` and ``tuner.torch_trainer``."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Floats
from tuner.metrics import relative
from tuner.trainer_child.messages import TrainerData
from tuner.trainer_child.report import EpochReport

PATIENCE = 10
"""Epochs without a better dev error after which PyTorch's loop ends."""
BATCH_SIZE = 64
"""Of PyTorch's loop, where the trial has no ``batch_size``."""
ROWS_AT_ONCE = 4096
"""Rows of which PyTorch's loop predicts the classes at a time."""

TrainerCallable = Callable[[Mapping[str, Any], TrainerData, int, EpochReport], Any]


def sklearn_trainer(make_estimator: Callable[..., Any]) -> TrainerCallable:
    """Return a custom trainer that fits an estimator of scikit-learn's kind.

    `make_estimator(**params)` makes it: a class of scikit-learn, LightGBM or XGBoost, or a function.  An estimator with
    a `random_state` gets the trial's seed; rows with weights are fitted with `sample_weight`.
    """

    def fit(params: Mapping[str, Any], data: TrainerData, seed: int, report: EpochReport) -> Any:
        estimator = make_estimator(**params)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed % 2**31)  # LightGBM takes 32 bits with a sign
        weighed = {} if data.train.weights is None else {"sample_weight": data.train.weights}
        return _Estimator(estimator.fit(data.train.X, data.train.y, **weighed))

    fit.load = _Estimator.load  # type: ignore[attr-defined]
    return fit


def torch_trainer(
    make_module: Callable[[Mapping[str, Any], TrainerData], Any],
    make_optimizer: Callable[[Mapping[str, Any], Any], Any],
    *,
    patience: int = PATIENCE,
) -> TrainerCallable:
    """Return a custom trainer that trains a module of PyTorch's by mini-batches, with cross-entropy.

    `make_module(params, data)` makes the module, from rows (n, n_features) to scores (n, n_classes);
    `make_optimizer(params, parameters)` makes its optimizer.  `params["batch_size"]` is the number of rows of a
    mini-batch, if it is in [space].  Rows with weights are weighted in the loss and in both errors.  Every epoch is
    reported; training ends after max_epochs, or `patience` epochs without a better dev error, and the parameters of the
    best epoch are taken.
    """

    def fit(params: Mapping[str, Any], data: TrainerData, seed: int, report: EpochReport) -> _Module:
        import torch

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        model = _Module(make_module(params, data))
        optimizer = make_optimizer(params, model.module.parameters())
        X, y = torch.tensor(data.train.X), torch.tensor(data.train.y)
        w = None if data.train.weights is None else torch.tensor(relative(data.train.weights), dtype=torch.float32)
        least, best_epoch, best = 2.0, 0, None
        for epoch in range(1, report.max_epochs + 1):
            model.module.train()
            for rows in torch.randperm(len(X)).split(int(params.get("batch_size", BATCH_SIZE))):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model.module(X[rows]), y[rows], reduction="none")
                (loss if w is None else loss * w[rows]).mean().backward()
                optimizer.step()
            train_error, dev_error = (
                float(np.average(model.predict(t.X) != t.y, weights=t.weights)) for t in (data.train, data.dev)
            )
            if dev_error < least:
                least, best_epoch, best = dev_error, epoch, copy.deepcopy(model.module.state_dict())
            report(epoch, train_error, dev_error)
            if epoch - best_epoch >= patience:
                break
        model.module.load_state_dict(best)
        return model

    fit.load = _Module.load  # type: ignore[attr-defined]
    return fit


class _Estimator:
    """A fitted estimator that can be saved."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._estimator, name)

    def save(self, path: str) -> None:
        """Pickle it, as scikit-learn advises."""
        Path(path).write_bytes(pickle.dumps(self._estimator))

    @classmethod
    def load(cls, path: str) -> _Estimator:
        """Load what was saved."""
        return cls(pickle.loads(Path(path).read_bytes()))


class _Module:
    """A module of PyTorch's as a classifier."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (n, n_classes)."""
        import torch

        self.module.eval()
        with torch.no_grad():
            parts = torch.tensor(X).split(ROWS_AT_ONCE)
            scores = [self.module(part).softmax(dim=1).numpy() for part in parts]
        return np.concatenate(scores)

    def predict(self, X: Floats) -> NDArray[np.int64]:
        """Class indices (n,)."""
        classes: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return classes

    def save(self, path: str) -> None:
        """Save the module with its weights."""
        import torch

        torch.save(self.module, path)

    @classmethod
    def load(cls, path: str) -> _Module:
        """Load what was saved."""
        import torch

        return cls(torch.load(path, weights_only=False))
