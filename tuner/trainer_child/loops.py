"""The usual loops, as custom trainers: ``tuner.sklearn_trainer`` and ``tuner.torch_trainer``."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Floats, Table
from tuner.metrics import relative
from tuner.trainer_child.messages import TrainerData
from tuner.trainer_child.report import EpochReport

PATIENCE = 10
"""Epochs without a better dev error after which PyTorch's loop ends."""
BATCH_SIZE = 64
"""Of PyTorch's loop, where the trial has no ``batch_size``."""
ROWS_AT_ONCE = 4096
"""Rows of which PyTorch's loop predicts the classes at a time."""

REGRESSION = "tuner_is_regression"
"""Attribute of a saved module of PyTorch's."""

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

    For regression it is the squared error of one output, (n, 1).
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
        model = _Module(make_module(params, data), data.n_targets if data.is_regression else 0)
        optimizer = make_optimizer(params, model.module.parameters())
        X, y = torch.tensor(data.train.X), torch.tensor(data.train.y)
        y = y.float() if data.is_regression else y
        w = None if data.train.weights is None else torch.tensor(relative(data.train.weights), dtype=torch.float32)
        least, best_epoch, best = math.inf, 0, None
        for epoch in range(1, report.max_epochs + 1):
            model.module.train()
            for rows in torch.randperm(len(X)).split(int(params.get("batch_size", BATCH_SIZE))):
                optimizer.zero_grad()
                loss = model.losses(X[rows], y[rows])
                (loss if w is None else loss * w[rows]).mean().backward()
                optimizer.step()
            train_error, dev_error = (model.error(table) for table in (data.train, data.dev))
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
    """A module of PyTorch's as a classifier, or as a regressor of ``n_targets`` numbers."""

    def __init__(self, module: Any, n_targets: int = 0) -> None:
        self.module = module
        self._n_targets = n_targets

    def losses(self, X: Any, y: Any) -> Any:
        """The loss of each row of tensors, (n,)."""
        import torch

        scores = self.module(X)
        if self._n_targets:
            return ((scores[:, 0] if self._n_targets == 1 else scores) - y).square().reshape(len(y), -1).mean(dim=1)
        return torch.nn.functional.cross_entropy(scores, y, reduction="none")

    def error(self, table: Table) -> float:
        """The share of a table's rows that are wrong, or the root mean squared error."""
        predicted = self.predict(table.X)
        losses = predicted != table.y
        if self._n_targets:
            losses = np.square(predicted - table.y).reshape(len(table), -1).mean(axis=1)
        mean = float(np.average(losses, weights=table.weights))
        return math.sqrt(mean) if self._n_targets else mean

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (n, n_classes)."""
        return np.concatenate([scores.softmax(dim=1).numpy() for scores in self._scores(X)])

    def _scores(self, X: Floats) -> list[Any]:
        import torch

        self.module.eval()
        with torch.no_grad():
            return [self.module(part) for part in torch.tensor(X).split(ROWS_AT_ONCE)]

    def predict(self, X: Floats) -> NDArray[Any]:
        """Class indices (n,), or numbers (n,), of several targets (n, n_targets)."""
        if self._n_targets:
            numbers: NDArray[Any] = np.concatenate([scores.numpy() for scores in self._scores(X)])
            return numbers[:, 0] if self._n_targets == 1 else numbers
        classes: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return classes

    def save(self, path: str) -> None:
        """Save the module with its weights."""
        import torch

        setattr(self.module, REGRESSION, self._n_targets)
        torch.save(self.module, path)

    @classmethod
    def load(cls, path: str) -> _Module:
        """Load what was saved."""
        import torch

        module = torch.load(path, weights_only=False)
        return cls(module, int(getattr(module, REGRESSION, 0)))
