"""The chosen network: fitted again, kept in a file, judged, used, exported."""

from tuner.modeling.evaluating import Judgement, evaluate, evaluate_file
from tuner.modeling.fitting import TRAIN_DEV, FitRequest, fit_model
from tuner.modeling.model import Model, Repetition, load_model, replaced_by
from tuner.modeling.predicting import predict_file

__all__ = [
    "TRAIN_DEV",
    "FitRequest",
    "Judgement",
    "Model",
    "Repetition",
    "evaluate",
    "evaluate_file",
    "fit_model",
    "load_model",
    "predict_file",
    "replaced_by",
]
