"""Train K networks of one architecture and batch size side by side, each as it would be alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np

from tuner.arguments import one_of
from tuner.dev_layout import DevLayout
from tuner.errors import ArgumentError
from tuner.inputs import Inputs
from tuner.metrics import METRICS, Measured, Metric, relative
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array, Bools
from tuner.nn.checkpoint import Start, checkpoint_of, restore
from tuner.nn.cohort import Cohort
from tuner.nn.diagnostics import LayerProbe, first_overflow
from tuner.nn.evaluation import Evaluator
from tuner.nn.examples import Examples, Prepared
from tuner.nn.hyperparameters import Hyperparameters
from tuner.nn.lane import CURVE, Lane, worst_measured
from tuner.nn.memory import UFUNC_BUFFER
from tuner.nn.network import TrainedNetwork
from tuner.nn.parameter_groups import check_rates
from tuner.nn.periodic import Periodic
from tuner.nn.plan import (
    PENALTY_PER,
    Augment,
    Masks,
    Order,
    Plan,
    check_agreement,
    check_updates,
    each,
    initial_thetas,
    prepared_sets,
)
from tuner.nn.stopping import Stopping
from tuner.nn.streams import Seed
from tuner.outcomes import StopReason

CURVE_ALL, CURVE_ROWS, CURVE_SHARE = 512, 128, 16
"""The curve's train cost and error use all examples up to 512, else a sixteenth, at least 128.

