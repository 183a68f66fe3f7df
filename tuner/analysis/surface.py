"""A surface over the searched space, fitted to noisy trials by a Gaussian process; its averages with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import Bounds, minimize
from scipy.spatial.distance import cdist

Floats = NDArray[np.float64]

# Priors of the logarithms, targets standardized and ranges from 0 to 1: signal variance, length scales, noise variance.
SIGNAL, LENGTH, NOISE = (0.0, 1.0), (0.0, 1.0), (-4.0, 1.0)
SLOPE_VARIANCE = 4.0  # a straight slope of twice the target's spread over a hyperparameter's range is nothing unusual
SAMPLES = 16
SIGNAL_BOUNDS, LENGTH_BOUNDS, NOISE_BOUNDS = (1e-3, 1e3), (1e-2, 1e3), (1e-6, 1e1)
JITTER = 1e-10  # keeps the covariance of two equal trials invertible
SQRT5 = math.sqrt(5)
STIFFEST = 0.25  # least curvature of the log posterior: no hyperparameter is sampled wider than two prior deviations
CHECKERS = 10  # random trials that check the coverage of the intervals


class Kernel:
    """σ² Matérn-5/2(r) + 4 x·x′ with r² = Σ ((x − x′)/ℓ)², from θ = log(σ², ℓ of every column, noise variance).

    (Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, 4.2)
    """

    def __init__(self, theta: Floats) -> None:
        self.signal = math.exp(theta[0])
        self.lengths: Floats = np.exp(theta[1:-1])
        self.noise = math.exp(theta[-1]) + JITTER

    def __call__(self, a: Floats, b: Floats) -> Floats:
        """Covariance of f between the rows of two arrays, (len(a), len(b)), without the noise."""
        r = SQRT5 * cdist(a / self.lengths, b / self.lengths)
        covariance: Floats = self.signal * (1 + r + r * r / 3) * np.exp(-r) + SLOPE_VARIANCE * (a @ b.T)
        return covariance


class Likelihood:
    """The log marginal likelihood of θ for targets ``y`` (n,) at ``X`` (n, columns), and its gradient.

    (Rasmussen & Williams 2006, equations 2.30 and 5.9)
    """

    def __init__(self, X: Floats, y: Floats) -> None:
        self.y = y
        self.squares = np.square(X[:, None] - X).transpose(2, 0, 1).reshape(X.shape[1], -1)
        self.slopes = SLOPE_VARIANCE * (X @ X.T)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Log likelihood and its derivative by every entry of θ."""
        kernel, n = Kernel(theta), len(self.y)
        scaled = self.squares / np.square(kernel.lengths)[:, None]
        r = SQRT5 * np.sqrt(scaled.sum(axis=0)).reshape(n, n)
        falling = kernel.signal * np.exp(-r)
        matern = falling * (1 + r + r * r / 3)
        factor = cholesky(matern + self.slopes + kernel.noise * np.eye(n), lower=True)
        alpha = cho_solve((factor, True), self.y)
        value = -0.5 * self.y @ alpha - np.log(np.diag(factor)).sum() - 0.5 * n * math.log(2 * math.pi)
        through = 0.5 * (np.outer(alpha, alpha) - cho_solve((factor, True), np.eye(n)))
        by_length = scaled @ (through * falling * (1 + r)).ravel() * (5 / 3)
        return float(value), np.array([(through * matern).sum(), *by_length, np.trace(through) * kernel.noise])


@dataclass(frozen=True, slots=True)
class _Process:
    """One set of the kernel's hyperparameters, and the data seen through it."""

    kernel: Kernel
    factor: Floats
    alpha: Floats
    weight: float


