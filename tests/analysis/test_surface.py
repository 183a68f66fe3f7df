"""The surface over the searched space: its likelihood and kernel are those of the literature."""

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from tuner.analysis.surface import SLOPE_VARIANCE, Kernel, Likelihood


def test_likelihood_and_gradient_are_scikit_learns() -> None:
    """The same kernel put together from scikit-learn's has the same log marginal likelihood and derivatives."""
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 4)), rng.standard_normal(30)
    parts = (
        ConstantKernel(1.0) * Matern(np.ones(4), nu=2.5),
        ConstantKernel(SLOPE_VARIANCE, "fixed") * DotProduct(0.0, "fixed"),
    )
    model = GaussianProcessRegressor(parts[0] + parts[1] + WhiteKernel(0.1), optimizer=None).fit(X, y)
    for _ in range(5):
        theta = rng.normal(0, 1, 6)
        expected, slope = model.log_marginal_likelihood(theta, eval_gradient=True)
        found, gradient = Likelihood(X, y)(theta)
        np.testing.assert_allclose(found, expected, rtol=1e-8)
        np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-8)


def test_equal_points_have_the_variance_of_both_parts() -> None:
    """k(x, x) = σ² + 4 |x|²: the noise is the trial's, not the surface's."""
    x = np.array([[0.5, -0.5]])
    kernel = Kernel(np.log([2.0, 1.0, 1.0, 0.3]))
    np.testing.assert_allclose(kernel(x, x), [[2.0 + SLOPE_VARIANCE * 0.5]])
