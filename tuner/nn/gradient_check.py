"""The gradient check: compare the gradient used in training with differences of the reported cost.

Central differences (J(θ+ε) − J(θ−ε)) / 2ε over the flat θ in float64; for each part of θ and for all of it the
relative difference ‖numeric − analytic‖ / (‖numeric‖ + ‖analytic‖).  A correct gradient has about 1e-9 at ε = 1e-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuner.arguments import integer, number
from tuner.nn.activations import ACTIVATIONS
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array, Ints
from tuner.nn.calls import run
from tuner.nn.cohort import Cohort
from tuner.nn.examples import Examples, Prepared
from tuner.nn.hyperparameters import Hyperparameters
from tuner.nn.lane import Lane
from tuner.nn.losses import output_named
from tuner.nn.normalization import Normalized, Statistics, scale_slices
from tuner.nn.penalties import penalty_cost
from tuner.nn.periodic import Periodic
from tuner.nn.plan import Plan
from tuner.nn.propagation import ForwardPass, TrainingPass
from tuner.nn.stopping import Stopping
from tuner.nn.streams import Seed

GREAT, LOOK, WRONG = 1e-7, 1e-5, 1e-3
SHOWN = 3
NAMES, PERIODIC_NAMES = "Wbγ", "VU"
"""A layer's parts: weights, biases and scales.  Of periodic inputs, layer 0: waves, and what units take of them."""
UPDATES = 50


def gradient_verdict(difference: float) -> str:
    """Judge a relative difference: "great" below 1e-7, "look" to 1e-5, "worry" above, "wrong" above 1e-3."""
    if difference < GREAT:
        return "great"
    if difference <= LOOK:
        return "look"
    return "worry" if difference <= WRONG else "wrong"


@dataclass(frozen=True, slots=True)
class EntryCheck:
    """One entry of W (row, column), of b (unit), or of V or U (column, row, unit), numbers from 0."""

    index: tuple[int, ...]
    analytic: float
    numeric: float


@dataclass(frozen=True, slots=True)
class PartCheck:
    """A layer's W, b or, with normalization, γ: ``checked`` of its ``size`` entries were compared.

    Layer 0 are periodic inputs: V, frequencies and phases of waves, and U, whose last row are biases.

    ``worst`` are those that differ most.  Entries whose step crosses the kink of an activation, or of a weight's L1
    penalty, have no derivative and are ``skipped``.
    """

    layer: int
    name: str
    size: int
    checked: int
    skipped: int
    relative_difference: float
    worst: list[EntryCheck]


@dataclass(frozen=True, slots=True)
class PointCheck:
    """The check at one θ: at initialization (``updates`` 0) or after some training."""

    updates: int
    cost: float
    relative_difference: float
    parts: list[PartCheck]

    @property
    def verdict(self) -> str:
        """The verdict on its relative difference."""
        return gradient_verdict(self.relative_difference)


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """The whole check; ``keep_prob_forced``: the network has dropout, which was switched off."""

    points: list[PointCheck]
    n_parameters: int
    n_examples: int
    epsilon: float
    lambda_: float
    l1: float
    keep_prob_forced: bool

    @property
    def relative_difference(self) -> float:
        """The largest relative difference of all points."""
        return max(point.relative_difference for point in self.points)

    @property
    def verdict(self) -> str:
        """The verdict on the largest relative difference."""
        return gradient_verdict(self.relative_difference)

    @property
    def passed(self) -> bool:
        """Whether no point is above 1e-5."""
        return self.relative_difference <= LOOK


