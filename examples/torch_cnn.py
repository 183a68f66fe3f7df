"""A custom trainer with PyTorch: a convolutional network on the images of digits, searched by ``torch-cnn.toml``."""

import torch
from torch import nn

import tuner


def module(params, data):
    """Return two convolutions and one dense layer."""
    channels, (height, width) = params["channels"], data.image
    return nn.Sequential(
        nn.Unflatten(1, (1, height, width)),
        nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(1 - params["keep_prob"]),
        nn.Linear(2 * channels * (height // 4) * (width // 4), data.n_classes),
    )  # fmt: skip


def optimizer(params, weights):
    """Return Adam with weight decay."""
    return torch.optim.AdamW(weights, lr=params["alpha"], weight_decay=params["weight_decay"])


fit = tuner.torch_trainer(module, optimizer)