With a dev set of a third of the training set, measuring both takes less than 15% of an epoch."""


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """The results of an epoch; arrays have one entry per network, and a stopped network keeps its last values.

    ``train_*`` are of an evenly spaced sample of the training set.  ``monitored`` is the dev value that early stopping
    follows, ``on_dev`` what the dev set was measured to.  ``seconds`` is what the epoch took for all networks together,
    evaluation included.
    """

    epoch: int
    train_cost: Array
    train_error: Array
    dev_cost: Array
    dev_error: Array
    monitored: Array
    on_dev: list[Measured] = field(repr=False)
    running: Bools
    seconds: float


OnEpoch = Callable[[EpochMetrics], object]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class TrainingRun:
    """The networks in the order of their seeds; if training was interrupted, a checkpoint for ``resume``."""

    networks: list[TrainedNetwork]
    checkpoint: dict[str, Array] | None = field(repr=False)


def train(
    train: Examples | Sequence[Examples],
    dev: Examples | Sequence[Examples] | None,
    *,
    n_classes: int,
    hyperparameters: Hyperparameters | Sequence[Hyperparameters],
    seeds: Sequence[Seed],
    stopping: Stopping,
    output: str = "softmax",
    periodic: Sequence[int] = (),
    penalty_per: str = "train_set",
    rates: Mapping[str, float] | None = None,
    exact_zeros: bool = True,
    dtype: type[np.floating[Any]] = np.float32,
    augment: Augment | None = None,
    initial: Array | Sequence[Array] | None = None,
    order: Order | None = None,
    masks: Masks | None = None,
    on_epoch: OnEpoch | None = None,
    should_stop: ShouldStop | None = None,
    report_epochs: Collection[int] = (),
    resume: dict[str, Array] | None = None,
) -> TrainingRun:
    """Train K = len(seeds) networks side by side; each is bit for bit the network it would be alone.

    ``train``, ``dev`` and ``hyperparameters`` are one for all networks, or a sequence of K; hidden layers, activation,
    optimizer and batch size must agree.  ``initial`` is a flat θ for all networks, or one per network
    (``Architecture.flatten`` makes it).  ``periodic``: the columns of X, in rising order, that become periodic inputs.
    ``rates``: factors of α for groups of parameters (``PARAMETER_GROUPS``), 1 for others.  ``exact_zeros``: L1 is a
    soft threshold after each step, which makes weights exactly 0; False: its sign is part of the gradient, as in
    versions to 0.2.  ``order(epoch)``, epochs from 1, gives the order of the examples; without it the order is random.
    ``masks(epoch, batch, layer)``, each from 1, gives the units that a mini-batch keeps in a hidden layer with
    keep_prob below 1, 0 or 1 in (rows, units); without it they are drawn.  ``augment(rng, X)`` returns the mini-batch
    to train on.  ``on_epoch`` may return True to end training; ``should_stop`` is called before every mini-batch; an
    interrupted run continues with ``resume=run.checkpoint`` and otherwise the same arguments.  With ``report_epochs``,
    ``TrainedNetwork.layers`` describes the layers after these epochs and after the best one.
    """
    K = len(seeds)
    if not K:
        raise ArgumentError("seeds: expected at least 1 seed, got 0")
    one_of("penalty_per", penalty_per, PENALTY_PER)
    check_rates(rates or {})
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ArgumentError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")
    settings = each("hyperparameters", hyperparameters, Hyperparameters, K)
    check_agreement(settings)
    trains = each("train", train, Examples, K)
    shape = trains[0].X.shape if isinstance(trains[0].X, Inputs) else np.shape(trains[0].X)
    n_features = shape[-1] if len(shape) == 2 else 1
    architecture = Architecture(
        n_features,
        tuple(settings[0].hidden),
        n_classes,
        settings[0].activation,
        output,
        settings[0].residual,
        Periodic.of(periodic),
    )
    plan = Plan(
        architecture=architecture,
        trains=prepared_sets("train", trains, architecture, dtype),
        devs=None if dev is None else prepared_sets("dev", each("dev", dev, Examples, K), architecture, dtype),
        hyperparameters=settings,
        stopping=stopping,
        penalty_per=penalty_per,
        rates=rates or {},
        dtype=dtype,
        augment=augment,
        order=order,
        exact_zeros=exact_zeros,
        masks=masks,
    )
    check_updates(plan)
    begins = initial_thetas(initial, K, architecture)
    lanes = [Lane(number, plan, seed, begin) for number, (seed, begin) in enumerate(zip(seeds, begins, strict=True))]
    with np.errstate(all="ignore"):  # overflow is reported as divergence
        np.setbufsize(UFUNC_BUFFER)  # until the end of this block
        return TrainingLoop(plan, lanes, on_epoch, should_stop, frozenset(report_epochs), resume).run()


@dataclass
class TrainingLoop:
    """Train epoch by epoch until every network has stopped."""

    plan: Plan
    lanes: list[Lane]
    on_epoch: OnEpoch | None
    should_stop: ShouldStop | None
    report_epochs: frozenset[int]
    resume: InitVar[dict[str, Array] | None]

    def __post_init__(self, resume: dict[str, Array] | None) -> None:
        self.samples = {id(lane.train): curve_sample(lane.train) for lane in self.lanes}
        if resume is None:
            thetas = self.plan.in_training(np.array([lane.best_theta for lane in self.lanes]))
            self.epoch, self.cohort = 0, Cohort(self.plan, self.lanes, thetas)
        else:
            self.epoch, self.cohort = restore(self.plan, self.lanes, resume)
        self._prepare()

    def _prepare(self) -> None:
        """Bind the evaluations to the networks in training."""
        lanes = self.cohort.lanes
        self._train = self._evaluations([self.samples[id(lane.train)] for lane in lanes])
        devs = [lane.dev for lane in lanes if lane.dev is not None]
        self._dev = self._evaluations(devs, self.plan.stopping.metric)
        self._probes: dict[int, LayerProbe] = {}

    def _evaluations(self, sets: Sequence[Prepared], watched: Metric | None = None) -> list[Evaluator]:
        """Return one evaluator if all networks share the examples, else one per network."""
        architecture, theta = self.plan.architecture, self.cohort.shown
        if len({id(examples) for examples in sets}) == 1:
            return [Evaluator(architecture, theta, sets[0], watched)]
        return [Evaluator(architecture, theta[k : k + 1], examples, watched) for k, examples in enumerate(sets)]

    def run(self) -> TrainingRun:
        """Train to the end."""
        checkpoint = None
        while self.cohort.lanes and self.epoch < self.plan.stopping.max_epochs:
            began = time.perf_counter()
            start = Start.of(self.cohort)
            if not self.cohort.train_epoch(self.epoch, self.should_stop):
                start.undo(self.cohort)
                checkpoint = checkpoint_of(self.plan, self.epoch, self.lanes, self.cohort)
                self._end(StopReason.INTERRUPTED)
                break
            self.epoch += 1
            self._judge(start)
            if self._report_epoch(time.perf_counter() - began) is True:
                self._end(StopReason.STOPPED)
            self._drop_stopped()
        self._end(StopReason.MAX_EPOCHS)
        if self.report_epochs:
            self._describe_best()
        return TrainingRun([_finished(lane) for lane in self.lanes], checkpoint)

    def _describe_best(self) -> None:
        """Describe the layers of each network at its best epoch, in the order of the epochs."""
        for lane in self.lanes:
            best = lane.stopping.best_epoch
            if best and all(report.epoch != best for report in lane.reports):
                probe = LayerProbe(self.plan.architecture, lane.best_theta, self.samples[id(lane.train)])
                lane.reports = sorted([*lane.reports, *probe.describe(best)], key=lambda report: report.epoch)

    def _end(self, reason: StopReason) -> None:
        """Stop every network in training."""
        for lane in self.cohort.lanes:
            lane.stop_reason = lane.stop_reason or reason

    def _drop_stopped(self) -> None:
        """Go on with the networks that have not stopped."""
        running = [k for k, lane in enumerate(self.cohort.lanes) if lane.running]
        if not running:
            self.cohort.lanes.clear()
        elif len(running) < len(self.cohort.lanes):
            self.cohort = self.cohort.keep(running)
            self._prepare()

    def _judge(self, start: Start) -> None:
        """Measure every network, record its epoch, and decide who goes on."""
        trains = [one for evaluation in self._train for one in evaluation.measure()]
        devs: list[Measured | None] = [one for evaluation in self._dev for one in evaluation.measure()]
        for k, (lane, on_train) in enumerate(zip(self.cohort.lanes, trains, strict=True)):
            on_dev = devs[k] if devs else None
            losses = [*on_train[:2], *([] if on_dev is None else on_dev[:2])]
            if all(map(math.isfinite, losses)) and np.isfinite(self.cohort.theta[k]).all():
                lane.record(on_train, on_dev)
            else:
                lane.diverge(self._broken_layer(k, start))
        pooled = self.plan.stopping.pooled and bool(devs)
        if pooled:
            self._pool()
        for k, lane in enumerate(self.cohort.lanes):
            if not lane.running:
                continue
            lane.judge(self.epoch, self.cohort.shown[k], self._fewest_updates if pooled else lane.updates)
            if self.epoch in self.report_epochs:
                lane.reports += self._probe(k).describe(self.epoch)

    def _pool(self) -> None:
        """Let all networks follow the dev value of all of them together; none goes on once one has diverged."""
        lanes = self.cohort.lanes
        if not all(lane.running for lane in lanes):
            self._end(StopReason.STOPPED)
            return
        monitor, sizes = self.plan.stopping.metric, tuple(len(lane.on_dev.wrong) for lane in lanes)
        devs = [lane.dev for lane in lanes if lane.dev is not None]
        y = np.concatenate([dev.y for dev in devs])
        of_rows = [dev.error_weights for dev in devs if dev.error_weights is not None]
        weights = relative(np.concatenate(of_rows)) if of_rows else None
        value, cost = (
            metric.value(DevLayout(sizes, len(y)), [lane.on_dev for lane in lanes], y, weights)
            for metric in (monitor, METRICS["cost"])
        )
        for lane in lanes:
            lane.monitored, lane.monitored_cost = value, cost

    @property
    def _fewest_updates(self) -> int:
        """Updates of the network that has made the fewest: folds may differ by a mini-batch per epoch."""
        return min(lane.updates for lane in self.cohort.lanes)

    def _probe(self, k: int) -> LayerProbe:
        """Return the probe of the k-th network's layers, made once."""
        if k not in self._probes:
            sample = self.samples[id(self.cohort.lanes[k].train)]
            self._probes[k] = LayerProbe(self.plan.architecture, self.cohort.shown[k], sample)
        return self._probes[k]

    def _broken_layer(self, k: int, start: Start) -> int:
        """Return the layer where a network diverged: run its epoch again until a parameter is not finite.

        Checking every step in training would cost more than this one epoch.
        """
        alone = start.alone(self.cohort, k)
        alone.train_epoch(self.epoch - 1, lambda: not np.isfinite(alone.theta).all())
        assert alone.last is not None
        activations = [a[0] for a in alone.last.training.activations]
        n = self.plan.architecture.n_parameters
        return first_overflow(self.plan.architecture, activations, alone.gradient[0, :n], alone.theta[0, :n])

    def _report_epoch(self, seconds: float) -> object:
        """Record the epoch and return what ``on_epoch`` returns for it."""
        for lane in self.cohort.lanes:
            lane.curve["seconds"].append(seconds)
        if self.on_epoch is None:
            return None
        last = {name: np.array([lane.curve[name][-1] for lane in self.lanes]) for name in CURVE[:-1]}
        metrics = EpochMetrics(
            epoch=self.epoch,
            **last,
            monitored=np.array([lane.monitored for lane in self.lanes]),
            on_dev=[lane.on_dev for lane in self.lanes],
            running=np.array([lane.running for lane in self.lanes]),
            seconds=seconds,
        )
        return self.on_epoch(metrics)


def curve_sample(examples: Prepared) -> Prepared:
    """Return evenly spaced rows of a training set for its curve: the same in every epoch and for every seed."""
    n = len(examples)
    if n <= CURVE_ALL:
        return examples
    return examples.rows(np.arange(0, n, n // max(CURVE_ROWS, n // CURVE_SHARE)))


def _finished(lane: Lane) -> TrainedNetwork:
    """Return the network of a lane at its best epoch."""
    curve = {name: np.array(values) for name, values in lane.curve.items()}
    best, architecture = lane.stopping.best_epoch, lane.plan.architecture
    train, dev = worst_measured(lane.train), lane.best_on_dev
    if best:
        (train,) = Evaluator(architecture, lane.best_theta[None], lane.train).measure()
    assert lane.stop_reason is not None
    return TrainedNetwork(
        architecture=architecture,
        theta=lane.best_theta,
        best_epoch=best,
        epochs=len(curve["train_cost"]),
        updates=lane.stopping.best_updates,
        stop_reason=lane.stop_reason,
        diverged_layer=lane.diverged_layer,
        curve=curve,
        train_cost=train.cost,
        train_error=train.error,
        train_wrong=train.wrong,
        on_dev=dev,
        layers=lane.reports,
    )
