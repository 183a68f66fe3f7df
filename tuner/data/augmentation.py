"""Augmentation of image-shaped inputs: random shifts, flips, rotations, zoom and noise of training mini-batches.

Inputs are normalized flat rows (n, height × width × channels), a whole batch at once.  The geometric augmentations are
affine maps from each output pixel to an input pixel; they are multiplied into one map, so that the image is sampled
(bilinearly) and blurred only once.  Pixels outside the image take the value of the edge.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.errors import ArgumentError
from tuner.formatting import bounded

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Augment = Callable[[np.random.Generator, Floats], Floats]
Maps = Callable[[np.random.Generator, int, float], Doubles]


def _identities(n: int) -> Doubles:
    return np.tile(np.eye(3), (n, 1, 1))


def shift(rng: np.random.Generator, n: int, strength: float) -> Doubles:
    """Shift each image by whole pixels, uniform in ±strength in both directions.  Returns maps (n, 3, 3)."""
    maps = _identities(n)
    maps[:, :2, 2] = np.round(rng.uniform(-strength, strength, size=(n, 2)))
    return maps


def flip(rng: np.random.Generator, n: int, strength: float) -> Doubles:
    """Mirror each image left to right with probability ``strength``.  Returns maps (n, 3, 3)."""
    maps = _identities(n)
    maps[:, 1, 1] = np.where(rng.random(n) < strength, -1.0, 1.0)
    return maps


def rotation(rng: np.random.Generator, n: int, strength: float) -> Doubles:
    """Rotate each image about its center, uniform in ±strength degrees.  Returns maps (n, 3, 3)."""
    angle = np.radians(rng.uniform(-strength, strength, size=n))
    maps = _identities(n)
    maps[:, 0, 0] = maps[:, 1, 1] = np.cos(angle)
    maps[:, 0, 1], maps[:, 1, 0] = -np.sin(angle), np.sin(angle)
    return maps


def zoom(rng: np.random.Generator, n: int, strength: float) -> Doubles:
    """Enlarge or shrink each image by a factor log-uniform in 1/(1 + strength) to 1 + strength.  Returns (n, 3, 3)."""
    most = np.log1p(strength)
    maps = _identities(n)
    maps[:, 0, 0] = maps[:, 1, 1] = np.exp(rng.uniform(-most, most, size=n))
    return maps


def noise(rng: np.random.Generator, X: Floats, strength: float) -> Floats:
    """Add normal noise with this standard deviation; inputs are normalized, so 1 is the data's own σ."""
    return X + np.float32(strength) * rng.standard_normal(X.shape, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """An augmentation: ``maps`` draws affine maps, or ``pixels`` changes values; strength from 0 to ``most``."""

    unit: str
    most: float
    maps: Maps | None = None
    pixels: Callable[[np.random.Generator, Floats, float], Floats] | None = None


AUGMENTATIONS: dict[str, Augmentation] = {
    "shift": Augmentation("maximum, in pixels", 64.0, maps=shift),
    "flip": Augmentation("probability", 1.0, maps=flip),
    "rotation": Augmentation("maximum, in degrees", 180.0, maps=rotation),
    "zoom": Augmentation("maximum factor, minus 1", 1.0, maps=zoom),
    "noise": Augmentation("standard deviations of the data", 10.0, pixels=noise),
}


def make_augment(strengths: Mapping[str, float], image: tuple[int, ...]) -> Augment | None:
    """Return ``augment(rng, X_batch) -> X_batch`` for training, or None if every strength is 0.

    strengths: by names of ``AUGMENTATIONS``; image: (height, width[, channels]).  Raises ArgumentError.
    """
    for name, strength in strengths.items():
        if name not in AUGMENTATIONS:
            raise ArgumentError(f"unknown augmentation {name!r}; expected one of {', '.join(AUGMENTATIONS)}")
        if not 0 <= strength <= AUGMENTATIONS[name].most:
            raise ArgumentError(
                f"{name}: expected {bounded('a number', low=0, high=AUGMENTATIONS[name].most)}, got {strength:g}"
            )
    # in the order of the table: the order of keys in a definition does not matter
    chosen = [(AUGMENTATIONS[name], strengths[name]) for name in AUGMENTATIONS if strengths.get(name)]
    maps = [(each.maps, strength) for each, strength in chosen if each.maps is not None]
    pixels = [(each.pixels, strength) for each, strength in chosen if each.pixels is not None]

    def augment(rng: np.random.Generator, X: Floats) -> Floats:
        if maps:
            drawn = [draw(rng, len(X), strength) for draw, strength in maps]
            X = sample(X, image, functools.reduce(np.matmul, drawn))
        for change, strength in pixels:
            X = change(rng, X, strength)
        return X

    return augment if chosen else None


def sample(X: Floats, image: tuple[int, ...], maps: Doubles) -> Floats:
    """Sample images X (n, pixels) where ``maps`` (n, 3, 3) send each output pixel, bilinearly; centered coordinates."""
    height, width = image[:2]
    channels = image[2] if len(image) == 3 else 1
    row, column = np.indices((height, width), dtype=np.float32).reshape(2, -1)
    middle_row, middle_column = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    grid = np.stack([row - middle_row, column - middle_column, np.ones_like(row)])
    where = maps[:, :2].astype(np.float32) @ grid  # (n, 2, height × width)
    top, down = _cell(where[:, 0] + middle_row, height)
    left, right = _cell(where[:, 1] + middle_column, width)
    place = top * width + left + np.arange(0, X.size // channels, height * width)[:, None]
    below, beside = width * (height > 1), int(width > 1)
    pixels: Floats = X.reshape(-1) if channels == 1 else X.reshape(-1, channels)
    if channels > 1:
        down, right = down[..., None], right[..., None]
    upper = pixels.take(place, axis=0)
    upper += right * (pixels.take(place + beside, axis=0) - upper)
    place += below
    lower = pixels.take(place, axis=0)
    lower += right * (pixels.take(place + beside, axis=0) - lower)
    upper += down * (lower - upper)
    return upper.reshape(len(X), -1)


def _cell(coordinate: Floats, size: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the pixel before each coordinate and the coordinate's distance from it, within the image."""
    inside = np.clip(coordinate, 0, size - 1)
    before = np.minimum(inside.astype(np.int64), max(size - 2, 0))
    return before, inside - before.astype(np.float32)
