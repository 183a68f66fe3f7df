"""What ``torch_cnn.py`` searches, as a script of plain Optuna, to compare."""

import copy

import optuna
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from torch import nn

frame = pd.read_csv("studies/data/digits.csv.gz")
X, y = torch.tensor(frame.drop(columns="label").to_numpy("float32") / 16), torch.tensor(frame["label"])
X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
X, X_dev, y, y_dev = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)


def objective(trial):
    """Return the dev error of a trial."""
    torch.manual_seed(trial.number)
    c = trial.suggest_int("channels", 4, 32, log=True)
    size = trial.suggest_int("batch_size", 16, 128, log=True)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, c, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(c, 2 * c, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(1 - trial.suggest_float("keep_prob", 0.5, 1.0)),
        nn.Linear(8 * c, 10),
    )
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=trial.suggest_float("alpha", 3e-4, 3e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
    )
    least, best_epoch, best = 2.0, 0, None
    for epoch in range(30):
        model.train()
        for rows in torch.randperm(len(X)).split(size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            error = (model(X_dev).argmax(1) != y_dev).float().mean().item()
        if error < least:
            least, best_epoch, best = error, epoch, copy.deepcopy(model.state_dict())
        trial.report(error, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
        if epoch - best_epoch >= 10:
            break
    model.load_state_dict(best)
    with torch.no_grad():
        trial.set_user_attr("train_error", (model(X).argmax(1) != y).float().mean().item())
    return least


study = optuna.create_study(storage="sqlite:///optuna.db", study_name="cnn", load_if_exists=True)
study.optimize(objective, n_trials=20)
print(study.best_params, study.best_value, study.best_trial.user_attrs)
