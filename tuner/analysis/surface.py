"""A surface over the searched space, fitted to noisy trials by a Gaussian process; its averages with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

Floats = NDArray[np.float64]

# Priors of the logarithms, targets standardised and ranges from 0 to 1: signal variance, length scales, noise variance.
SIGNAL, LENGTH, NOISE = (0.0, 1.0), (0.0, 1.0), (-4.0, 1.0)
SLOPE_VARIANCE = 4.0  # a straight slope of twice the target's spread over a knob's range is nothing unusual
SAMPLES = 16
STIFFEST = 0.25  # least curvature of the log posterior: no hyperparameter is sampled wider than two prior deviations
CHECKERS = 10  # random trials from which the intervals' honesty can be judged


@dataclass(frozen=True, slots=True)
class _Process:
    """One set of the kernel's hyperparameters, and the data seen through it."""

    kernel: Any
    factor: Floats
    alpha: Floats
    weight: float


class Surface:
    """f(x) + noise from trials ``X`` (n, columns) and ``y`` (n,): straight slopes plus a Matérn-5/2 process.

    The slopes keep a weak knob from being smoothed away, as a process alone does. The kernel's hyperparameters are not
    set to their best values but averaged over 16 draws around them (Laplace's approximation, importance weights). If
    the exploring trials, left out one at a time, fall further from their prediction than they should, intervals are
    widened by as much.
    """

    def __init__(self, X: Floats, y: Floats, exploring: NDArray[np.bool_], rng: np.random.Generator) -> None:
        self.centre = X.mean(axis=0)
        self.X = X - self.centre
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
        up, low = upper - self.centre, None if lower is None else lower - self.centre
        found = np.array([self._contrast(process, up, low) for process in self.processes])
        weights = np.array([process.weight for process in self.processes])
        mean = float(weights @ found[:, 0])
        variance = float(weights @ (found[:, 1] + found[:, 0] ** 2)) - mean**2
        value = mean * self.scale + (self.level if lower is None else 0.0)
        return value, math.sqrt(max(variance, 0.0)) * self.scale * self.widening

    def _contrast(self, process: _Process, upper: Floats, lower: Floats | None) -> tuple[float, float]:
        k = process.kernel.k1  # without the noise
        with_data = k(upper, self.X).mean(axis=0)
        prior = k(upper).mean()
        if lower is not None:
            with_data = with_data - k(lower, self.X).mean(axis=0)
            prior = prior + k(lower).mean() - 2 * k(upper, lower).mean()
        explained = solve_triangular(process.factor, with_data, lower=True)
        return float(with_data @ process.alpha), max(float(prior - explained @ explained), 0.0)

    def _sample(self, rng: np.random.Generator) -> list[_Process]:
        """Draw kernel hyperparameters from Laplace's approximation of their posterior, weighted by the posterior."""
        from scipy.optimize import minimize
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

        d = self.X.shape[1]
        slopes = ConstantKernel(SLOPE_VARIANCE, "fixed") * DotProduct(0.0, "fixed")
        kernel = ConstantKernel(1.0, (1e-3, 1e3)) * Matern(np.ones(d), (1e-2, 1e3), nu=2.5) + slopes
        kernel = kernel + WhiteKernel(math.exp(NOISE[0]), (1e-6, 1e1))
        model = GaussianProcessRegressor(kernel, optimizer=None).fit(self.X, self.y)
        prior = np.array([SIGNAL, *[LENGTH] * d, NOISE])
        bounds = kernel.bounds

        def cost(theta: Floats) -> tuple[float, Floats]:
            log_likelihood, slope = model.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
            z = (theta - prior[:, 0]) / prior[:, 1]
            return float(0.5 * z @ z - log_likelihood), z / prior[:, 1] - slope

        best = minimize(cost, prior[:, 0], jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 60}).x
        curvature, axes = np.linalg.eigh(_hessian(cost, best))
        steps = rng.standard_normal((SAMPLES, d + 2))
        thetas = np.clip(best + (steps / np.sqrt(np.maximum(curvature, STIFFEST))) @ axes.T, bounds[:, 0], bounds[:, 1])
        log_weights = np.array([-cost(theta)[0] for theta in thetas]) + 0.5 * (steps**2).sum(axis=1)
        weights = np.exp(log_weights - log_weights.max())
        return [
            self._process(kernel.clone_with_theta(t), w) for t, w in zip(thetas, weights / weights.sum(), strict=True)
        ]

    def _process(self, kernel: Any, weight: float) -> _Process:
        K = kernel(self.X)
        K[np.diag_indices_from(K)] += 1e-10
        factor = cholesky(K, lower=True)
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
