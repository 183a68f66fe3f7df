"""What ``lightgbm_trainer.py`` searches, as a script of plain Optuna, to compare."""

import optuna
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.model_selection import train_test_split

frame = pd.read_csv("studies/data/churn.csv", parse_dates=["signup"])
y = frame.pop("churned")
frame["signup"] = frame["signup"].astype("int64")
for name in frame.select_dtypes("object"):
    frame[name] = frame[name].astype("category")
X, X_test, y, y_test = train_test_split(frame, y, test_size=0.2, stratify=y, random_state=0)
X, X_dev, y, y_dev = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)


def objective(trial):
    """Return the dev error of a trial."""
    model = LGBMClassifier(
        n_estimators=100,
        verbose=-1,
        n_jobs=1,
        random_state=trial.number,
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        num_leaves=trial.suggest_int("num_leaves", 4, 64, log=True),
        min_child_samples=trial.suggest_categorical("min_child_samples", [5, 10, 20, 50]),
        reg_lambda=trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
    ).fit(X, y)
    trial.set_user_attr("train_error", 1 - model.score(X, y))
    return 1 - model.score(X_dev, y_dev)


study = optuna.create_study(storage="sqlite:///optuna.db", study_name="lgbm", load_if_exists=True)
study.optimize(objective, n_trials=20)
print(study.best_params, study.best_value, study.best_trial.user_attrs)
