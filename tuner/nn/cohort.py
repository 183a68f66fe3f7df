"""The networks in training, side by side: their arrays and the steps of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tuner.errors import ArgumentError
from tuner.nn.arrays import Array, Ints
from tuner.nn.calls import Call, run
from tuner.nn.dropout import draw_mask
from tuner.nn.flags import FlagRows
from tuner.nn.lane import Lane
from tuner.nn.memory import aligned, row_length
from tuner.nn.normalization import Normalized, Statistics, fold
from tuner.nn.optimizers import Rates
from tuner.nn.parameter_groups import rate_factors
from tuner.nn.penalties import Penalty
from tuner.nn.plan import Augment, Masks, Plan, checked_mask, checked_order
from tuner.nn.propagation import Batch, TrainingPass
from tuner.nn.updates import Averaging, Clipping, Update

BLOCK_BYTES = 1 << 20
"""Bytes of examples and masks in one block of mini-batches, gathered at once: half of a level-2 cache."""
FLUSHED_EVERY = 100  # steps


class Group(NamedTuple):
    """Networks ``first`` to ``stop`` of a cohort, which train on mini-batches of ``rows`` rows together."""

    first: int
    stop: int
    rows: int


class TrainingStep(NamedTuple):
    """A group's step on the mini-batch at one place of the buffers; ``calls`` are both passes and the update."""

    group: Group
    training: TrainingPass
    update: Update
    X: Array
    batch: Batch
    calls: list[Call]


class Block(NamedTuple):
    """Mini-batches that are gathered at once: for each network the examples start to stop of its order.

    ``shares`` holds, for each network and example, 1 / rows of the example's mini-batch.  ``steps`` are pairs of the
    step's number in the epoch, from 0, and the step; groups that step one after the other share a number.
    """

    ranges: list[tuple[int, int]]
    shares: list[Array]
    steps: list[tuple[int, TrainingStep]]


class Buffers:
    """A block of mini-batches of K networks: examples, targets, weights of examples, and masks.

    The targets (n_outputs, rows) of a mini-batch are contiguous: NumPy is half as fast on a part of a longer row.
    """

    def __init__(self, plan: Plan, lanes: Sequence[Lane], rows: int) -> None:
        K, shape = len(lanes), plan.architecture
        rooms = [lane.train.room(rows) for lane in lanes] if plan.is_wide else []
        self._flags = [room for room in rooms if isinstance(room, FlagRows)]
        self._inputs = aligned((K, 0 if plan.is_wide else rows, shape.n_features + 1), plan.dtype)
        self._n_outputs, self._n_classes = shape.n_outputs, shape.n_classes
        self.targets = aligned((K, rows * shape.n_outputs), plan.dtype)
        self.weight = aligned((K, 1, rows), plan.dtype)
        self.masks: list[Array | None] = []
        for layer, width in enumerate(shape.hidden):
            dropped = any(lane.hyperparameters.keep_probs[layer] < 1 for lane in lanes)
            self.masks.append(aligned((K, rows, row_length(width)), plan.dtype) if dropped else None)

    def at(self, group: Group, start: int, training: TrainingPass) -> tuple[Array, Batch]:
        """Return X and the views of a group's mini-batch that begins at this row."""
        part, rows = slice(group.first, group.stop), slice(start, start + group.rows)
        masks = [None if mask is None else mask[part, rows] for mask in self.masks]
        inputs, flags = self._inputs[part, rows], [of_lane.part(rows) for of_lane in self._flags[part]]
        targets = self._targets(self.targets[part], start, start + group.rows, group.rows)[:, 0]
        return inputs[..., :-1], training.batch(flags or inputs, targets, self.weight[part, :, rows], masks)

    def inputs_of(self, k: int, rows: int) -> Array | FlagRows:
        """Return where the inputs of a network's first rows are written."""
        return self._flags[k] if self._flags else self._inputs[k, :rows]

    def put_targets(
        self, k: int, y: Ints, batch_rows: int, targets: Callable[[Ints, Array], object], smoothing: float
    ) -> None:
        """Write the weighted targets of a network's examples: mini-batches of ``batch_rows``, then the remainder.

        ``smoothing``: the share of a target that is spread evenly over all classes.
        """
        whole = len(y) - len(y) % batch_rows
        for start, stop, rows in ((0, whole, batch_rows), (whole, len(y), len(y) - whole)):
            if start < stop:
                out = self._targets(self.targets[k], start, stop, rows)
                targets(y[start:stop].reshape(-1, rows, *y.shape[1:]), out)
                if smoothing:
                    np.multiply(out, out.dtype.type(1 - smoothing), out)
                    np.add(out, out.dtype.type(smoothing / self._n_classes), out)
                np.multiply(out, self.weight[k, 0, start:stop].reshape(-1, 1, rows), out)

    def _targets(self, targets: Array, start: int, stop: int, rows: int) -> Array:
        """Return the targets (..., mini-batches, n_outputs, rows) of the examples start to stop."""
        n = self._n_outputs
        return targets[..., start * n : stop * n].reshape(*targets.shape[:-1], -1, n, rows)


