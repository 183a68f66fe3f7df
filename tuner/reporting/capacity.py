"""Whether a network of the best trial's size can learn its training set, whatever epoch or trial was chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuner.reporting.findings import n_parameters
from tuner.reporting.frames import mean_curve, train_error
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.numbers import Numbers


def fitted(report: Numbers) -> dict[str, Any]:
    """Where the train error is at or below baseline and material gap: in another epoch of the best trial, else in a
    trial with a network no larger; nothing where it never is, or where the best trial's own is.
    """
    best, errors = report.best, report.diagnosis.errors
    baseline, train = errors["baseline"], errors.get("train")
    if best is None or baseline is None or train is None or not report.definition.trainer_kind.has_size:
        return {}
    line = baseline.value + report.diagnosis.material_gap
    chosen = [network.best_epoch for network in best.networks]
    known = {"best_epochs": (min(chosen), max(chosen)), "dev_rows": min(network.n_dev for network in best.networks)}
    if train.value <= line:
        return known
    curve = mean_curve(best)["train_error"]
    if len(curve) and curve.min() <= line:
        epoch = int((curve <= line).argmax())
        return known | {"fits_epoch": epoch + 1, "fits_error": float(curve[epoch])}
    other = _best_fitted(report, best)
    if other is None or _lowest(other) > line:
        return known
    return known | {"fits_trial": other.number, "fits_error": _lowest(other)}


def _best_fitted(report: Numbers, best: TrialRecord) -> TrialRecord | None:
    """The trial, of those with a network no larger than the best one's, that learnt its training set best."""
    others = [t for t in report.record.trials if t.networks and t is not best and t.stop_reason != "diverged"]
    sizes = n_parameters(report.record, report.definition, [t.params.get("hidden") for t in [best, *others]])
    return min((t for t, size in zip(others, sizes[1:], strict=True) if size <= sizes[0]), key=_lowest, default=None)


def _lowest(trial: TrialRecord) -> float:
    """A trial's lowest train error over its epochs, all networks together."""
    error, curve = train_error(trial), mean_curve(trial)["train_error"]
    return min(math.inf if error is None else error, float(curve.min()) if len(curve) else math.inf)
