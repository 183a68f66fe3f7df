"""A custom trainer of numbers: random forests of scikit-learn, searched by ``examples/forest-diabetes.toml``."""

from sklearn.ensemble import RandomForestRegressor

import tuner

fit = tuner.sklearn_trainer(RandomForestRegressor)  # called with the names of [space]
