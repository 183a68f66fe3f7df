"""Numbers in, numbers out: intervals, bias and variance, selection, effects, learning curve, actions.

No file, no SQL and no Optuna: functions take counts and arrays and return small frozen dataclasses with intervals.
"""

from tuner.analysis.actions import (
    ACTIONS,
    Action,
    BestTrialState,
    DataState,
    Fit,
    StudyState,
    Verb,
    rank_actions,
)
from tuner.analysis.calibration import Calibration, Reliability, calibration, reliability
from tuner.analysis.classification import ClassScores, Ranking, Share, class_scores, confusion_matrix, ranking
from tuner.analysis.comparison import (
    Resolution,
    chance_as_good,
    resolution,
    simplest_tied,
    tied_with_best,
    within_one_standard_error,
)
from tuner.analysis.counting import (
    ClassError,
    ClassWeightedError,
    SeedsError,
    class_errors,
    class_weighted_error,
    effective_examples,
    effective_weighted,
    independent_examples,
    majority_error,
    seeds_error,
)
from tuner.analysis.diagnosis import (
    GAPS,
    IF_UNCHANGED,
    Baseline,
    Diagnosis,
    Gap,
    diagnose,
    disputed_by,
    examples_to_decide,
)
from tuner.analysis.effects import (
    Effect,
    HyperparameterCurve,
    HyperparameterEffect,
    HyperparameterEffects,
    diverged_shares,
    hyperparameter_effects,
)
from tuner.analysis.ensembling import rechosen_average_error
from tuner.analysis.expected_best import ExpectedBest, expected_best
from tuner.analysis.hyperparameter_states import HyperparameterState, hyperparameter_states
from tuner.analysis.hyperparameters import Idle, SearchedHyperparameter
from tuner.analysis.influence import influential
from tuner.analysis.intervals import ErrorEstimate, Spread, difference_interval, wilson
from tuner.analysis.learning_curve import (
    SIZES,
    LearningCurve,
    Prediction,
    can_fit,
    fit_learning_curve,
    subset_sizes,
)
from tuner.analysis.learning_points import LearningNetwork, LearningPoint, learning_points
from tuner.analysis.other_models import OtherModel, other_model
from tuner.analysis.predictions import diagnose_predictions
from tuner.analysis.search_health import SearchHealth, count_duplicates, diverging_from
from tuner.analysis.selection import (
    FOLD_ROWS,
    Competition,
    NetworkRun,
    bootstrap_corrected_error,
    chosen_error,
    corrected_dev_error,
    epoch_corrected_errors,
    first_stop,
    held_out_losses,
    pooled_epoch_corrected_errors,
    rechosen_error,
)
from tuner.analysis.smoothing import exponentially_weighted_average
from tuner.analysis.suspects import Suspects, suspected_labels
from tuner.analysis.uncertainty import Uncertainty, spread_beyond_folds, spread_beyond_rows

__all__ = [
    "ACTIONS",
    "FOLD_ROWS",
    "IF_UNCHANGED",
    "SIZES",
    "Action",
    "Baseline",
    "BestTrialState",
    "Calibration",
    "ClassError",
    "ClassScores",
    "ClassWeightedError",
    "Competition",
    "DataState",
    "Diagnosis",
    "Effect",
    "ErrorEstimate",
    "Fit",
    "Gap",
    "HyperparameterCurve",
    "HyperparameterEffect",
    "HyperparameterEffects",
    "HyperparameterState",
    "Idle",
    "LearningCurve",
    "LearningNetwork",
    "LearningPoint",
    "NetworkRun",
    "Prediction",
    "Ranking",
    "Reliability",
    "Resolution",
    "SearchHealth",
    "SearchedHyperparameter",
    "SeedsError",
    "Share",
    "Spread",
    "StudyState",
    "Suspects",
    "Uncertainty",
    "Verb",
    "bootstrap_corrected_error",
    "calibration",
    "can_fit",
    "chance_as_good",
    "chosen_error",
    "class_errors",
    "class_scores",
    "class_weighted_error",
    "confusion_matrix",
    "corrected_dev_error",
    "count_duplicates",
    "diagnose",
    "diagnose_predictions",
    "difference_interval",
    "disputed_by",
    "diverged_shares",
    "diverging_from",
    "effective_examples",
    "effective_weighted",
    "epoch_corrected_errors",
    "examples_to_decide",
    "exponentially_weighted_average",
    "first_stop",
    "fit_learning_curve",
    "held_out_losses",
    "hyperparameter_effects",
    "hyperparameter_states",
    "independent_examples",
    "influential",
    "learning_points",
    "majority_error",
    "pooled_epoch_corrected_errors",
    "rank_actions",
    "ranking",
    "rechosen_average_error",
    "rechosen_error",
    "reliability",
    "resolution",
    "seeds_error",
    "simplest_tied",
    "spread_beyond_folds",
    "spread_beyond_rows",
    "subset_sizes",
    "suspected_labels",
    "tied_with_best",
    "wilson",
    "within_one_standard_error",
]
