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
    from tuner.data import DataSettings, SplitSettings
    from tuner.errors import Stop, TunerError
    from tuner.estimator import Classifier, Regressor
    from tuner.modeling import Evaluation, NumberEvaluation
    from tuner.running import EndedEpoch
    from tuner.storage import EndedTrial
    from tuner.study.definition import DiagnosisSection, NetworkSection, SearchSection, TrainingSection
    from tuner.study.ranges import MakeChoice, MakeRange, Range
    from tuner.study.typed import Definition
    from tuner.trainer_child.loops import sklearn_trainer, torch_trainer

    uniform: MakeRange
    log_uniform: MakeRange
    one_minus_log_uniform: MakeRange
    power_of_two: MakeRange
    choice: MakeChoice

__all__ = [
    "Action",
    "Classifier",
    "DataSettings",
    "Definition",
    "Diagnosis",
    "DiagnosisSection",
    "EndedEpoch",
    "EndedTrial",
    "ErrorEstimate",
    "Evaluation",
    "Gap",
    "Model",
    "NetworkSection",
    "NumberEvaluation",
    "Range",
    "Regressor",
    "Report",
    "SearchSection",
    "SplitSettings",
    "Stop",
    "Study",
    "TrainingSection",
    "TunerError",
    "choice",
    "diagnose",
    "load_model",
    "load_study",
    "log_uniform",
    "one_minus_log_uniform",
    "power_of_two",
    "search",
    "sklearn_trainer",
    "torch_trainer",
    "uniform",
]

_HOMES = {
    "Action": ("tuner.analysis", "Action"),
    "Classifier": ("tuner.estimator", "Classifier"),
    "Regressor": ("tuner.estimator", "Regressor"),
    "DataSettings": ("tuner.data", "DataSettings"),
    "Definition": ("tuner.study", "Definition"),
    "Diagnosis": ("tuner.analysis", "Diagnosis"),
    "DiagnosisSection": ("tuner.study.definition", "DiagnosisSection"),
    "EndedEpoch": ("tuner.running", "EndedEpoch"),
    "EndedTrial": ("tuner.storage", "EndedTrial"),
    "Evaluation": ("tuner.modeling", "Evaluation"),
    "NumberEvaluation": ("tuner.modeling", "NumberEvaluation"),
    "ErrorEstimate": ("tuner.analysis", "ErrorEstimate"),
    "Gap": ("tuner.analysis", "Gap"),
    "Model": ("tuner.api", "Model"),
    "NetworkSection": ("tuner.study.definition", "NetworkSection"),
    "Range": ("tuner.study", "Range"),
    "Report": ("tuner.api", "Report"),
    "SearchSection": ("tuner.study.definition", "SearchSection"),
    "SplitSettings": ("tuner.data", "SplitSettings"),
    "Stop": ("tuner.errors", "Stop"),
    "Study": ("tuner.api", "Study"),
    "TrainingSection": ("tuner.study.definition", "TrainingSection"),
    "TunerError": ("tuner.errors", "TunerError"),
    "diagnose": ("tuner.analysis", "diagnose_predictions"),
    "load_model": ("tuner.api", "load_model"),
    "load_study": ("tuner.api", "load_study"),
    "search": ("tuner.api", "search"),
    "sklearn_trainer": ("tuner.trainer_child.loops", "sklearn_trainer"),
    "torch_trainer": ("tuner.trainer_child.loops", "torch_trainer"),
}
"""Public name -> (module, name there)."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("tuner-search")
    if name not in _HOMES and name in importlib.import_module("tuner.scales").SCALES:
        return importlib.import_module("tuner.study").range_maker(name)
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
