"""Hyperparameter search that tells bias from variance, and suggests what to do next.

Public names are imported on first use, so that ``import tuner`` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.analysis import Action, Diagnosis, ErrorEstimate, Gap
    from tuner.analysis import diagnose_predictions as diagnose
    from tuner.api import Model, Report, Study, load_model, load_study, search
    from tuner.errors import TunerError
    from tuner.estimator import Classifier

__all__ = [
    "Action",
    "Classifier",
    "Diagnosis",
    "ErrorEstimate",
    "Gap",
    "Model",
    "Report",
    "Study",
    "TunerError",
    "diagnose",
    "load_model",
    "load_study",
    "search",
]

_HOMES = {
    "Action": ("tuner.analysis", "Action"),
    "Classifier": ("tuner.estimator", "Classifier"),
    "Diagnosis": ("tuner.analysis", "Diagnosis"),
    "ErrorEstimate": ("tuner.analysis", "ErrorEstimate"),
    "Gap": ("tuner.analysis", "Gap"),
    "Model": ("tuner.api", "Model"),
    "Report": ("tuner.api", "Report"),
    "Study": ("tuner.api", "Study"),
    "TunerError": ("tuner.errors", "TunerError"),
    "diagnose": ("tuner.analysis", "diagnose_predictions"),
    "load_model": ("tuner.api", "load_model"),
    "load_study": ("tuner.api", "load_study"),
    "search": ("tuner.api", "search"),
}
"""Public name -> (module, name there)."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("tuner-search")
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
