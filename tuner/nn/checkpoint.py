"""Restore the end of an epoch: from memory within a run, or from the arrays of a checkpoint."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np

from tuner.errors import ArgumentError
from tuner.metrics import Measured
from tuner.nn.arrays import Array
from tuner.nn.cohort import Cohort
from tuner.nn.diagnostics import LayerReport
from tuner.nn.lane import CURVE, Lane, worst_measured
from tuner.nn.plan import Plan
from tuner.nn.streams import set_state, state_of
from tuner.outcomes import StopReason


@dataclass(frozen=True)
class Start:
    """What an epoch changes in a cohort, as it was before the epoch."""

    theta: Array
    slots: list[Array]
    alphas: list[float]
    updates: list[int]
    streams: list[list[Any]]

    @classmethod
    def of(cls, cohort: Cohort) -> Start:
        """Copy the state of a cohort."""
        return cls(
            cohort.theta.copy(),
            [slot.copy() for slot in cohort.slots],
            list(cohort.alphas),
            [lane.updates for lane in cohort.lanes],
            [[rng.bit_generator.state for rng in lane.streams.values()] for lane in cohort.lanes],
        )

    def undo(self, cohort: Cohort) -> None:
        """Set the cohort to its state before the epoch."""
        cohort.theta[...] = self.theta
        for slot, before in zip(cohort.slots, self.slots, strict=True):
            slot[...] = before
        cohort.alphas = list(self.alphas)
        for k, lane in enumerate(cohort.lanes):
            self._undo_lane(k, lane)

    def alone(self, cohort: Cohort, k: int) -> Cohort:
        """Return the k-th network before the epoch, as a cohort of one."""
        lane = cohort.lanes[k]
        self._undo_lane(k, lane)
        cohort_of_one = Cohort(cohort.plan, [lane], self.theta[k : k + 1], [slot[k : k + 1] for slot in self.slots])
        cohort_of_one.alphas = [self.alphas[k]]
        return cohort_of_one

    def _undo_lane(self, k: int, lane: Lane) -> None:
        lane.updates = self.updates[k]
        for rng, state in zip(lane.streams.values(), self.streams[k], strict=True):
            rng.bit_generator.state = state


def checkpoint_of(plan: Plan, epoch: int, lanes: list[Lane], cohort: Cohort) -> dict[str, Array]:
    """Return what the next epochs and the result depend on, as arrays."""
    checkpoint = {"epoch": np.array(epoch), "shape": np.array([len(lanes), plan.n_trained])}
    for lane in lanes:
        best = lane.stopping
        values = {
            "stop_reason": np.array(lane.stop_reason or ""),
            "numbers": np.array(
                [best.best_epoch, best.best_updates, lane.updates, lane.diverged_layer or 0, best.better_epoch]
            ),
            "values": np.array([best.best_value, lane.monitored, best.best_cost]),
            "best_theta": lane.best_theta,
            "wrong": np.array([lane.best_on_dev.wrong, lane.on_dev.wrong]),
            "losses": np.array([lane.best_on_dev.losses, lane.on_dev.losses]),
            "curve": np.array([lane.curve[name] for name in CURVE]),
            "streams": np.array([state_of(rng) for rng in lane.streams.values()]),
            "reports": np.array([astuple(layer) for layer in lane.reports]).reshape(-1, len(fields(LayerReport))),
        }
        checkpoint |= {f"{lane.number}.{name}": value for name, value in values.items()}
    for k, lane in enumerate(cohort.lanes):
        checkpoint[f"{lane.number}.theta"] = cohort.theta[k].copy()
        checkpoint[f"{lane.number}.slots"] = np.array([slot[k] for slot in cohort.slots])
        checkpoint[f"{lane.number}.alpha"] = np.array(cohort.alphas[k])
    return checkpoint


def _measured(lane: Lane, epoch: int, wrong: Array, losses: Array) -> Measured:
    """Return the dev set as measured after an epoch, from 1; epoch 0 is before training."""
    epoch = min(epoch, len(lane.curve["dev_cost"]))
    if not epoch:
        return worst_measured(lane.dev)
    return Measured(lane.curve["dev_cost"][epoch - 1], lane.curve["dev_error"][epoch - 1], wrong, losses)


def restore(plan: Plan, lanes: list[Lane], checkpoint: dict[str, Array]) -> tuple[int, Cohort]:
    """Restore fresh lanes from a checkpoint; return the epochs done and the cohort that goes on training."""
    shape = [len(lanes), plan.n_trained]
    if "shape" not in checkpoint or list(checkpoint["shape"]) != shape:
        kept = (
            "something else"
            if "shape" not in checkpoint
            else "{} networks of {} parameters".format(*checkpoint["shape"])
        )
        raise ArgumentError(
            f"resume: expected a checkpoint of {shape[0]} networks of {shape[1]} parameters, got {kept}"
        )
    for lane in lanes:
        own = {key.partition(".")[2]: value for key, value in checkpoint.items() if key.startswith(f"{lane.number}.")}
        best_epoch, best_updates, lane.updates, layer, *better = (int(value) for value in own["numbers"])
        lane.stopping.best_epoch, lane.stopping.best_updates = best_epoch, best_updates
        lane.stopping.best_value, lane.monitored, *cost = (float(value) for value in own["values"])
        # Versions to 0.2 broke no ties.
        (lane.stopping.better_epoch,), (lane.stopping.best_cost,) = better or [best_epoch], cost or [math.inf]
        reason = str(own["stop_reason"])
        lane.stop_reason, lane.diverged_layer = StopReason(reason) if reason else None, layer or None
        lane.best_theta = own["best_theta"].astype(plan.dtype)
        lane.curve = dict(zip(CURVE, own["curve"].tolist(), strict=True))
        losses = own.get("losses", np.full(own["wrong"].shape, np.nan))  # those of 0.1 do not need them
        epochs = (best_epoch, int(checkpoint["epoch"]))
        lane.best_on_dev, lane.on_dev = (
            _measured(lane, *rows) for rows in zip(epochs, own["wrong"], losses, strict=True)
        )
        lane.reports = [LayerReport(int(epoch), int(layer), *rest) for epoch, layer, *rest in own["reports"].tolist()]
        for rng, words in zip(lane.streams.values(), own["streams"], strict=True):
            set_state(rng, words)
    running = [lane for lane in lanes if lane.running]
    theta = np.array([checkpoint[f"{lane.number}.theta"] for lane in running]).reshape(len(running), shape[1])
    slots = [np.array([checkpoint[f"{lane.number}.slots"][slot] for lane in running]) for slot in range(plan.n_slots)]
    cohort = Cohort(plan, running, theta, slots)
    cohort.alphas = [float(checkpoint[f"{lane.number}.alpha"]) for lane in running]
    return int(checkpoint["epoch"]), cohort
