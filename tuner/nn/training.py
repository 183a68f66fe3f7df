"""Training: K networks of one architecture and batch size, side by side, each as it would be alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.errors import ArgumentError
from tuner.nn.architecture import Architecture
from tuner.nn.arguments import one_of
from tuner.nn.arrays import Array, Bools, Ints
from tuner.nn.examples import Examples
from tuner.nn.hyperparameters import Hyperparameters
from tuner.nn.losses import OUTPUTS
from tuner.nn.network import CHUNK, LayerReport, TrainedNetwork
from tuner.nn.optimizers import OPTIMIZERS, Rates
from tuner.nn.propagation import Propagation, logits_of
from tuner.nn.schedules import rate_factor
from tuner.nn.stopping import EarlyStopping, Stopping
from tuner.nn.streams import Seed, set_state, state_of, streams

PENALTY_PER = ("train_set", "mini_batch")
CURVE = ("train_cost", "train_error", "dev_cost", "dev_error", "seconds")
WORST_COST = 1e6
"""Stands for the cost of a network that has none, since it diverged; finite, so that it can be stored and ranked."""
BLOCK_BYTES = 1 << 20

Augment = Callable[[np.random.Generator, Array], Array]


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """What an epoch ended with; arrays have one entry a network, and a stopped network keeps its last values.

    ``train_*`` are of an evenly spaced sample of the training set.  ``monitored`` is the dev value that early stopping
    watches.  ``seconds`` is what the epoch took, evaluation included, for all networks together.
    """

    epoch: int
    train_cost: Array
    train_error: Array
    dev_cost: Array
    dev_error: Array
    monitored: Array
    dev_wrong: list[Bools] = field(repr=False)
    running: Bools
    seconds: float


@dataclass(frozen=True)
class TrainingRun:
    """The networks in the order of their seeds, and where training was interrupted a checkpoint for ``resume``."""

    networks: list[TrainedNetwork]
    checkpoint: dict[str, Array] | None = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """Everything ``train`` was asked, checked."""

    architecture: Architecture
    trains: list[Examples]
    devs: list[Examples] | None
    hyperparameters: list[Hyperparameters]
    stopping: Stopping
    penalty_per: str
    dtype: type[np.floating[Any]]
    augment: Augment | None
    order: Callable[[int], Ints] | None
    on_epoch: Callable[[EpochMetrics], object] | None
    should_stop: Callable[[], bool] | None
    report_epochs: Collection[int]


class Lane:
    """One network's own affairs: its data, streams, best epoch and curve."""

    def __init__(self, number: int, plan: Plan, seed: Seed, initial: Array | None) -> None:
        self.number = number
        self.hyperparameters = plan.hyperparameters[number]
        self.train = plan.trains[number]
        self.dev = plan.devs[number] if plan.devs is not None else None
        self.streams = streams(seed)
        begin = plan.architecture.initial(self.streams["initialisation"], self.hyperparameters.initializer)
        self.begin = (begin if initial is None else np.asarray(initial)).astype(plan.dtype)
        self.best_theta = self.begin.copy()
        self.stopping = EarlyStopping(plan.stopping)
        self.curve: dict[str, list[float]] = {name: [] for name in CURVE}
        self.monitored = math.nan
        n_dev = len(self.dev) if self.dev is not None else 0
        self.dev_wrong = np.ones(n_dev, dtype=bool)
        self.best_wrong = np.ones(n_dev, dtype=bool)
        self.updates = 0
        self.stop_reason = ""
        self.diverged_layer: int | None = None
        self.reports: list[LayerReport] = []

    @property
    def running(self) -> bool:
        """Whether the network still trains."""
        return not self.stop_reason


