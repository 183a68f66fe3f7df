"""The network and its training, NumPy and SciPy's sparse products only: no Optuna, pandas, SQL or files."""

from tuner.nn.activations import ACTIVATIONS, GELU, LEAK, SELU
from tuner.nn.architecture import Architecture, residual_layers
from tuner.nn.diagnostics import LayerReport
from tuner.nn.evaluation import EVALUATED_ROWS
from tuner.nn.examples import Examples
from tuner.nn.hyperparameters import Hyperparameters, idle_hyperparameters
from tuner.nn.initializers import INITIALIZERS
from tuner.nn.losses import LARGEST_LOGARITHM, MEDIAN, OUTPUTS, output_for, output_named, quantile_output
from tuner.nn.network import Network, TrainedNetwork, classify_each
from tuner.nn.normalization import NORMALIZATIONS
from tuner.nn.optimizers import OPTIMIZERS
from tuner.nn.parameter_groups import PARAMETER_GROUPS, SCALE
from tuner.nn.periodic import MOST_FREQUENCY, Periodic
from tuner.nn.plan import PENALTY_PER
from tuner.nn.schedules import SCHEDULES
from tuner.nn.stopping import Stopping
from tuner.nn.training import EpochMetrics, TrainingRun, train

__all__ = [
    "ACTIVATIONS",
    "EVALUATED_ROWS",
    "GELU",
    "INITIALIZERS",
    "LARGEST_LOGARITHM",
    "LEAK",
    "MEDIAN",
    "MOST_FREQUENCY",
    "NORMALIZATIONS",
    "OPTIMIZERS",
    "OUTPUTS",
    "PARAMETER_GROUPS",
    "PENALTY_PER",
    "SCALE",
    "SCHEDULES",
    "SELU",
    "Architecture",
    "EpochMetrics",
    "Examples",
    "Hyperparameters",
    "LayerReport",
    "Network",
    "Periodic",
    "Stopping",
    "TrainedNetwork",
    "TrainingRun",
    "classify_each",
    "idle_hyperparameters",
    "output_for",
    "output_named",
    "quantile_output",
    "residual_layers",
    "train",
]