class Cohort:
    """K networks in arrays with a leading axis: θ, gradient and slots are (K, n_trained).

    ``shown`` (K, n_parameters) is what is evaluated after an epoch: θ itself, its average, or either with the
    normalization folded in.
    """

    def __init__(self, plan: Plan, lanes: Sequence[Lane], theta: Array, slots: Sequence[Array] | None = None) -> None:
        self.plan = plan
        self.lanes = list(lanes)
        shape = (len(lanes), plan.n_trained)
        self.theta, self.gradient = aligned(shape, plan.dtype), aligned(shape, plan.dtype)
        self.slots = [aligned(shape, plan.dtype) for _ in range(plan.n_slots)]
        self.theta[...] = theta
        for slot, given in zip(self.slots, slots or (), strict=False):
            slot[...] = given
        self._average = self.slots[plan.optimizer.n_slots] if plan.averages else None
        self._statistics = Statistics.of(self.slots[-1], plan.architecture) if plan.normalizes else None
        self._averaged = self.theta if self._average is None else self._average
        self.shown = self._averaged
        if plan.normalizes:
            self.shown = aligned((len(lanes), plan.architecture.n_parameters), plan.dtype)
        self.alphas = [0.0] * len(lanes)
        self.last: TrainingStep | None = None
        self._alphas_set: list[float] = []
        self._factors = rate_factors(plan.architecture, plan.n_trained, plan.rates, plan.dtype)
        self._even = all(lane.train.weights is None for lane in lanes)
        self._groups: dict[Group, tuple[TrainingPass, Update]] = {}
        self._steps: dict[tuple[Group, int], TrainingStep] = {}
        self._blocks = self._lay_out()

    def keep(self, places: list[int]) -> Cohort:
        """Return the cohort of the networks at these places."""
        slots = [slot[places] for slot in self.slots]
        kept = Cohort(self.plan, [self.lanes[k] for k in places], self.theta[places], slots)
        kept.alphas = [self.alphas[k] for k in places]
        return kept

    # The layout of an epoch: sizes and buffers never change, so every epoch has the same.

    def _lay_out(self) -> list[Block]:
        """Bind every mini-batch of an epoch to buffers.

        The number of mini-batches per block does not depend on the number of networks, so masks are drawn in the same
        portions as for one network alone.
        """
        sizes = [_batch_sizes(len(lane.train), self.plan.batch_rows(lane.number)) for lane in self.lanes]
        largest, longest = max(size[0] for size in sizes), max(map(len, sizes))
        per_block = max(1, BLOCK_BYTES // (largest * self._row_bytes()))
        self.buffers = Buffers(self.plan, self.lanes, largest * min(per_block, longest))
        blocks = []
        for first in range(0, longest, per_block):
            within = [size[first : first + per_block] for size in sizes]
            ranges = [(sum(size[:first]), sum(size[: first + per_block])) for size in sizes]
            shares = [np.repeat(1 / np.array(size, dtype=np.float64), size).astype(self.plan.dtype) for size in within]
            blocks.append(Block(ranges, shares, self._steps_of(first, within)))
        return blocks

    def _row_bytes(self) -> int:
        """Bytes of one example in a block."""
        masked = any(keep < 1 for lane in self.lanes for keep in lane.hyperparameters.keep_probs)
        shape = self.plan.architecture
        return (shape.n_features + masked * sum(shape.hidden)) * np.dtype(self.plan.dtype).itemsize

    def _steps_of(self, first: int, sizes: list[list[int]]) -> list[tuple[int, TrainingStep]]:
        """Return the steps of one block, from the rows of each network's mini-batches.

        Networks whose mini-batches differ in size (the last of an epoch may) step one after the other.
        """
        steps = []
        for place in range(max(map(len, sizes))):
            rows = [size[place] if place < len(size) else 0 for size in sizes]
            alike = len(set(rows)) == 1
            groups = [Group(0, len(rows), rows[0])] if alike else [Group(k, k + 1, r) for k, r in enumerate(rows) if r]
            steps += [(first + place, self._step(group, sum(sizes[group.first][:place]))) for group in groups]
        return steps

    def _step(self, group: Group, start: int) -> TrainingStep:
        """Return a group's step on the mini-batch that begins at this row of the buffers; all blocks share it."""
        if (group, start) not in self._steps:
            training, update = self._bound(group)
            X, batch = self.buffers.at(group, start, training)
            calls = [*batch.forward, *batch.backward, *update.step]
            self._steps[group, start] = TrainingStep(group, training, update, X, batch, calls)
        return self._steps[group, start]

    def _bound(self, group: Group) -> tuple[TrainingPass, Update]:
        """Return the pass and the update of a group, made once."""
        if group not in self._groups:
            part = slice(group.first, group.stop)
            plan, architecture = self.plan, self.plan.architecture
            theta, gradient = self.theta[part], self.gradient[part]
            slots = [slot[part] for slot in self.slots[: plan.optimizer.n_slots]]
            rates, penalty, averaging = self._empty_coefficients(group)
            clips = any(lane.hyperparameters.clip_norm for lane in self.lanes[part])
            n = architecture.n_parameters
            training = TrainingPass(
                architecture,
                theta[:, :n],
                gradient[:, :n],
                group.rows,
                even=self._even,
                normalized=self._normalized(group),
            )
            clipping = Clipping(gradient) if clips else None
            update = Update(
                plan.optimizer, architecture, theta, gradient, slots, rates, penalty, clipping, averaging, self._factors
            )
            self._groups[group] = training, update
        return self._groups[group]

    def _normalized(self, group: Group) -> Normalized | None:
        """Return what a group's hidden layers are normalized with."""
        if self._statistics is None:
            return None
        part, n = slice(group.first, group.stop), self.plan.architecture.n_parameters
        size = self.lanes[group.first].hyperparameters.batch_size  # the same in every lane: check_agreement
        running = Statistics(*(one[part] for one in self._statistics))
        share = 1.0 if size == "full" else group.rows / size
        return Normalized(self.theta[part, n:], self.gradient[part, n:], running, share)

    def _empty_coefficients(self, group: Group) -> tuple[Rates, Penalty, Averaging | None]:
        """Return rates, penalty and averaging of a group, to be set each epoch or step.

        Scalars where all its networks share the value, which is faster in NumPy, else columns.
        """
        part = slice(group.first, group.stop)
        lanes = self.lanes[part]
        settings = [lane.hyperparameters for lane in lanes]
        alike = all(one == settings[0] for one in settings)
        same_size = alike and len({len(lane.train) for lane in lanes}) == 1
        in_step = same_size and len({lane.updates for lane in lanes}) == 1

        has_l2, has_l1 = any(one.lambda_ for one in settings), any(one.l1 for one in settings)

        def empty(alike: bool) -> Array:
            return np.ones(() if alike else (len(lanes), 1), dtype=self.plan.dtype)

        return (
            Rates(*(empty(in_step if self.plan.optimizer.corrected else alike) for _ in Rates._fields)),
            Penalty(
                empty(same_size) if has_l2 else None,
                empty(same_size) if has_l1 else None,
                empty(same_size) if has_l1 and self.plan.exact_zeros else None,
                empty(same_size) if has_l2 and self.plan.optimizer.decoupled else None,
            ),
            None if self._average is None else Averaging(self._average[part], empty(in_step), empty(in_step)),
        )

    # One epoch.

    def train_epoch(self, epoch: int, should_stop: Callable[[], bool] | None = None) -> bool:
        """Make one pass over the examples; ``epoch`` counts from 0.  False if ``should_stop`` ended it.

        The pass ends early at ``max_updates``.
        """
        most = self.plan.stopping.max_updates  # the same number in every lane: check_updates
        allowed = math.inf if most is None else most - self.lanes[0].updates
        self._set_alphas(epoch)
        orders = [self._order(lane, epoch) for lane in self.lanes]
        self._set_coefficients()
        set_step = self._step_setter()
        for block in self._blocks:
            if block.steps[0][0] >= allowed:
                break
            self._fill(block, orders, epoch)
            for number, step in block.steps:
                if number >= allowed:
                    break
                if should_stop is not None and should_stop():
                    return False
                self.last = step
                if set_step is not None:
                    set_step(step, number)
                run(step.calls)
            # The gradient of the last bias sums over all logits, so it is not finite if anything before it is not.
            if not np.isfinite(self.gradient[:, self.plan.architecture.n_parameters - 1]).any():
                break
        if self._statistics is not None:
            fold(self.plan.architecture, self._averaged, self._statistics, self.shown)
        for lane in self.lanes:
            lane.updates += int(min(self.plan.updates_per_epoch(lane.number), allowed))
        return True

    def first_gradient(self) -> Array:
        """Return the gradient (K, n_parameters) of the first mini-batch with its penalty, as the optimizer gets it."""
        self._set_alphas(0)
        self._set_coefficients()
        self._fill(self._blocks[0], [self._order(lane, 0) for lane in self.lanes], 0)
        step = self.first_step
        run([*step.batch.forward, *step.batch.backward, *step.update.penalize])
        return self.gradient

    @property
    def first_step(self) -> TrainingStep:
        """The first step of an epoch."""
        return self._blocks[0].steps[0][1]

    def _set_alphas(self, epoch: int) -> None:
        """Set the learning rates of this epoch, and rescale slots that are multiples of them."""
        alphas = [lane.alpha(epoch) for lane in self.lanes]
        if self.plan.optimizer.follows_alpha:
            for k, (old, new) in enumerate(zip(self.alphas, alphas, strict=True)):
                if old not in (0.0, new):
                    for slot in self.slots[: self.plan.optimizer.n_slots]:
                        slot[k] *= self.plan.dtype(new / old)
        self.alphas = alphas

    def _order(self, lane: Lane, epoch: int) -> Ints | None:
        """Return the order of a network's examples in this epoch; None is the order of the data."""
        if self.plan.order is not None:
            return checked_order(self.plan.order(epoch + 1), len(lane.train))
        if lane.hyperparameters.batch_size == "full":
            return None
        return lane.streams["shuffles"].permutation(len(lane.train))

    def _set_coefficients(self) -> None:
        """Set every group's rates and penalties of this epoch, if a learning rate has changed."""
        if self._alphas_set == self.alphas:
            return
        self._alphas_set = list(self.alphas)
        for group, bound in self._groups.items():
            self._set_group(group, *bound)

    def _set_group(self, group: Group, training: TrainingPass, update: Update) -> None:
        """Set the weights, rates and penalty of a group; the penalty is scaled like the gradient."""
        lanes = self.lanes[group.first : group.stop]
        alphas = self.alphas[group.first : group.stop]
        settings = [lane.hyperparameters for lane in lanes]

        def fitting(values: Sequence[float], where: Array) -> Array:
            return np.array(values, dtype=self.plan.dtype)[:, None] if where.ndim else np.asarray(values[0])

        rates, penalty = update.rates, update.penalty
        rates.set(
            fitting(alphas, rates.alpha),
            fitting([hp.beta for hp in settings], rates.beta),
            fitting([hp.beta2 for hp in settings], rates.beta2),
        )
        scales = [self._scale(lane, alpha) for lane, alpha in zip(lanes, alphas, strict=True)]
        training.weigh([scale / group.rows for scale in scales])
        if update.clipping is not None:
            update.clipping.set([hp.clip_norm * scale for hp, scale in zip(settings, scales, strict=True)])
        per = [group.rows if self.plan.penalty_per == "mini_batch" else len(lane.train) for lane in lanes]
        share = [scale / m for scale, m in zip(scales, per, strict=True)]
        if penalty.l2 is not None:
            penalty.l2[...] = fitting([hp.lambda_ * one for hp, one in zip(settings, share, strict=True)], penalty.l2)
        if penalty.l1 is not None:
            penalty.l1[...] = fitting([hp.l1 / 2 * one for hp, one in zip(settings, share, strict=True)], penalty.l1)
        if penalty.threshold is not None:
            steps = [alpha * hp.l1 / (2 * m) for alpha, hp, m in zip(alphas, settings, per, strict=True)]
            penalty.threshold[...] = fitting(steps, penalty.threshold)
        if penalty.decay is not None:
            steps = [alpha * hp.lambda_ / m for alpha, hp, m in zip(alphas, settings, per, strict=True)]
            penalty.decay[...] = fitting(steps, penalty.decay)

    def _step_setter(self) -> Callable[[TrainingStep, int], None] | None:
        """Return what prepares a step, by its number in the epoch: sets its coefficients, flushes; None if nothing."""
        corrections = self._corrections() if self.plan.optimizer.corrected else None
        averages = self._average_rates() if self._average is not None else None
        shrinks = self.plan.optimizer.divisor is not None
        if corrections is None and averages is None and not shrinks:
            return None

        def set_step(step: TrainingStep, number: int) -> None:
            rates, averaging = step.update.rates, step.update.averaging
            if corrections is not None:
                rates.correct(*(_own(step, of_all, rates.alpha) for of_all in corrections[:, number]))
            if averages is not None and averaging is not None:
                averaging.set(_own(step, averages[number], averaging.rate))
            if shrinks and number % FLUSHED_EVERY == 0:
                self._flush(step.group)

        return set_step

    def _flush(self, group: Group) -> None:
        """Set to 0 what is too small to matter of a group's networks: averages of gradients, weights that shrink.

        They would end below the smallest normal number, where a processor takes a hundred times as long: with Adam an
        epoch came to take ten times as long as the first one.
        """
        *averages, squares = self.slots[: self.plan.optimizer.n_slots]
        weights = [self.theta] if self._average is None else [self.theta, self._average]
        least = [*((each, 1e-12) for each in weights), *((each, 1e-15) for each in averages), (squares, 1e-30)]
        for array, nothing in least:
            of_group = array[group.first : group.stop]
            np.copyto(of_group, 0, where=np.abs(of_group) < nothing)

    def _corrections(self) -> Array:
        """Return 1 − βᵗ and 1 − β₂ᵗ of every step of the epoch, (2, steps, K)."""
        betas = np.array([(lane.hyperparameters.beta, lane.hyperparameters.beta2) for lane in self.lanes]).T
        return np.asarray(1 - betas[:, None] ** self._step_numbers, dtype=self.plan.dtype)

    def _average_rates(self) -> Array:
        """Return the share of θ in its average after every step of the epoch, (1 − β) / (1 − βᵗ), (steps, K)."""
        betas = np.array([lane.hyperparameters.weight_average for lane in self.lanes])
        return np.asarray((1 - betas) / (1 - betas**self._step_numbers), dtype=self.plan.dtype)

    @property
    def _step_numbers(self) -> Ints:
        """The number t of every step of the epoch since the start of training, from 1, (steps, K)."""
        steps = 1 + np.arange(self._blocks[-1].steps[-1][0] + 1)
        return np.asarray(steps[:, None] + np.array([lane.updates for lane in self.lanes]))

    def _scale(self, lane: Lane, alpha: float) -> float:
        """Return the factor by which the optimizer expects a network's gradient to be multiplied."""
        return self.plan.optimizer.scale(alpha, lane.hyperparameters.beta)

    # One block.

    def _fill(self, block: Block, orders: list[Ints | None], epoch: int) -> None:
        """Gather and weight the examples of a block of an epoch, from 0, and draw its masks."""
        targets = self.plan.architecture.functions.targets
        weight = self.buffers.weight
        for k, (lane, (start, stop), share) in enumerate(zip(self.lanes, block.ranges, block.shares, strict=True)):
            order, rows = orders[k], stop - start
            chosen = np.arange(start, stop) if order is None else order[start:stop]
            lane.train.gather(chosen, self.buffers.inputs_of(k, rows))
            np.multiply(share, self.plan.dtype(self._scale(lane, self.alphas[k])), weight[k, 0, :rows])
            if lane.train.weights is not None:
                weight[k, 0, :rows] *= lane.train.weights[chosen]
            smoothing = lane.hyperparameters.label_smoothing
            self.buffers.put_targets(k, lane.train.y[chosen], self.plan.batch_rows(lane.number), targets, smoothing)
            self._draw_masks(k, lane, rows)
            if self.plan.masks is not None:
                self._put_masks(self.plan.masks, k, lane, rows, epoch, block.steps[0][0])
        if self.plan.augment is not None:
            self._augment(self.plan.augment, block)

    def _draw_masks(self, k: int, lane: Lane, rows: int) -> None:
        """A network's masks of a block; the ones behind the activations, which biases multiply, are never dropped."""
        widths, keep_probs = self.plan.architecture.hidden, lane.hyperparameters.keep_probs
        for mask, width, keep_prob in zip(self.buffers.masks, widths, keep_probs, strict=True):
            if mask is not None and keep_prob < 1:
                draw_mask(lane.streams["masks"], keep_prob, mask[k, :rows])
                mask[k, :rows, width] = 1
            elif mask is not None:
                mask[k] = 1

    def _put_masks(self, masks: Masks, k: int, lane: Lane, rows: int, epoch: int, first: int) -> None:
        """Put given masks in the place of a network's drawn ones; ``first``: the block's first mini-batch, from 0."""
        keep_probs, size = lane.hyperparameters.keep_probs, self.plan.batch_rows(lane.number)
        layers = zip(self.buffers.masks, self.plan.architecture.hidden, keep_probs, strict=True)
        for layer, (mask, width, keep_prob) in enumerate(layers, start=1):
            if mask is None or keep_prob == 1:
                continue
            for batch, start in enumerate(range(0, rows, size), start=first + 1):
                out = mask[k, start : min(start + size, rows), :width]
                out[...] = checked_mask(masks(epoch + 1, batch, layer), *out.shape)
                out /= keep_prob

    def _augment(self, augment: Augment, block: Block) -> None:
        """Change the mini-batches of a block, each by its network's own stream."""
        for _, step in block.steps:
            for k, lane in enumerate(self.lanes[step.group.first : step.group.stop]):
                X = step.X[k]
                changed = np.asarray(augment(lane.streams["augmentation"], X.copy()))
                if changed.shape != X.shape:
                    raise ArgumentError(f"augment: expected an array of shape {X.shape}, got {changed.shape}")
                X[...] = changed


def _own(step: TrainingStep, of_all: Array, where: Array) -> Array:
    """Return a step's part of a number of each network (K,): a column, or one for all where that is a scalar."""
    group = step.group
    return np.asarray(of_all[group.first : group.stop, None] if where.ndim else of_all[group.first])


def _batch_sizes(n: int, rows: int) -> list[int]:
    """Return the rows of each mini-batch of an epoch; the last one has the remainder."""
    return [rows] * (n // rows) + ([n % rows] if n % rows else [])
