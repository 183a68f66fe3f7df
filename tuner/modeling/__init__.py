"""The chosen network: fit, save, evaluate, predict, export, and measure its learning curve."""

from tuner.modeling.columns import can_shuffle, takes_too_long, train_and_measure_columns
from tuner.modeling.custom_fit import fit_trial
from tuner.modeling.deciding import DecisionRequest, decide, fit_deciding
from tuner.modeling.ensembling import fit_ensemble
from tuner.modeling.evaluating import Evaluation, NumberEvaluation, evaluate, evaluate_file
from tuner.modeling.fitting import ALL, TRAIN_DEV, FitRequest, fit_model
from tuner.modeling.learning_curve import SEEDS, LearningCurveTask, measure_learning_curve
from tuner.modeling.model import Model
from tuner.modeling.onnx_graph import export_onnx, onnx_inputs
from tuner.modeling.predicting import check_output, is_predictions, predict_file
from tuner.modeling.reading import load_model, replaced_by

__all__ = [
    "ALL",
    "SEEDS",
    "TRAIN_DEV",
    "DecisionRequest",
    "Evaluation",
    "FitRequest",
    "LearningCurveTask",
    "Model",
    "NumberEvaluation",
    "can_shuffle",
    "check_output",
    "decide",
    "evaluate",
    "evaluate_file",
    "export_onnx",
    "fit_deciding",
    "fit_ensemble",
    "fit_model",
    "fit_trial",
    "is_predictions",
    "load_model",
    "measure_learning_curve",
    "onnx_inputs",
    "predict_file",
    "replaced_by",
    "takes_too_long",
    "train_and_measure_columns",
]