def check_gradients(
    examples: Examples,
    *,
    n_classes: int,
    hyperparameters: Hyperparameters,
    seed: Seed,
    output: str = "softmax",
    periodic: Sequence[int] = (),
    penalty_per: str = "train_set",
    epsilon: float = 1e-5,
    entries: int = 100,
    examples_used: int = 64,
) -> GradientCheck:
    """Check the gradient at initialization and after at least 50 updates with these hyperparameters.

    The cost is over ``examples_used`` evenly spaced examples, with the penalty and keep_prob 1.  At most ``entries``
    entries of each W and each b are compared, drawn by the seed; each needs two costs.
    """
    number("epsilon", epsilon, above=0, high=1e-2)
    integer("entries", entries, low=1)
    integer("examples_used", examples_used, low=1)
    settings = replace(hyperparameters, keep_prob=1.0)
    is_numeric = output_named(output).is_numeric
    known = examples.prepared("examples", n_classes=n_classes, dtype=np.float64, is_numeric=is_numeric)
    some = known.rows(np.linspace(0, len(known) - 1, min(examples_used, len(known))).astype(np.int64))
    architecture = Architecture(
        known.n_features,
        settings.hidden,
        n_classes,
        settings.activation,
        output,
        settings.residual,
        Periodic.of(periodic),
    )
    whole = replace(settings, optimizer="gradient_descent", alpha=1.0, batch_size="full", schedule="constant")
    whole = replace(whole, warmup_epochs=0)
    plan = Plan(architecture, [some], None, [whole], Stopping(), penalty_per, np.float64, None, None)
    lane = Lane(0, plan, seed, None)
    steps = 1 if settings.batch_size == "full" else -(-len(known) // settings.batch_size)
    stopping = Stopping(max_epochs=-(-UPDATES // steps), patience=None)
    begin = plan.in_training(lane.best_theta[None])[0]
    points = []
    for theta, updates in (
        (begin, 0),
        _trained(replace(plan, trains=[known], hyperparameters=[settings], stopping=stopping), begin, seed),
    ):
        analytic = Cohort(plan, [lane], theta[None]).first_gradient()[0]
        chosen = _stratified(_places(architecture, theta), lane.streams["shuffles"], entries)
        cost = CostFunction(architecture, some, whole, epsilon)
        points.append(compare_gradients(architecture, theta, analytic, cost, chosen, updates=updates))
    return GradientCheck(
        points,
        plan.n_trained,
        len(some),
        epsilon,
        settings.lambda_,
        settings.l1,
        keep_prob_forced=settings != hyperparameters,
    )


def _trained(plan: Plan, theta: Array, seed: Seed) -> tuple[Array, int]:
    """Train one network from θ (n_trained,) and return its θ after the last epoch that is finite, and its updates."""
    lane = Lane(0, plan, seed, None)
    cohort = Cohort(plan, [lane], theta[None])
    with np.errstate(all="ignore"):
        for epoch in range(plan.stopping.max_epochs):
            before, updates = cohort.theta[0].copy(), lane.updates
            cohort.train_epoch(epoch)
            if not np.isfinite(cohort.theta).all():
                return before, updates
    return cohort.theta[0], lane.updates


class CostFunction:
    """J(θ) on a few examples, with the penalty, and the side of every kink on which θ is.

    Layers are normalized over these examples, if they are, and targets as smooth as in training.
    """

    def __init__(
        self, architecture: Architecture, examples: Prepared, settings: Hyperparameters, epsilon: float
    ) -> None:
        self.epsilon = epsilon
        self._architecture = architecture
        self._examples = examples
        self._settings = settings
        n, rows = architecture.n_parameters, len(examples)
        if settings.normalizes:
            self._theta = np.zeros((1, n + sum(architecture.hidden)))
            gradient, slot = np.zeros_like(self._theta), np.zeros_like(self._theta)
            running = Statistics.of(slot, architecture)
            normalized = Normalized(self._theta[:, n:], gradient[:, n:], running, 1.0)
            forward = TrainingPass(architecture, self._theta[:, :n], gradient[:, :n], rows, normalized=normalized)
            targets, weight = np.zeros((1, architecture.n_outputs, rows)), np.zeros((1, 1, rows))
            batch = forward.batch(examples.extended()[None], targets, weight, [None] * len(architecture.hidden))
            self._forward: ForwardPass = forward
            self._calls = batch.forward
        else:
            self._theta = np.zeros((1, n))
            self._forward = ForwardPass(architecture, self._theta, rows)
            self._calls = self._forward.calls(examples.extended()[None])

    def __call__(self, theta: Array) -> float:
        """J(θ)"""
        self._theta[0] = theta
        weights, m = self._examples.weights, len(self._examples)
        run(self._calls)
        y, smoothing = self._examples.y, self._settings.label_smoothing
        losses = (1 - smoothing) * self._losses(y)
        if smoothing:
            each = [self._losses(np.full_like(y, one)) for one in range(self._architecture.n_classes)]
            losses += smoothing * np.mean(each, axis=0)
        w = np.concatenate([W.ravel() for W, _ in self._architecture.views(theta[: self._architecture.n_parameters])])
        penalty = penalty_cost(w, lambda_=self._settings.lambda_, l1=self._settings.l1, m=m)
        return float((losses if weights is None else losses * weights).mean()) + penalty

    def _losses(self, y: Array) -> Array:
        """Return the loss of each example if its target were y."""
        output = self._architecture.functions
        return output.assess(self._forward.logits[0].copy(), output.labels(y))[0]

    def sides(self) -> Array:
        """Return on which side of its kink every unit was in the last call."""
        none = np.zeros(0, dtype=bool)
        if self._forward.periodic is not None:
            none = (self._forward.periodic.units > 0).ravel()
        if not ACTIVATIONS[self._architecture.activation].has_kink:
            return none
        activations, before = self._forward.activations, [none, *self._forward.activations]
        layers = zip(activations, before, self._architecture.adds_input, strict=False)
        return np.concatenate([none, *((a > (added if adds else 0)).ravel() for a, added, adds in layers)])

    def crosses(self, value: float) -> bool:
        """Whether a step of ε moves this weight across the kink of the L1 penalty."""
        return self._settings.l1 > 0 and 0 < abs(value) < self.epsilon


def compare_gradients(
    architecture: Architecture,
    theta: Array,
    analytic: Array,
    cost: CostFunction,
    chosen: Sequence[Sequence[Ints]],
    *,
    updates: int,
) -> PointCheck:
    """Compare an analytic gradient (n_parameters,) with differences of the cost at chosen entries of each W and b."""
    theta = theta.astype(np.float64)
    parts, compared = [], []
    first = 1 if architecture.periodic is None else 0
    for layer, (slices, entries) in enumerate(zip(_places(architecture, theta), chosen, strict=True), start=first):
        names, shapes = _parts(architecture, layer)
        for name, place, some, shape in zip(names, slices, entries, shapes, strict=False):
            pairs = {int(entry): _numeric(cost, theta, place.start + int(entry), name) for entry in some}
            kept = {entry: value for entry, value in pairs.items() if value is not None}
            a = analytic[place][list(kept)]
            n = np.array(list(kept.values()))
            order = np.argsort(-np.abs(a - n), kind="stable")[:SHOWN]
            worst = [
                EntryCheck(tuple(int(i) for i in np.unravel_index(list(kept)[k], shape)), float(a[k]), float(n[k]))
                for k in order
            ]
            size, skipped = place.stop - place.start, len(pairs) - len(kept)
            parts.append(PartCheck(layer, name, size, len(kept), skipped, relative_difference(a, n), worst))
            compared.append((a, n))
    everything = [np.concatenate(one) for one in zip(*compared, strict=True)]
    return PointCheck(updates, cost(theta), relative_difference(*everything), parts)


def _parts(architecture: Architecture, layer: int) -> tuple[str, Sequence[tuple[int, ...]]]:
    """Return the names and shapes of a layer's parts."""
    if not layer and architecture.periodic is not None:
        return PERIODIC_NAMES, architecture.periodic.shapes
    n_in, n_out = architecture.widths[layer - 1 : layer + 1]
    return NAMES, [(n_in, n_out), (n_out,), (n_out,)]


def relative_difference(analytic: Array, numeric: Array) -> float:
    """Return ‖numeric − analytic‖ / (‖numeric‖ + ‖analytic‖), or 0 if both are 0."""
    total = float(np.linalg.norm(analytic) + np.linalg.norm(numeric))
    return float(np.linalg.norm(numeric - analytic)) / total if total else 0.0


def _numeric(cost: CostFunction, theta: Array, entry: int, name: str) -> float | None:
    """Return the central difference at one entry of θ, or None at a kink."""
    value = theta[entry]
    if name == "W" and cost.crosses(value):
        return None
    evaluations = []
    for step in (cost.epsilon, -cost.epsilon):
        theta[entry] = value + step
        evaluations.append((cost(theta), cost.sides()))
    theta[entry] = value
    (above, sides), (below, other) = evaluations
    return (above - below) / (2 * cost.epsilon) if np.array_equal(sides, other) else None


def _places(architecture: Architecture, theta: Array) -> list[list[slice]]:
    """Return the places of each layer's W, b and, if θ in training has them, γ; before, those of periodic inputs."""
    places = [list(pair) for pair in architecture.slices()]
    if len(theta) > architecture.n_parameters:
        for own, scales in zip(places, scale_slices(architecture), strict=False):  # the output layer has none
            own.append(scales)
    return places if architecture.periodic is None else [[*architecture.periodic.slices], *places]


def _stratified(places: list[list[slice]], rng: np.random.Generator, entries: int) -> list[list[Ints]]:
    """Draw the entries of each part to compare: at most ``entries`` each."""
    sizes = [[part.stop - part.start for part in parts] for parts in places]
    return [[np.sort(rng.choice(size, size=min(entries, size), replace=False)) for size in each] for each in sizes]
