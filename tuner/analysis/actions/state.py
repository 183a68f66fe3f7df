"""The state of a study that its actions are chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tuner.analysis.actions.action import Gain
from tuner.analysis.counting import ClassError
from tuner.analysis.deciding import ThresholdGain
from tuner.analysis.diagnosis import Diagnosis, examples_to_decide
from tuner.analysis.hyperparameter_states import HyperparameterState
from tuner.analysis.intervals import ErrorEstimate
from tuner.analysis.learning_curve import LearningCurve
from tuner.analysis.search_health import SearchHealth
from tuner.metrics import ERROR, Metric
from tuner.outcomes import Level
from tuner.units import SHARE, Unit

MOST_ROWS_FOR_FOLDS = 50_000  # folds multiply the training time; with more rows a larger dev set is cheaper


@dataclass(frozen=True, slots=True, kw_only=True)
class DataState:
    """The study's examples.

    ``can_fold``: dev examples come from the same file as training examples. ``images``: examples can be shifted and
    rotated; ``augmented``: they are. ``warnings``: those of the data checks, as sentences;
    ``warnings_about``: the share of rows that they are about, if no more than these rows is in doubt.
    """

    n_train: int
    n_dev: int
    folds: int | None = None
    can_fold: bool = True
    images: bool = False
    augmented: bool = False
    warnings: tuple[str, ...] = ()
    warnings_about: float | None = None
    n_classes: int = 2

    @property
    def rows(self) -> int:
        """Examples outside the test set."""
        return self.n_train + self.n_dev

    @property
    def n_train_of_a_network(self) -> int:
        """Training examples of one network: with folds all but those of its fold."""
        return self.n_train - (math.ceil(self.n_train / self.folds) if self.folds else 0)

    @property
    def may_use_folds(self) -> bool:
        """Whether folds are possible, affordable and not used yet."""
        return not self.folds and self.can_fold and self.rows <= MOST_ROWS_FOR_FOLDS


@dataclass(frozen=True, slots=True)
class Fit:
    """Evidence that the best trial's network is large enough: the train ``error`` fell below baseline plus material gap
    in another ``epoch`` of the best trial, else in another ``trial`` with a network no larger.
    """

    error: float
    epoch: int | None = None
    trial: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestTrialState:
    """How the best trial's networks trained.

    ``hidden``: their layers ("64-32"), None with a custom trainer; ``is_largest``: no larger network was searched.
    ``best_epoch`` of ``max_epochs``; ``chosen_epochs``: the earliest and latest that early stopping chose in the
    networks, by ``monitor`` on ``dev_rows`` or more. ``still_improving``: most networks ran out of epochs while their
    dev error still fell. ``fit``: see :class:`Fit`, None if no network of this size fitted its training set.
    """

    hidden: str | None = None
    is_largest: bool = True
    best_epoch: int = 0
    max_epochs: int = 0
    chosen_epochs: tuple[int, int] = (0, 0)
    monitor: str = "error"
    dev_rows: int = 0
    still_improving: bool = False
    fit: Fit | None = None


@dataclass(frozen=True, slots=True)
class SegmentState:
    """A segment with a higher error: its training rows, its shares of dev rows and of the error, what fixing it gains.

    ``variance``: the level of dev − train there; None if it is unknown.  ``error``: what the error is, with its unit
    and threshold, which may be those of wrong rows in a study of another metric.
    """

    label: str
    n_train: int
    of_rows: float
    of_error: float
    gain: float
    variance: Level | None
    error: str = "error"
    unit: Unit = SHARE
    material_gap: float = SHARE.material_gap


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyState:
    """Everything that actions are chosen by.

    ``best`` is None without a complete trial; ``curve`` is None unless it was measured at enough sizes. ``classes``:
    the best trial's error on each class. ``metric``: what the search minimizes. ``changed``: keys of the definition
    that an earlier action already changes; ``promised``: an earlier action promises a lower error. ``trainer``: the
    name of a custom one; ``has_size``: its models have known layers; ``can_train_again``: it trains a trial again, on
    other rows too. ``can_measure_curve``: there are enough examples for a learning curve. ``threshold``: what one for
    the balanced error would bring, None unless that is the metric or a class is rare.
    ``suspects``: dev labels that look wrong; ``segment``: where fixing a higher error would gain most, if anywhere;
    ``differing``: columns in which dev rows differ from training rows, the most first.
    """

    diagnosis: Diagnosis
    data: DataState
    search: SearchHealth = field(default_factory=SearchHealth)
    best: BestTrialState | None = None
    classes: tuple[ClassError, ...] = ()
    metric: Metric = ERROR
    hyperparameters: tuple[HyperparameterState, ...] = ()
    curve: LearningCurve | None = None
    trainer: str = ""
    has_size: bool = True
    can_train_again: bool = True
    can_measure_curve: bool = True
    changed: frozenset[str] = frozenset()
    promised: bool = False
    threshold: ThresholdGain | None = None
    suspects: int = 0
    segment: SegmentState | None = None
    differing: tuple[str, ...] = ()

    @property
    def unit(self) -> Unit:
        """The unit of errors and gaps."""
        return self.diagnosis.unit

    def level(self, gap: str) -> Level | None:
        """Return the level of a gap; None if it was not measured."""
        return self.diagnosis.gaps[gap].level if gap in self.diagnosis.gaps else None

    def is_high(self, *gaps: str) -> bool:
        """Return whether any of these gaps is high."""
        return any(self.level(gap) == Level.HIGH for gap in gaps)

    def is_undecided(self, *gaps: str) -> bool:
        """Return whether any of these gaps is inconclusive."""
        return any(self.level(gap) == Level.UNDECIDED for gap in gaps)

    def is_low(self, *gaps: str) -> bool:
        """Return whether all of these gaps are low."""
        return all(self.level(gap) == Level.LOW for gap in gaps)

    def size(self, gap: str) -> float | None:
        """Return a gap's value; None if it was not measured."""
        return self.diagnosis.gaps[gap].value if gap in self.diagnosis.gaps else None

    @property
    def bias_gain(self) -> Gain | None:
        """What a network that fits its training examples can bring: dev error down to the baseline.

        None without a baseline: nothing is known to be avoidable then.
        """
        dev = self.dev
        return (
            None
            if dev is None or not self.diagnosis.baseline_given
            else Gain(0.0, max(dev.value - self.diagnosis.attainable, 0.0))
        )

    @property
    def train_error(self) -> float | None:
        """The best trial's train error."""
        train = self.diagnosis.errors.get("train")
        return None if train is None else train.value

    @property
    def dev(self) -> ErrorEstimate | None:
        """The best trial's dev error, selection-corrected."""
        return self.diagnosis.errors.get("dev_corrected")

    @property
    def fit(self) -> Fit | None:
        """The evidence that the best trial's network is large enough, if there is any."""
        return None if self.best is None else self.best.fit

    @property
    def open_ranges(self) -> list[HyperparameterState]:
        """The ranges that no action ranked higher changes."""
        return [state for state in self.ranges if f"space.{state.name}" not in self.changed]

    @property
    def ranges(self) -> list[HyperparameterState]:
        """The searched hyperparameters that have a range; the others have choices."""
        return [state for state in self.hyperparameters if state.scale.is_numeric]

    @property
    def dev_needed(self) -> int | None:
        """Dev examples that would decide the variance; None if it is decided or no number would."""
        needed = examples_to_decide(self.diagnosis, "variance")
        return needed[1] if needed is not None and needed[0] == "dev" else None

    @property
    def folds_would_serve(self) -> bool:
        """Whether folds are possible and a larger dev set would help."""
        return self.data.may_use_folds and self.is_undecided("variance", "data_mismatch")

    @property
    def folds_would_decide(self) -> bool:
        """Whether all rows outside the test set are enough dev examples."""
        return self.dev_needed is not None and self.dev_needed <= self.data.rows
