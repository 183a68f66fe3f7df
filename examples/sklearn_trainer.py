"""A trainer of one's own with scikit-learn: k nearest neighbors, searched by ``examples/sklearn-digits.toml``."""

from sklearn.neighbors import KNeighborsClassifier


def fit(params, data, seed, report):
    """Return the predicted class indices of the train and the dev rows.

    ``params`` are the names of [space] with their values; ``data.train`` and ``data.dev`` have X and y.  There are no
    epochs, so ``report`` is not called, and nothing here is random, so neither is ``seed`` used.
    """
    model = KNeighborsClassifier(n_neighbors=params["n_neighbors"], weights=params["weights"], p=params["p"])
    model.fit(data.train.X, data.train.y)
    return model.predict(data.train.X), model.predict(data.dev.X)
