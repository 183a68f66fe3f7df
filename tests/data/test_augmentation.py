"""Augmentation: every entry of the table, hand-worked images, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.data import AUGMENTATIONS, make_augment
from tuner.data.augmentation import sample
from tuner.errors import ArgumentError

IMAGE = np.arange(12, dtype=np.float32).reshape(1, 12)  # rows 0 1 2 3 / 4 5 6 7 / 8 9 10 11


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (1, 9), (9, 1)])
def test_every_augmentation(name: str, shape: tuple[int, ...]) -> None:
    """Shape and type are kept, the given batch is left alone, the seed decides, strength 0 is none."""
    X = np.random.default_rng(0).normal(size=(32, int(np.prod(shape)))).astype(np.float32)
    before = X.copy()
    augment = make_augment({name: 1.0}, shape)
    assert augment is not None
    one, same, other = (augment(np.random.default_rng(seed), X) for seed in (1, 1, 2))
    assert one.shape == X.shape
    assert one.dtype == np.float32
    assert np.array_equal(X, before)
    assert np.array_equal(one, same)
    assert name == "flip" or not np.array_equal(one, other)
    assert make_augment({name: 0.0}, shape) is None


def test_flip_by_hand() -> None:
    """A mirrored image has its columns reversed, channel by channel."""
    augment = make_augment({"flip": 1.0}, (3, 4))
    assert augment is not None
    assert augment(np.random.default_rng(0), IMAGE).reshape(3, 4)[0].tolist() == [3, 2, 1, 0]
    colored = make_augment({"flip": 1.0}, (2, 2, 3))
    assert colored is not None
    assert colored(np.random.default_rng(0), IMAGE)[0].tolist() == [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]


def test_shift_by_hand() -> None:
    """A map one column to the right shows each pixel's right neighbor; outside, the edge goes on."""
    maps = np.eye(3)[None]
    maps[0, 1, 2] = 1
    assert sample(IMAGE, (3, 4), maps).reshape(3, 4).tolist() == [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]]


def test_a_quarter_turn_by_hand() -> None:
    """Rotated by 90 degrees, a square image is its transpose reversed."""
    square = np.arange(9, dtype=np.float32).reshape(1, 9)
    maps = np.array([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    assert sample(square, (3, 3), maps).reshape(3, 3).tolist() == np.rot90(square.reshape(3, 3), -1).tolist()


def test_half_a_pixel_is_the_mean_of_two() -> None:
    """Between two pixels their values are mixed by distance."""
    maps = np.eye(3)[None]
    maps[0, 1, 2] = 0.5
    assert sample(IMAGE, (3, 4), maps).reshape(3, 4)[0].tolist() == [0.5, 1.5, 2.5, 3.0]


def test_shifts_are_whole_and_bounded() -> None:
    """A shift of up to 2 pixels moves by -2, -1, 0, 1 or 2."""
    drawn = AUGMENTATIONS["shift"].maps(np.random.default_rng(0), 1000, 2.0)  # type: ignore[misc]
    assert set(drawn[:, :2, 2].ravel().tolist()) == {-2, -1, 0, 1, 2}


def test_shifting_a_normalized_image_is_normalizing_a_shifted_one() -> None:
    """One mean and deviation for all pixels let augmentation work on normalized rows."""
    raw = np.random.default_rng(0).integers(0, 255, (8, 30)).astype(np.float32)
    augment = make_augment({"shift": 2.0, "flip": 0.5}, (5, 6))
    assert augment is not None
    after = augment(np.random.default_rng(1), (raw - 33) / 78)
    assert after == pytest.approx((augment(np.random.default_rng(1), raw) - 33) / 78, abs=1e-5)


@pytest.mark.parametrize(
    ("strengths", "message"),
    [({"shear": 1.0}, "expected one of shift, flip"), ({"flip": 1.5}, r"flip: expected a number ≥ 0 and ≤ 1, got 1.5")],
)
def test_bad_strengths(strengths: dict[str, float], message: str) -> None:
    """Unknown names and strengths out of bounds are refused."""
    with pytest.raises(ArgumentError, match=message):
        make_augment(strengths, (3, 4))
