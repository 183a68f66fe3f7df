"""Inverted dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import blobs, prepared, trained
from tuner.nn import Architecture, Hyperparameters, Stopping
from tuner.nn.arrays import Array
from tuner.nn.calls import run
from tuner.nn.cohort import Cohort
from tuner.nn.dropout import draw_mask
from tuner.nn.lane import Lane
from tuner.nn.plan import Plan

BASE = Hyperparameters(hidden=(12, 7), batch_size=32, alpha=0.3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.8, 0.97])
def test_a_mask_is_0_or_one_over_keep_prob(keep_prob: float, dtype: Any) -> None:
    """Every unit is dropped or divided by keep_prob; the share kept is keep_prob; the mean is 1."""
    mask = np.empty((300, 401), dtype=dtype)
    draw_mask(np.random.Generator(np.random.SFC64(0)), keep_prob, mask)
    kept = mask != 0
    assert np.array_equal(mask[kept], np.full(kept.sum(), 1 / keep_prob, dtype=dtype))
    spread = 4 * np.sqrt(keep_prob * (1 - keep_prob) / mask.size)
    assert abs(kept.mean() - keep_prob) < spread
    assert abs(mask.mean() - 1) < spread / keep_prob


def test_masks_are_drawn_anew() -> None:
    """Two masks of a stream differ, and units are dropped independently."""
    rng = np.random.Generator(np.random.SFC64(0))
    first, second = np.empty((2, 4000, 10))
    for mask in (first, second):
        draw_mask(rng, 0.5, mask)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    assert np.abs(np.corrcoef(first.T) - np.eye(10)).max() < 0.1


@pytest.mark.parametrize("keep_prob", [1e-9, 1 - 1e-9])
def test_extreme_keep_probs_still_keep_and_drop(keep_prob: float) -> None:
    """A probability below the resolution of the draws is rounded to it, not to 0 or 1."""
    mask = np.empty((1000, 1000))
    draw_mask(np.random.Generator(np.random.SFC64(0)), keep_prob, mask)
    assert 0 < (mask != 0).mean() < 1


def cohort_of(keep_prob: float | tuple[float, ...]) -> Cohort:
    """One network on 64 examples, with the masks of its first mini-batch drawn."""
    settings = replace(BASE, keep_prob=keep_prob)
    data = prepared(blobs(64), dtype=np.float32)
    plan = Plan(Architecture(6, (12, 7), 3), [data], None, [settings], Stopping(), "train_set", np.float32, None, None)
    lane = Lane(0, plan, 0, None)
    cohort = Cohort(plan, [lane], lane.best_theta[None])
    cohort.first_gradient()
    return cohort


def masks_of(cohort: Cohort) -> list[Array | None]:
    """The masks of the first mini-batch."""
    return [None if mask is None else mask[:, :64] for mask in cohort.buffers.masks]


def test_one_keep_prob_for_each_layer() -> None:
    """Layers with keep_prob 1, the output and the column of ones have no mask."""
    first, second = masks_of(cohort_of((1.0, 0.5)))
    assert first is None
    assert second is not None
    assert set(np.unique(second[..., :-1])) == {0.0, 2.0}
    assert (second[..., -1] == 1).all()
    assert len(masks_of(cohort_of(0.5))) == 2


def test_the_gradient_of_a_dropped_unit_is_0() -> None:
    """A unit that is dropped for all examples has zero gradients on both sides."""
    cohort = cohort_of(0.5)
    step = cohort.first_step
    mask = cohort.buffers.masks[0]
    assert mask is not None
    mask[..., 3] = 0
    run([*step.batch.forward, *step.batch.backward])
    (W1, b1), (W2, _), _ = cohort.plan.architecture.views(cohort.gradient[0])
    assert not W1[:, 3].any()
    assert b1[3] == 0
    assert not W2[3].any()
    assert W1.any()


def test_nothing_is_dropped_outside_training() -> None:
    """Two predictions agree, and equal those of the same weights in a network without dropout."""
    network = trained(replace(BASE, keep_prob=0.5)).networks[0]
    X = blobs().X
    assert np.array_equal(network.predict_proba(X), network.predict_proba(X))
    same = replace(network, architecture=network.architecture)
    assert np.array_equal(network.predict_proba(X), same.predict_proba(X))


def test_keep_prob_1_draws_nothing() -> None:
    """keep_prob 1 trains the same network as no dropout."""
    one, several = (trained(replace(BASE, keep_prob=keep)).networks[0] for keep in (1.0, (1.0, 1.0)))
    assert np.array_equal(one.theta, several.theta)