def train(
    train: Examples | Sequence[Examples],
    dev: Examples | Sequence[Examples] | None,
    *,
    n_classes: int,
    hyperparameters: Hyperparameters | Sequence[Hyperparameters],
    seeds: Sequence[Seed],
    stopping: Stopping,
    output: str = "softmax",
    penalty_per: str = "train_set",
    dtype: type[np.floating[Any]] = np.float32,
    augment: Augment | None = None,
    initial: Array | Sequence[Array] | None = None,
    order: Callable[[int], Ints] | None = None,
    on_epoch: Callable[[EpochMetrics], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
    report_epochs: Collection[int] = (),
    resume: dict[str, Array] | None = None,
) -> TrainingRun:
    """Train K = len(seeds) networks side by side; each is, to the bit, the network it would be alone.

    ``train``, ``dev`` and ``hyperparameters`` are one for all networks, or a sequence with one each; hidden layers,
    activation, optimizer and batch size must agree.  ``initial`` is a flat θ for all (``Architecture.flatten`` makes it),
    or one each; ``order(epoch)``, epochs from 1, gives the order of examples instead of a random one.
    ``augment(rng, X)`` returns the mini-batch to train on.  ``on_epoch`` may return True to end training; ``should_stop`` is asked every
    mini-batch, and what it interrupts can be continued with ``resume=run.checkpoint`` and the same other arguments.
    ``report_epochs`` are the epochs whose layers are described in ``TrainedNetwork.layers``.
    """
    K = len(seeds)
    if not K:
        raise ArgumentError("seeds must hold at least 1 seed, got 0")
    one_of("penalty_per", penalty_per, PENALTY_PER)
    settings = _each("hyperparameters", hyperparameters, Hyperparameters, K)
    trains = _each("train", train, Examples, K)
    shape = trains[0].X.shape
    architecture = Architecture(
        int(shape[1]) if len(shape) == 2 else 1, tuple(settings[0].hidden), n_classes, settings[0].activation, output
    )
    _check_agreement(settings)
    plan = Plan(
        architecture=architecture,
        trains=_checked("train", trains, architecture, dtype),
        devs=None if dev is None else _checked("dev", _each("dev", dev, Examples, K), architecture, dtype),
        hyperparameters=settings,
        stopping=stopping,
        penalty_per=penalty_per,
        dtype=dtype,
        augment=augment,
        order=order,
        on_epoch=on_epoch,
        should_stop=should_stop,
        report_epochs=frozenset(report_epochs),
    )
    begins = _initials(initial, K, architecture)
    lanes = [Lane(number, plan, seed, begins[number]) for number, seed in enumerate(seeds)]
    trainer = Trainer(plan, lanes)
    if resume is not None:
        trainer.restore(resume)
    with np.errstate(all="ignore"):
        return trainer.run()


def _each(name: str, given: Any, kind: type, K: int) -> list[Any]:
    """One for each of K networks, from one for all or a sequence."""
    if isinstance(given, kind):
        return [given] * K
    several = list(given)
    if len(several) != K:
        raise ArgumentError(f"{name} must be one or {K} (one per seed), got {len(several)}")
    return several


def _checked(
    name: str, sets: list[Examples], architecture: Architecture, dtype: type[np.floating[Any]]
) -> list[Examples]:
    """Every set checked once, however many networks share it."""
    done: dict[int, Examples] = {}
    for examples in sets:
        if id(examples) not in done:
            done[id(examples)] = examples.checked(name, n_classes=architecture.n_classes, dtype=dtype)
            found = done[id(examples)].X.shape[1]
            if found != architecture.n_features:
                raise ArgumentError(f"{name}: X must have {architecture.n_features} columns, got {found}")
    return [done[id(examples)] for examples in sets]


def _check_agreement(settings: list[Hyperparameters]) -> None:
    """Networks side by side share the shapes of their arrays, and the code that runs over them."""
    for name in ("hidden", "activation", "optimizer", "batch_size"):
        values = {getattr(one, name) for one in settings}
        if len(values) > 1:
            raise ArgumentError(f"networks side by side must agree in {name}, got {sorted(map(str, values))}")


def _initials(initial: Array | Sequence[Array] | None, K: int, architecture: Architecture) -> list[Array | None]:
    """The given θ of each network."""
    if initial is None:
        return [None] * K
    theta = np.asarray(initial, dtype=np.float64)
    size = architecture.n_parameters
    if theta.shape not in {(size,), (K, size)}:
        raise ArgumentError(f"initial must have shape ({size},) or ({K}, {size}), got {theta.shape}")
    return list(np.broadcast_to(theta, (K, size)))


class Trainer:
    """The epochs of all networks."""

    def __init__(self, plan: Plan, lanes: list[Lane]) -> None:
        self.plan = plan
        self.lanes = lanes
        self.epoch = 0
        self.checkpoint: dict[str, Array] | None = None
        self.optimizer = OPTIMIZERS[plan.hyperparameters[0].optimizer]
        self._settle([lane.begin for lane in lanes], None)

    def _settle(self, thetas: list[Array], slots: list[Array] | None) -> None:
        """Lay out the arrays of the networks that still run."""
        self.active = [lane for lane in self.lanes if lane.running]
        self.theta = np.array(thetas, dtype=self.plan.dtype).reshape(
            len(self.active), self.plan.architecture.n_parameters
        )
        self.gradient = np.zeros_like(self.theta)
        self.scratch = np.zeros_like(self.theta)
        self.slots = slots or [np.zeros_like(self.theta) for _ in range(self.optimizer.n_slots)]
        self.engines: dict[tuple[int, int, int], Propagation] = {}

    def run(self) -> TrainingRun:
        """Epoch after epoch until every network has stopped."""
        while self.active and self.epoch < self.plan.stopping.max_epochs:
            began = time.perf_counter()
            snapshot = self.snapshot()
            if not self._train_epoch():
                self.checkpoint = snapshot
                for lane in self.active:
                    lane.stop_reason = "interrupted"
                break
            self.epoch += 1
            self._evaluate()
            metrics = self._metrics(time.perf_counter() - began)
            if self.plan.on_epoch is not None and self.plan.on_epoch(metrics) is True:
                for lane in self.active:
                    lane.stop_reason = lane.stop_reason or "stopped"
            keep = [k for k, lane in enumerate(self.active) if lane.running]
            if len(keep) < len(self.active):
                self._settle([self.theta[k] for k in keep], [slot[keep] for slot in self.slots])
        for lane in self.active:
            lane.stop_reason = lane.stop_reason or "max_epochs"
        return TrainingRun([self._finished(lane) for lane in self.lanes], self.checkpoint)

    # One epoch.

    def _train_epoch(self) -> bool:
        """One pass over the examples; False where it was interrupted."""
        plan = self.plan
        orders = [self._order(lane) for lane in self.active]
        sizes = [_batch_sizes(len(lane.train), lane.hyperparameters.batch_size) for lane in self.active]
        rates = [self._rate(lane) for lane in self.active]
        starts = [0] * len(self.active)
        for step in range(max(map(len, sizes))):
            if plan.should_stop is not None and plan.should_stop():
                return False
            rows = [size[step] if step < len(size) else 0 for size in sizes]
            together = len(set(rows)) == 1
            groups = [(0, len(self.active))] if together else [(k, k + 1) for k in range(len(rows)) if rows[k]]
            for first, stop in groups:
                chosen = [orders[k][starts[k] : starts[k] + rows[k]] for k in range(first, stop)]
                self._step(first, stop, chosen, rates)
            for k, lane in enumerate(self.active):
                starts[k] += rows[k]
                lane.updates += rows[k] > 0
        return True

    def _order(self, lane: Lane) -> Ints:
        if self.plan.order is not None:
            return np.asarray(self.plan.order(self.epoch + 1))
        if lane.hyperparameters.batch_size == "full":
            return np.arange(len(lane.train))
        return lane.streams["shuffles"].permutation(len(lane.train))

    def _rate(self, lane: Lane) -> float:
        hp = lane.hyperparameters
        return hp.alpha * rate_factor(
            hp.schedule,
            self.epoch,
            decay_rate=hp.decay_rate,
            decay_epochs=hp.decay_epochs,
            warmup_epochs=hp.warmup_epochs,
            max_epochs=self.plan.stopping.max_epochs,
        )

    def _step(self, first: int, stop: int, chosen: list[Ints], rates: list[float]) -> None:
        """One mini-batch of the networks first to stop."""
        lanes = self.active[first:stop]
        rows = len(chosen[0])
        engine = self._engine(first, stop, rows)
        X = np.stack([self._batch(lane, index) for lane, index in zip(lanes, chosen, strict=True)])
        y = np.stack([lane.train.y[index] for lane, index in zip(lanes, chosen, strict=True)])
        weights = None
        if any(lane.train.weights is not None for lane in lanes):
            weights = np.stack(
                [
                    np.ones(rows, self.plan.dtype) if lane.train.weights is None else lane.train.weights[index]
                    for lane, index in zip(lanes, chosen, strict=True)
                ]
            )
        masks = self._masks(lanes, rows)
        engine.forward(X, masks)
        engine.backward(X, y, weights, masks)
        part = slice(first, stop)
        self._penalise(part, lanes, rows)
        columns = {
            "alpha": rates[part],
            "beta": [lane.hyperparameters.beta for lane in lanes],
            "beta2": [lane.hyperparameters.beta2 for lane in lanes],
        }
        coefficients = {name: np.array(values, dtype=self.plan.dtype)[:, None] for name, values in columns.items()}
        self.optimizer.update(
            self.theta[part],
            [slot[part] for slot in self.slots],
            self.gradient[part],
            Rates(**coefficients, step=lanes[0].updates + 1),
            self.scratch[part],
        )

    def _batch(self, lane: Lane, index: Ints) -> Array:
        X = lane.train.X[index]
        if self.plan.augment is None:
            return X
        changed = np.asarray(self.plan.augment(lane.streams["augmentation"], X), dtype=self.plan.dtype)
        if changed.shape != X.shape:
            raise ArgumentError(f"augment must return shape {X.shape}, got {changed.shape}")
        return changed

    def _engine(self, first: int, stop: int, rows: int) -> Propagation:
        key = (first, stop, rows)
        if key not in self.engines:
            theta, gradient = self.theta[first:stop], self.gradient[first:stop]
            self.engines[key] = Propagation(self.plan.architecture, theta, gradient, rows)
        return self.engines[key]

    def _masks(self, lanes: list[Lane], rows: int) -> list[Array | None]:
        """Inverted dropout: 1/keep_prob with probability keep_prob, else 0."""
        masks: list[Array | None] = []
        for layer, width in enumerate(self.plan.architecture.hidden):
            keeps = [lane.hyperparameters.keep_probs[layer] for lane in lanes]
            if min(keeps) == 1:
                masks.append(None)
                continue
            mask = np.ones((len(lanes), rows, width), self.plan.dtype)
            for k, (lane, keep) in enumerate(zip(lanes, keeps, strict=True)):
                if keep < 1:
                    mask[k] = (lane.streams["masks"].random((rows, width), dtype=np.float32) < keep) / keep
            masks.append(mask)
        return masks

    def _penalise(self, part: slice, lanes: list[Lane], rows: int) -> None:
        """Add (λ W + λ₁/2 sign W) / m to the gradient of every W."""
        if all(lane.hyperparameters.lambda_ == 0 and lane.hyperparameters.l1 == 0 for lane in lanes):
            return
        m = [rows if self.plan.penalty_per == "mini_batch" else len(lane.train) for lane in lanes]
        l2 = np.array([lane.hyperparameters.lambda_ / n for lane, n in zip(lanes, m, strict=True)], self.plan.dtype)
        l1 = np.array([lane.hyperparameters.l1 / (2 * n) for lane, n in zip(lanes, m, strict=True)], self.plan.dtype)
        for w, _ in self.plan.architecture.slices():
            W = self.theta[part, w]
            self.gradient[part, w] += l2[:, None] * W + l1[:, None] * np.sign(W)

    # What an epoch says.

    def _evaluate(self) -> None:
        for k, lane in enumerate(self.active):
            theta = self.theta[k : k + 1]
            cost, error, _ = measure(self.plan.architecture, theta, _sample(lane.train))
            values = {"train_cost": cost, "train_error": error, "dev_cost": math.nan, "dev_error": math.nan}
            if lane.dev is not None:
                values["dev_cost"], values["dev_error"], lane.dev_wrong = measure(
                    self.plan.architecture, theta, lane.dev
                )
            finite = bool(np.isfinite(theta).all()) and all(
                math.isfinite(value) for name, value in values.items() if lane.dev is not None or "train" in name
            )
            if not finite:
                self._diverge(lane, theta[0], values)
            for name, value in values.items():
                lane.curve[name].append(value)
            lane.monitored = self._monitored(lane, values)
            if not finite:
                continue
            if lane.dev is None or lane.stopping.better(lane.monitored, epoch=self.epoch, updates=lane.updates):
                lane.best_theta = theta[0].copy()
                lane.best_wrong = lane.dev_wrong
            if lane.dev is not None and lane.stopping.exhausted(epoch=self.epoch, updates=lane.updates):
                lane.stop_reason = "patience"

    def _monitored(self, lane: Lane, values: dict[str, float]) -> float:
        monitor = self.plan.stopping.monitor
        if monitor != "balanced_error" or lane.dev is None:
            return values["dev_cost" if monitor == "cost" else "dev_error"]
        counts = np.bincount(lane.dev.y)
        wrong = np.bincount(lane.dev.y, weights=lane.dev_wrong)
        return float((wrong[counts > 0] / counts[counts > 0]).mean())

    def _diverge(self, lane: Lane, theta: Array, values: dict[str, float]) -> None:
        lane.stop_reason = "diverged"
        lane.diverged_layer = 1
        for number, (w, b) in enumerate(self.plan.architecture.slices(), start=1):
            if not (np.isfinite(theta[w]).all() and np.isfinite(theta[b]).all()):
                lane.diverged_layer = number
                break
        for name in values:
            if lane.dev is not None or "train" in name:
                values[name] = WORST_COST if "cost" in name else 1.0
        lane.dev_wrong = np.ones(len(lane.dev_wrong), dtype=bool)

    def _metrics(self, seconds: float) -> EpochMetrics:
        for lane in self.active:
            lane.curve["seconds"].append(seconds)
        last = {name: np.array([lane.curve[name][-1] for lane in self.lanes]) for name in CURVE[:-1]}
        return EpochMetrics(
            epoch=self.epoch,
            **last,
            monitored=np.array([lane.monitored for lane in self.lanes]),
            dev_wrong=[lane.dev_wrong for lane in self.lanes],
            running=np.array([lane.running for lane in self.lanes]),
            seconds=seconds,
        )

    def _finished(self, lane: Lane) -> TrainedNetwork:
        """The network of a lane at its best epoch."""
        architecture = self.plan.architecture
        epochs = len(lane.curve["train_cost"])
        best = lane.stopping.best_epoch if lane.dev is not None else epochs
        failed = not best or (lane.dev is None and lane.stop_reason == "diverged")
        train_cost, train_error, _ = measure(architecture, lane.best_theta[None], lane.train)
        curve = {name: np.array(values) for name, values in lane.curve.items()}
        if failed:
            train_cost, train_error = WORST_COST, 1.0
        no_dev = lane.dev is None
        return TrainedNetwork(
            architecture=architecture,
            theta=lane.best_theta,
            best_epoch=best,
            epochs=epochs,
            updates=lane.updates if no_dev else lane.stopping.best_updates,
            stop_reason=lane.stop_reason,
            diverged_layer=lane.diverged_layer,
            curve=curve,
            train_cost=train_cost,
            train_error=train_error,
            dev_cost=math.nan if no_dev else float(curve["dev_cost"][best - 1]) if best else WORST_COST,
            dev_error=math.nan if no_dev else float(curve["dev_error"][best - 1]) if best else 1.0,
            dev_wrong=lane.best_wrong,
            layers=lane.reports,
        )

    # Checkpoints.

    def snapshot(self) -> dict[str, Array]:
        """Everything that the next epoch depends on."""
        found: dict[str, Array] = {"epoch": np.array(self.epoch)}
        where = {lane.number: k for k, lane in enumerate(self.active)}
        for lane in self.lanes:
            name = f"{lane.number}."
            k = where.get(lane.number)
            found[name + "stop_reason"] = np.array(lane.stop_reason)
            found[name + "diverged_layer"] = np.array(-1 if lane.diverged_layer is None else lane.diverged_layer)
            found[name + "theta"] = (lane.best_theta if k is None else self.theta[k]).copy()
            for number, slot in enumerate(self.slots):
                found[f"{name}slot{number}"] = np.zeros(0) if k is None else slot[k].copy()
            found[name + "best_theta"] = lane.best_theta
            found[name + "best"] = np.array(
                [lane.stopping.best_value, lane.stopping.best_epoch, lane.stopping.best_updates, lane.monitored]
            )
            found[name + "updates"] = np.array(lane.updates)
            found[name + "wrong"] = np.array([lane.best_wrong, lane.dev_wrong])
            found[name + "curve"] = np.array([lane.curve[key] for key in CURVE])
            found[name + "streams"] = np.array([state_of(rng) for rng in lane.streams.values()])
        return found

    def restore(self, found: dict[str, Array]) -> None:
        """Go back to a snapshot."""
        self.epoch = int(found["epoch"])
        for lane in self.lanes:
            name = f"{lane.number}."
            lane.stop_reason = str(found[name + "stop_reason"])
            layer = int(found[name + "diverged_layer"])
            lane.diverged_layer = None if layer < 0 else layer
            lane.best_theta = found[name + "best_theta"].copy()
            value, epoch, updates, lane.monitored = (float(x) for x in found[name + "best"])
            lane.stopping.best_value, lane.stopping.best_epoch = value, int(epoch)
            lane.stopping.best_updates = int(updates)
            lane.updates = int(found[name + "updates"])
            lane.best_wrong, lane.dev_wrong = found[name + "wrong"].astype(bool)
            lane.curve = dict(zip(CURVE, found[name + "curve"].tolist(), strict=True))
            for rng, words in zip(lane.streams.values(), found[name + "streams"], strict=True):
                set_state(rng, words)
        running = [lane.number for lane in self.lanes if lane.running]
        slots = [
            np.array([found[f"{number}.slot{slot}"] for number in running]) for slot in range(self.optimizer.n_slots)
        ]
        self._settle([found[f"{number}.theta"] for number in running], slots)


def _batch_sizes(n: int, batch_size: int | str) -> list[int]:
    """Rows of each mini-batch of an epoch; the last one keeps what is left."""
    size = n if batch_size == "full" else int(batch_size)
    return [size] * (n // size) + ([n % size] if n % size else [])


def _sample(examples: Examples) -> Examples:
    """Evenly spaced rows of a training set for its curve: the same rows in every epoch and for every seed."""
    step = max(1, len(examples) // 1000)
    weights = None if examples.weights is None else examples.weights[::step]
    return Examples(examples.X[::step], examples.y[::step], weights)


def measure(architecture: Architecture, theta: Array, examples: Examples) -> tuple[float, float, Bools]:
    """Mean cost, error and the wrong examples of one network, θ (1, n_parameters), with keep_prob 1."""
    output = OUTPUTS[architecture.output]
    wrong = np.empty(len(examples), dtype=bool)
    total, mass = 0.0, 0.0
    for start in range(0, len(examples), CHUNK):
        rows = slice(start, start + CHUNK)
        logits = logits_of(architecture, theta, examples.X[rows])[0]
        losses = output.losses(logits, examples.y[rows])
        weights = np.ones(len(losses)) if examples.weights is None else examples.weights[rows]
        total += float(np.dot(losses, weights))
        mass += float(weights.sum())
        wrong[rows] = output.classes(logits) != examples.y[rows]
    return total / mass, float(np.count_nonzero(wrong)) / len(examples), wrong
