"""Hints for names of other libraries and for misspelled names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tuner.formatting import did_you_mean, some_of

_LEARNING_RATE = "the learning rate is space.alpha"
_MOMENTUM = "momentum is space.beta"
_DROPOUT = "dropout is space.keep_prob, the share of units that are kept: keep_prob = 1 − dropout"
_L2 = (
    "the L2 penalty is space.lambda, which adds lambda/(2m) times the squared weights to the cost of m training rows: "
    "lambda = m × PyTorch's weight_decay = 2m × Keras's l2"
)
_HIDDEN = 'the layers are network.hidden = [64, 32], or searched: space.hidden = { choice = ["64-32", "128"] }'
_EPOCHS = "the number of epochs is training.max_epochs"
_PATIENCE = "early stopping is training.patience, in epochs"
_INITIALIZER = "the initialization of the weights is space.initializer"
_SCHEDULE = "the learning-rate schedule is space.schedule"
_FOLDS = "cross-validation is data.folds"
_DEV = "the validation set is the dev set: data.split.dev is its size, data.dev its file"
_TARGET = "the column to predict is data.target"
_SOURCE = "the data file is data.source"
_SEED = "the seed of the search is search.seed, the seed of the split data.seed"
_TRIALS = "the number of trials is search.trials"
_TIMEOUT = "the seconds per trial are search.trial_timeout; for the whole search: tuner search --timeout 2h"

KEYS = {
    "learningrate": _LEARNING_RATE,
    "learningrateinit": _LEARNING_RATE,
    "lr": _LEARNING_RATE,
    "eta": _LEARNING_RATE,
    "stepsize": _LEARNING_RATE,
    "momentum": _MOMENTUM,
    "beta1": _MOMENTUM,
    "dropout": _DROPOUT,
    "dropoutrate": _DROPOUT,
    "droprate": _DROPOUT,
    "weightdecay": _L2,
    "l2": _L2,
    "l2regularization": _L2,
    "reglambda": _L2,
    "units": _HIDDEN,
    "layers": _HIDDEN,
    "nlayers": _HIDDEN,
    "hiddenlayers": _HIDDEN,
    "hiddenlayersizes": _HIDDEN,
    "hiddensize": _HIDDEN,
    "hiddenunits": _HIDDEN,
    "width": _HIDDEN,
    "epochs": _EPOCHS,
    "nepochs": _EPOCHS,
    "numepochs": _EPOCHS,
    "maxiter": _EPOCHS,
    "iterations": _EPOCHS,
    "earlystopping": _PATIENCE,
    "earlystoppingrounds": _PATIENCE,
    "niternochange": _PATIENCE,
    "kernelinitializer": _INITIALIZER,
    "init": _INITIALIZER,
    "weightinit": _INITIALIZER,
    "lrscheduler": _SCHEDULE,
    "scheduler": _SCHEDULE,
    "learningrateschedule": _SCHEDULE,
    "ema": "the average of the weights is space.weight_average",
    "emadecay": "the average of the weights is space.weight_average",
    "swa": "the average of the weights is space.weight_average",
    "batchnorm": 'batch normalization is space.normalization = "batch"',
    "batchnormalization": 'batch normalization is space.normalization = "batch"',
    "residual": "residual blocks are space.residual = true",
    "skipconnections": "residual blocks are space.residual = true",
    "gradclip": "the largest norm of the gradient is space.clip_norm",
    "clipnorm": "the largest norm of the gradient is space.clip_norm",
    "maxgradnorm": "the largest norm of the gradient is space.clip_norm",
    "solver": "the optimizer is space.optimizer",
    "cv": _FOLDS,
    "kfolds": _FOLDS,
    "nfolds": _FOLDS,
    "nsplits": _FOLDS,
    "validation": _DEV,
    "valid": _DEV,
    "val": _DEV,
    "validationset": _DEV,
    "validationsplit": _DEV,
    "valsplit": _DEV,
    "testsize": "the test set's size is data.split.test",
    "label": _TARGET,
    "y": _TARGET,
    "targetcolumn": _TARGET,
    "csv": _SOURCE,
    "file": _SOURCE,
    "path": _SOURCE,
    "filename": _SOURCE,
    "randomstate": _SEED,
    "randomseed": _SEED,
    "ntrials": _TRIALS,
    "maxtrials": _TRIALS,
    "timeout": _TIMEOUT,
    "scoring": "the metric is search.metric",
    "objective": "the metric is search.metric",
    "njobs": "the number of processes is an option, not part of a study: tuner search --workers 2",
    "workers": "the number of processes is an option, not part of a study: tuner search --workers 2",
}
"""Keys of Keras, PyTorch, scikit-learn and Optuna -> where the same thing is here.

PyTorch's ``weight_decay`` w adds w·θ to the gradient and Keras's ``l2`` adds 2·l2·θ, where λ adds (λ/m)·θ.
"""

VALUES = {
    "sgd": "gradient_descent",
    "adamax": "adam",
    "nadam": "adam",
    "adagrad": "rmsprop",
    "adadelta": "rmsprop",
    "logistic": "sigmoid",
    "elu": "selu",
    "swish": "silu",
    "glorot": "xavier",
    "glorotnormal": "xavier",
    "xaviernormal": "xavier",
    "glorotuniform": "xavier_uniform",
    "henormal": "he",
    "kaiming": "he",
    "kaimingnormal": "he",
    "heuniform": "he",
    "kaiminguniform": "he",
    "lecunnormal": "lecun",
    "randomnormal": "random_small",
    "accuracy": "error",
    "rmse": "error",
    "mae": "absolute_error",
    "meanabsoluteerror": "absolute_error",
    "balancedaccuracy": "balanced_error",
    "loss": "cost",
    "logloss": "cost",
    "crossentropy": "cost",
    "bayesian": "tpe",
    "bayesianoptimization": "tpe",
    "sobol": "qmc",
    "cosineannealing": "cosine",
    "cosinedecay": "cosine",
    "onecycle": "one_cycle",
    "onecyclelr": "one_cycle",
    "exponentialdecay": "exponential",
    "steplr": "step",
    "batchnorm": "batch",
    "batchnormalization": "batch",
    "asha": "hyperband",
}
"""Values of other libraries -> the nearest value of the same key here."""

_SUFFIXES = ("sampler", "pruner", "optimizer", "initializer", "activation", "scheduler")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint after ``;``: the closest of the known names, else all of them."""
    known = list(known)
    return f"; {did_you_mean(name, known) or 'expected one of ' + some_of(known)}" if known else ""


def nearest_key(name: str, known: Iterable[str]) -> str:
    """Return the same for a key of a definition; it may be another library's."""
    meant = KEYS.get(_plain(name))
    return f"; {meant}" if meant else nearest(name, known)


def suggest(value: object, known: Iterable[str]) -> str:
    """Return a hint in parentheses for a value that is not in a table of names; empty if none is near."""
    if not isinstance(value, str):
        return ""
    by_plain_name = {_plain(name): name for name in known}
    plain = _plain(value)
    for suffix in _SUFFIXES:
        plain = plain.removesuffix(suffix) or plain
    meant = by_plain_name.get(plain) or by_plain_name.get(_plain(VALUES.get(plain, "")))
    hint = f"did you mean {meant!r}?" if meant else did_you_mean(value, by_plain_name.values())
    return f" ({hint})" if hint else ""


def _plain(name: str) -> str:
    """Return a name in lower case without blanks, ``_`` and ``-``."""
    return re.sub(r"[\s_-]", "", name).lower()