class Surface:
    """f(x) + noise from trials ``X`` (n, columns) and ``y`` (n,): straight slopes plus a Matérn-5/2 process.

    The slopes keep a weak hyperparameter from being smoothed away, as a process alone does. The kernel's
    hyperparameters are not set to their best values but averaged over 16 draws around them (Laplace's approximation,
    importance weights). If the exploring trials, left out one at a time, fall further from their prediction than they
    should, intervals are widened by as much.
    """

    def __init__(self, X: Floats, y: Floats, exploring: NDArray[np.bool_], rng: np.random.Generator) -> None:
        self.center = X.mean(axis=0)
        self.X = X - self.center
        self.level = float(y.mean())
        self.scale = float(y.std())
        self.flat = self.scale < 1e-12
        if self.flat:
            return
        self.y = (y - self.level) / self.scale
        self.processes = self._sample(rng)
        checkers = exploring if exploring.sum() >= CHECKERS else np.ones(len(y), dtype=bool)
        self.widening = self._widening(checkers)

    def contrast(self, upper: Floats, lower: Floats | None = None) -> tuple[float, float]:
        """Mean of f over the points ``upper``, less that over ``lower`` if given: value and standard error."""
        if self.flat:
            return (0.0 if lower is not None else self.level), 0.0
        up, low = upper - self.center, None if lower is None else lower - self.center
        contrasts = np.array([self._contrast(process, up, low) for process in self.processes])
        weights = np.array([process.weight for process in self.processes])
        mean = float(weights @ contrasts[:, 0])
        variance = float(weights @ (contrasts[:, 1] + contrasts[:, 0] ** 2)) - mean**2
        value = mean * self.scale + (self.level if lower is None else 0.0)
        return value, math.sqrt(max(variance, 0.0)) * self.scale * self.widening

    def _contrast(self, process: _Process, upper: Floats, lower: Floats | None) -> tuple[float, float]:
        k = process.kernel
        with_data = k(upper, self.X).mean(axis=0)
        prior = k(upper, upper).mean()
        if lower is not None:
            with_data = with_data - k(lower, self.X).mean(axis=0)
            prior = prior + k(lower, lower).mean() - 2 * k(upper, lower).mean()
        explained = solve_triangular(process.factor, with_data, lower=True)
        return float(with_data @ process.alpha), max(float(prior - explained @ explained), 0.0)

    def _sample(self, rng: np.random.Generator) -> list[_Process]:
        """Draw kernel hyperparameters from Laplace's approximation of their posterior, weighted by the posterior."""
        d = self.X.shape[1]
        prior = np.array([SIGNAL, *[LENGTH] * d, NOISE])
        bounds = np.log([SIGNAL_BOUNDS, *[LENGTH_BOUNDS] * d, NOISE_BOUNDS])
        within = Bounds(bounds[:, 0], bounds[:, 1])
        likelihood = Likelihood(self.X, self.y)

        def cost(theta: Floats) -> tuple[float, Floats]:
            log_likelihood, slope = likelihood(theta)
            z = (theta - prior[:, 0]) / prior[:, 1]
            return float(0.5 * z @ z - log_likelihood), z / prior[:, 1] - slope

        best = minimize(cost, prior[:, 0], jac=True, bounds=within, method="L-BFGS-B", options={"maxiter": 60}).x
        curvature, axes = np.linalg.eigh(_hessian(cost, best))
        steps = rng.standard_normal((SAMPLES, d + 2))
        thetas = np.clip(best + (steps / np.sqrt(np.maximum(curvature, STIFFEST))) @ axes.T, bounds[:, 0], bounds[:, 1])
        log_weights = np.array([-cost(theta)[0] for theta in thetas]) + 0.5 * (steps**2).sum(axis=1)
        weights = np.exp(log_weights - log_weights.max())
        return [self._process(theta, weight) for theta, weight in zip(thetas, weights / weights.sum(), strict=True)]

    def _process(self, theta: Floats, weight: float) -> _Process:
        kernel = Kernel(theta)
        factor = cholesky(kernel(self.X, self.X) + kernel.noise * np.eye(len(self.y)), lower=True)
        return _Process(kernel, factor, cho_solve((factor, True), self.y), weight)

    def _widening(self, checkers: NDArray[np.bool_]) -> float:
        """Root mean square of the checkers' leave-one-out errors in units of their predicted deviation, at least 1."""
        squares = 0.0
        for process in self.processes:
            precision = np.diag(cho_solve((process.factor, True), np.eye(len(self.y))))
            squares += process.weight * float((process.alpha**2 / precision)[checkers].mean())
        return max(1.0, math.sqrt(squares))


def _hessian(cost: Any, theta: Floats, step: float = 1e-2) -> Floats:
    """Second derivatives from central differences of the gradient, made symmetric."""
    shifts = np.eye(len(theta)) * step
    rows: Floats = np.array([(cost(theta + shift)[1] - cost(theta - shift)[1]) / (2 * step) for shift in shifts])
    return (rows + rows.T) / 2
