"""How often the 95% interval of an RMSE holds the truth, by the noise and the number of dev rows.

python -m benchmarks.rmse_intervals
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import Spread
from tuner.analysis.intervals import Z95

SAMPLES, ROWS, RESAMPLES = 1000, (50, 200, 800), 400
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

NOISES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.standard_normal(n), 1.0),
    "Student's t, 5": (lambda rng, n: rng.standard_t(5, n), 5 / 3),
    "unequal spread": (
        lambda rng, n: rng.standard_normal(n) * np.exp(0.7 * rng.standard_normal(n)),
        math.exp(2 * 0.7**2),
    ),
    "2% outliers, × 10": (lambda rng, n: rng.standard_normal(n) * np.where(rng.random(n) < 0.02, 10, 1), 2.98),
    "Student's t, 3": (lambda rng, n: rng.standard_t(3, n), 3.0),
}
"""Name -> residuals of n rows, and their mean square."""


def intervals(squares: NDArray[np.float64], rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Return the interval of the root mean square by each method."""
    n, mean = len(squares), float(squares.mean())
    root, error = math.sqrt(mean), float(squares.std(ddof=1)) / mean / math.sqrt(n)
    resampled = squares[rng.integers(0, n, (RESAMPLES, n))]
    means, errors = resampled.mean(axis=1), resampled.std(axis=1, ddof=1) / resampled.mean(axis=1) / math.sqrt(n)
    low, high = np.quantile(np.log(means / mean) / errors, [0.025, 0.975])
    down, up = Spread.of(squares).factors(n, Z95)
    return {
        "log-normal": (root * math.exp(-Z95 * error / 2), root * math.exp(Z95 * error / 2)),
        "studentized bootstrap": (root * math.exp(-high * error / 2), root * math.exp(-low * error / 2)),
        "tuner": (root * down, root * up),
    }


def main() -> None:
    """Print the share of samples whose interval holds the truth, for each method."""
    rng = np.random.default_rng(0)
    for name, (draw, truth) in NOISES.items():
        for n in ROWS:
            held: dict[str, int] = {}
            for _ in range(SAMPLES):
                for method, (low, high) in intervals(np.square(draw(rng, n)), rng).items():
                    held[method] = held.get(method, 0) + (low <= math.sqrt(truth) <= high)
            shares = ", ".join(f"{method} {100 * k / SAMPLES:.1f}%" for method, k in held.items())
            print(f"{name:18} {n:>5,} rows: {shares}")


if __name__ == "__main__":
    main()
