"""The hyperparameters of one network, with the bounds of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuner.arguments import integer, number, one_of, power_of_two
from tuner.errors import ArgumentError
from tuner.nn.activations import ACTIVATIONS
from tuner.nn.architecture import residual_layers
from tuner.nn.initializers import INITIALIZERS
from tuner.nn.normalization import NORMALIZATIONS
from tuner.nn.optimizers import OPTIMIZERS
from tuner.nn.periodic import HIGHEST_FREQUENCY, MOST_FREQUENCY
from tuner.nn.schedules import SCHEDULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """The settings of one network and its training, checked on construction.

    ``lambda_`` (L2) and ``l1`` act as λ/(2m) Σ w² and λ₁/(2m) Σ |w|.  ``keep_prob`` is one number for all hidden
    layers, or one per hidden layer.  ``alpha`` is the learning rate; ``beta`` the momentum, adam's β₁ too; ``beta2`` is
    rmsprop's and adam's.  ``batch_size`` is "full" or a power of two (1: stochastic gradient descent).  ``decay_rate``,
    ``decay_epochs`` and ``decay_start`` belong to the schedule (see ``schedules``); ``warmup_epochs`` precedes any
    schedule.  ``label_smoothing`` is the share of each target that is spread evenly over all classes, and no use with
    numbers.  ``clip_norm`` is the largest norm of the loss's gradient, 0 for any.  ``weight_average`` is the decay rate
    of the average of θ over the updates that is evaluated in the place of θ, 0 for θ itself.  ``residual``: hidden
    layers as wide as the one before add that one's activations.  ``highest_frequency``, in cycles per unit of a number,
    is that of the waves of periodic inputs at the start.
    """

    hidden: tuple[int, ...] = ()
    activation: str = "relu"
    initializer: str = "he"
    lambda_: float = 0.0
    l1: float = 0.0
    keep_prob: float | tuple[float, ...] = 1.0
    alpha: float = 0.1
    beta: float = 0.9
    beta2: float = 0.999
    batch_size: int | Literal["full"] = 64
    optimizer: str = "momentum"
    schedule: str = "constant"
    decay_rate: float = 1.0
    decay_epochs: int = 10
    decay_start: int = 0
    warmup_epochs: int = 0
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    weight_average: float = 0.0
    normalization: str = "none"
    residual: bool = False
    highest_frequency: float = HIGHEST_FREQUENCY

    def __post_init__(self) -> None:
        for width in self.hidden:
            integer("hidden", width, low=1)
        one_of("activation", self.activation, ACTIVATIONS)
        one_of("initializer", self.initializer, INITIALIZERS)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("schedule", self.schedule, SCHEDULES)
        number("lambda", self.lambda_, low=0)
        number("l1", self.l1, low=0)
        number("alpha", self.alpha, above=0)
        number("beta", self.beta, low=0, below=1)
        number("beta2", self.beta2, low=0, below=1)
        number("decay_rate", self.decay_rate, low=0)
        integer("decay_epochs", self.decay_epochs, low=1)
        integer("decay_start", self.decay_start, low=0)
        integer("warmup_epochs", self.warmup_epochs, low=0)
        number("label_smoothing", self.label_smoothing, low=0, below=1)
        number("clip_norm", self.clip_norm, low=0)
        number("weight_average", self.weight_average, low=0, below=1)
        number("highest_frequency", self.highest_frequency, above=0, high=MOST_FREQUENCY)
        one_of("normalization", self.normalization, NORMALIZATIONS)
        if self.batch_size == 1 and self.normalizes:
            raise ArgumentError('normalization: expected "none" with batch_size 1, as one row has no variance')
        if self.batch_size != "full":
            power_of_two("batch_size", self.batch_size)
        self._check_keep_prob()

    def _check_keep_prob(self) -> None:
        """Check that each is in (0, 1], and that several are one per hidden layer."""
        several = self.keep_prob if isinstance(self.keep_prob, tuple) else (self.keep_prob,)
        for keep_prob in several:
            number("keep_prob", keep_prob, above=0, high=1)
        if isinstance(self.keep_prob, tuple) and len(several) != len(self.hidden):
            raise ArgumentError(
                f"keep_prob: expected one number or {len(self.hidden)} (one per hidden layer), got {len(several)}"
            )

    @property
    def normalizes(self) -> bool:
        """Whether hidden layers are normalized over the mini-batch."""
        return self.normalization == "batch" and bool(self.hidden)

    @property
    def n_slots(self) -> int:
        """Arrays like θ that training keeps: the optimizer's, the average of θ, and the statistics of mini-batches."""
        return OPTIMIZERS[self.optimizer].n_slots + bool(self.weight_average) + self.normalizes

    @property
    def keep_probs(self) -> tuple[float, ...]:
        """Return keep_prob of every hidden layer."""
        return self.keep_prob if isinstance(self.keep_prob, tuple) else (self.keep_prob,) * len(self.hidden)


def idle_hyperparameters(hyperparameters: Hyperparameters) -> frozenset[str]:
    """Return the fields that have no effect on this network, such as ``beta`` with gradient descent.

    The search space is static, so they are sampled anyway; an analysis of the trials should ignore them.
    """
    used = OPTIMIZERS[hyperparameters.optimizer].hyperparameters | SCHEDULES[hyperparameters.schedule].hyperparameters
    without_hidden = () if hyperparameters.hidden else ("activation", "keep_prob", "normalization")
    without_pair = () if any(residual_layers(hyperparameters.hidden)) else ("residual",)
    optional = {"beta", "beta2", "decay_rate", "decay_epochs", "decay_start"}
    return frozenset({*optional, *without_hidden, *without_pair}) - used
