"""Threads share the products of wide networks, and change no bit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tuner.nn import Examples, Hyperparameters, Stopping, products, train
from tuner.nn.products import shared_call
from tuner.nn.threads import Team, shared_by

WIDE = Hyperparameters(hidden=(520,), batch_size=256)


@pytest.mark.parametrize("seeds", [[0], [0, 1]], ids=["one network", "two networks"])
def test_any_number_of_threads_trains_the_same_network(seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """θ and the dev losses are the same, bit for bit; the products were shared."""
    rng = np.random.default_rng(0)
    data = Examples(rng.standard_normal((256, 256), dtype=np.float32), rng.integers(0, 3, 256))
    shared: list[int] = []
    run = Team.run
    monkeypatch.setattr(Team, "run", lambda self, parts: (shared.append(len(parts)), run(self, parts)))
    alone, *others = [], [], []
    for threads, into in ((1, alone), (2, others[0]), (3, others[1])):
        with shared_by(threads):
            trained = train(data, data, n_classes=3, hyperparameters=WIDE, seeds=seeds, stopping=Stopping(max_epochs=1))
        assert (threads in shared) == (threads > 1)
        into += [array for one in trained.networks for array in (one.theta, one.on_dev.losses)]
    for other in others:
        assert all(np.array_equal(one, same) for one, same in zip(alone, other, strict=True))


def operands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A product that is worth two threads: a, b and the output."""
    rng = np.random.default_rng(0)
    shapes = ((1, 256, 257), (1, 257, 528))
    a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return a, b, np.zeros((1, 256, 528), dtype=np.float32)


def test_a_product_whose_parts_have_other_bits_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried once for each shape, if the operands are not too large to try it."""
    with shared_by(2):
        assert shared_call(*operands()) is not None
        products._columns_can_be_cut.cache_clear()
        monkeypatch.setattr(products, "_shares", lambda *_: [slice(0, 1), slice(0, 527)])
        assert shared_call(*operands()) is None
        products._columns_can_be_cut.cache_clear()
        monkeypatch.setattr(products, "MOST_TRIED", 100)
        assert shared_call(*operands()) is None
    products._columns_can_be_cut.cache_clear()


def test_an_error_in_a_thread_is_raised() -> None:
    """The threads go on."""
    team = Team(2)
    done: list[int] = []
    with pytest.raises(ZeroDivisionError):
        team.run([partial(divmod, 1, 0), partial(done.append, 1)] * 5)
    team.run([partial(done.append, 2)] * 5)
    team.end()
    assert done.count(2) == 5
