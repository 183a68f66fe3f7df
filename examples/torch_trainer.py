"""A trainer of one's own with PyTorch: the network that tuner trains itself.

``tuner search examples/torch-digits.toml`` searches its hyperparameters.  Install PyTorch first (pip install torch).
"""

import copy
from itertools import pairwise

import torch
from torch import nn

PATIENCE = 10


def network(n_inputs, hidden, n_classes, keep_prob):
    """Fully connected layers with ReLU and dropout, He initialization and biases of 0."""
    layers, widths = [], [n_inputs, *hidden, n_classes]
    for n_in, n_out in pairwise(widths):
        layer = nn.Linear(n_in, n_out)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU(), nn.Dropout(1 - keep_prob)]
    return nn.Sequential(*layers[:-2])


def fit(params, data, seed, report):
    """Train until the dev error has not improved for ten epochs; return the best epoch's labels of train and dev.

    ``report(epoch, train_error, dev_error)`` after every epoch lets a hopeless trial end early.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    X, y = torch.tensor(data.train.X), torch.tensor(data.train.y)
    X_dev, y_dev = torch.tensor(data.dev.X), torch.tensor(data.dev.y)
    model = network(X.shape[1], [64, 32], data.n_classes, params["keep_prob"])
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    # Momentum as tuner writes it, v = beta v + (1 - beta) g, is PyTorch's with alpha (1 - beta) for a learning rate.
    optimizer = torch.optim.SGD(model.parameters(), lr=params["alpha"] * (1 - params["beta"]), momentum=params["beta"])

    def labels(inputs):
        model.eval()
        with torch.no_grad():
            return model(inputs).argmax(1)

    best_error, best_epoch, best = 2.0, 0, None
    for epoch in range(1, report.max_epochs + 1):
        model.train()
        for rows in torch.randperm(len(X)).split(params["batch_size"]):
            optimizer.zero_grad()
            penalty = sum((weight**2).sum() for weight in weights) * params["lambda"] / (2 * len(X))
            (nn.functional.cross_entropy(model(X[rows]), y[rows]) + penalty).backward()
            optimizer.step()
        train_error = (labels(X) != y).float().mean().item()
        dev_error = (labels(X_dev) != y_dev).float().mean().item()
        if dev_error < best_error:
            best_error, best_epoch, best = dev_error, epoch, copy.deepcopy(model.state_dict())
        report(epoch, train_error, dev_error)
        if epoch - best_epoch >= PATIENCE:
            break
    model.load_state_dict(best)
    return labels(X).numpy(), labels(X_dev).numpy()
