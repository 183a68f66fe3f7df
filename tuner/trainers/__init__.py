"""What trains a trial's models: tuner's own network, or a function of the user's own that may be run here."""

from tuner.trainer_child.function import TrainerFunction
from tuner.trainer_child.messages import TrialEnded
from tuner.trainers.custom import CustomTrainer
from tuner.trainers.interrupting import interruptible
from tuner.trainers.own import OwnNetwork
from tuner.trainers.permission import trainer_of
from tuner.trainers.trainer import Estimate, Interrupted, Trainer, TrialError, TrialRequest, print_output
