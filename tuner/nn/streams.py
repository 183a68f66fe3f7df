"""Randomness: every draw of a network derives from its seed, with a separate stream for each purpose.

With separate streams a network with dropout has the same initial weights and the same order of examples as one
without.  SFC64 is NumPy's fastest generator for masks, and its state of four words fits in a checkpoint.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.nn.arrays import Array

Seed = int | np.random.SeedSequence
STREAMS = ("initialization", "shuffles", "masks", "augmentation")


def streams(seed: Seed) -> dict[str, np.random.Generator]:
    """Return one generator for each purpose.

    Children are made from their spawn keys, because ``spawn`` would change the caller's SeedSequence: one object passed
    twice must train the same network twice.
    """
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    children = (
        np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, number), pool_size=root.pool_size)
        for number in range(len(STREAMS))
    )
    return {name: np.random.Generator(np.random.SFC64(child)) for name, child in zip(STREAMS, children, strict=True)}


def state_of(rng: np.random.Generator) -> Array:
    """Return the generator's state as six words: SFC64's four, and the half-used word of its 32-bit draws."""
    state: dict[str, Any] = dict(rng.bit_generator.state)
    return np.array([*state["state"]["state"], state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_state(rng: np.random.Generator, words: Array) -> None:
    """Restore a generator from ``state_of``."""
    rng.bit_generator.state = {
        "bit_generator": "SFC64",
        "state": {"state": np.asarray(words[:4], dtype=np.uint64)},
        "has_uint32": int(words[4]),
        "uinteger": int(words[5]),
    }
