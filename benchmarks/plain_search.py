"""The script that a user of Optuna and PyTorch would write today; ``benchmarks/search.py`` runs it as a peer.

    python -m benchmarks.plain_search split.npz study.db 100 0    # data, database, trials, seed

Optuna's defaults on SQLite, its median pruner asked after every epoch, and the plain PyTorch loop on one thread with
early stopping: the space, epochs and patience of the digits study. Prints a line a trial: seconds since the start of
the script, and the best dev error so far.
"""

import sys
import time

BEGAN = time.time()

import numpy as np
import optuna
import torch
from torch import nn

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)
file, database, trials, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
arrays = np.load(file)
X_train, y_train = torch.from_numpy(arrays["X_train"]), torch.from_numpy(arrays["y_train"])
X_dev, y_dev = torch.from_numpy(arrays["X_dev"]), torch.from_numpy(arrays["y_dev"])
MAX_EPOCHS, PATIENCE, MIN_UPDATES = 100, 10, 500
INITIALIZERS = {
    "he": nn.init.kaiming_normal_,
    "xavier": nn.init.xavier_normal_,
    "lecun": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
}


def make_network(keep_prob: float, initializer: str) -> nn.Sequential:
    """Hidden layers of 64 and 32 units with dropout."""
    dropout = 1 - keep_prob
    network = nn.Sequential(
        *(nn.Linear(X_train.shape[1], 64), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(32, 10),
    )
    for layer in network:
        if isinstance(layer, nn.Linear):
            INITIALIZERS[initializer](layer.weight)
            nn.init.zeros_(layer.bias)
    return network


def objective(trial: optuna.Trial) -> float:
    """Train until the dev error does not fall any more."""
    lambda_ = trial.suggest_float("lambda", 1e-3, 10, log=True)
    keep_prob = trial.suggest_float("keep_prob", 0.5, 1)
    alpha = trial.suggest_float("alpha", 1e-2, 1, log=True)
    one_minus_beta = trial.suggest_float("one_minus_beta", 0.01, 0.2, log=True)
    batch_size = 2 ** trial.suggest_int("log2_batch_size", 4, 7)
    torch.manual_seed(seed * 100_000 + trial.number)
    network = make_network(keep_prob, trial.suggest_categorical("initializer", ["he", "xavier", "lecun"]))
    rate, decay = alpha * one_minus_beta, lambda_ / len(X_train)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=1 - one_minus_beta, weight_decay=decay)
    loss = nn.CrossEntropyLoss()
    best, best_epoch, updates = 1.0, 0, 0
    for epoch in range(1, MAX_EPOCHS + 1):
        network.train()
        for chosen in torch.randperm(len(X_train)).split(batch_size):
            optimizer.zero_grad()
            loss(network(X_train[chosen]), y_train[chosen]).backward()
            optimizer.step()
            updates += 1
        network.eval()
        with torch.no_grad():
            (network(X_train).argmax(1) != y_train).float().mean().item()  # the train error, for the curve
            dev_error = (network(X_dev).argmax(1) != y_dev).float().mean().item()
        if dev_error < best:
            best, best_epoch = dev_error, epoch
        trial.report(best, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
        if epoch - best_epoch >= PATIENCE and updates >= MIN_UPDATES:
            break
    return best


def tell(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
    """Print the time and the best so far."""
    print(time.time() - BEGAN, study.best_value, flush=True)


study = optuna.create_study(
    storage=f"sqlite:///{database}",
    sampler=optuna.samplers.TPESampler(seed=seed),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=MAX_EPOCHS // 3),
)
study.optimize(objective, n_trials=trials, callbacks=[tell])
