"""What ``sklearn_trainer.py`` searches, as a script of plain Optuna, to compare."""

import optuna
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

frame = pd.read_csv("studies/data/digits.csv.gz")
X, y = frame.drop(columns="label"), frame["label"]
X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
X, X_dev, y, y_dev = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
scaler = StandardScaler().fit(X)
X, X_dev = scaler.transform(X), scaler.transform(X_dev)


def objective(trial):
    """Return the dev error of a trial."""
    n_neighbors = trial.suggest_categorical("n_neighbors", [1, 2, 3, 5, 8, 13, 21])
    weights = trial.suggest_categorical("weights", ["uniform", "distance"])
    p = trial.suggest_categorical("p", [1, 2])
    model = KNeighborsClassifier(n_neighbors, weights=weights, p=p).fit(X, y)
    trial.set_user_attr("train_error", 1 - model.score(X, y))
    return 1 - model.score(X_dev, y_dev)


study = optuna.create_study(storage="sqlite:///optuna.db", study_name="knn", load_if_exists=True)
study.optimize(objective, n_trials=20)
print(study.best_params, study.best_value, study.best_trial.user_attrs)
