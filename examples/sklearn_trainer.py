"""A custom trainer with scikit-learn: k nearest neighbors, searched by ``examples/sklearn-digits.toml``."""

from sklearn.neighbors import KNeighborsClassifier

import tuner

fit = tuner.sklearn_trainer(KNeighborsClassifier)  # called with the names of [space]
