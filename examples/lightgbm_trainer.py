"""A custom trainer with LightGBM, searched by ``examples/lightgbm-churn.toml``.  Install it: pip install lightgbm."""

from lightgbm import LGBMClassifier

import tuner


def classifier(**params):
    """Return a classifier with the names of [space] as its arguments."""
    return LGBMClassifier(n_estimators=100, verbose=-1, n_jobs=1, **params)


fit = tuner.sklearn_trainer(classifier)
