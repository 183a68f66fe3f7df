"""The share of wrong labels: planted ones, hard rows, and a network that is confidently wrong."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import wrong_label_share

N = 600


def views(
    share: float, rng: np.random.Generator, sharpness: float = 6.0
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Labels of which a share is changed, and two views of the right classes: calibrated, and a rough one."""
    logits = rng.normal(size=(N, 4)) * sharpness
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    truth = (rng.random((N, 1)) > p.cumsum(axis=1)).sum(axis=1)
    changed = rng.random(N) < share
    y = np.where(changed, (truth + rng.integers(1, 4, N)) % 4, truth)
    rough = rng.multinomial(20, p) + 1.0
    return y, p, rough / rough.sum(axis=1, keepdims=True)


def test_the_interval_covers_planted_labels() -> None:
    """Of 16 intervals at least 15 hold the share that was changed, whether the classes overlap little or much."""
    covered = 0
    for share, sharpness, seed in product((0.0, 0.02, 0.05, 0.1), (6.0, 1.5), (0, 1)):
        y, p, rough = views(share, np.random.default_rng([seed, int(100 * share)]), sharpness)
        found = wrong_label_share(y, [p, rough])
        covered += found.low <= share <= found.high
    assert covered >= 15


def test_neighbors_contradict_a_network_that_is_confidently_wrong() -> None:
    """A network that takes a tenth of the rows for another class is no sign of wrong labels: neighbors know better."""
    y, p, rough = views(0.0, np.random.default_rng(0))
    mistaken = p.copy()
    mistaken[: N // 10] = np.roll(p[: N // 10], 1, axis=1)
    assert wrong_label_share(y, [mistaken]).low > 0.01
    assert wrong_label_share(y, [mistaken, rough]).low == 0


def test_dependent_rows_widen_the_interval() -> None:
    """Rows that count for a quarter of a row each make both ends move away from the same share."""
    y, p, rough = views(0.05, np.random.default_rng(1))
    full, quarter = (wrong_label_share(y, [p, rough], effective) for effective in (1.0, 0.25))
    assert quarter.low <= full.low < quarter.value == full.value < full.high < quarter.high
