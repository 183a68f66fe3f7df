"""What trains a trial's models: tuner's own network, or a function of the user's own that may be run here."""

from tuner.trainers.custom import CustomTrainer, TrainerData
from tuner.trainers.epoch_report import EpochReport
from tuner.trainers.function import TrainerFunction
from tuner.trainers.interrupting import TrialEnded, interruptible
from tuner.trainers.own import OwnNetwork
from tuner.trainers.permission import trainer_of
from tuner.trainers.trainer import Estimate, Interrupted, Trainer, TrialError, TrialRequest
