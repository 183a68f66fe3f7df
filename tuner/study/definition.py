"""A study definition: the TOML file of a search, validated, with a one-line message for every error."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tuner.arguments import shown
from tuner.data import AUGMENTATIONS, PERIODIC, DataSettings, NumericForm, make_augment
from tuner.errors import UsageError
from tuner.formatting import bounded, some_of
from tuner.limits import MOST_CONFIRMED, MOST_SEEDS, MOST_THREADS
from tuner.metrics import COST, COST_OF_ERRORS, METRICS, Metric
from tuner.nn import ACTIVATIONS, MEDIAN, OUTPUTS, PARAMETER_GROUPS, SCALE, Stopping, quantile_output, residual_layers
from tuner.paths import LONGEST_STUDY_NAME, STUDY_NAME
from tuner.study.costs import cost_matrix
from tuner.study.hyperparameters import (
    FREE,
    HYPERPARAMETERS,
    MOST_LAYERS,
    format_hidden,
    in_order,
    layer_of,
    parse_hidden,
    spec_of,
)
from tuner.study.known_names import nearest_key, suggest
from tuner.study.notify import check_hook
from tuner.study.ranges import Range
from tuner.study.space import Space
from tuner.study.strategies import FOLD_PRUNERS, PRUNERS, SAMPLERS, rungs
from tuner.study.trackers import TRACKERS
from tuner.study.trainer_kinds import TrainerKind, check_free_name, check_trainer, is_free_name, kind_of, refuse_twins
from tuner.units import Unit

Augment = Callable[[np.random.Generator, np.ndarray], np.ndarray]
_IN_EVERY_TRIAL = tuple(Space({"hidden": "none", "activation": "relu"}).fixed)
FINGERPRINT_SHOWN = 12  # of its 64 digits, enough to see that two differ


def _offered(entry: Any) -> list[Any]:
    """The values that a hyperparameter may take: choices, or the one that is fixed."""
    return list(entry.bounds) if isinstance(entry, Range) else [entry]


class Section(BaseModel):
    """A table of the definition: refuses unknown keys and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _with_layers(entries: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of [space], those of the table ``keep_prob.LAYER = …`` under their dotted names."""
    for name, entry in entries.items():
        is_table = name == "keep_prob" and isinstance(entry, Mapping)
        if not is_table or not any(str(key).lstrip("-").isdecimal() for key in entry):
            yield name, entry
            continue
        for layer, of_layer in entry.items():
            if layer_of(f"keep_prob.{layer}") is None:
                raise ValueError(
                    f"space.keep_prob: expected hidden layers from 1, like keep_prob.1 = 0.8, got {shown(layer, 50)}"
                )
            yield f"keep_prob.{layer}", of_layer


def _value_or_range(value: Any) -> str:
    return "range" if isinstance(value, dict | Range) else "value"


Entry = Annotated[
    Annotated[bool | int | float | str | list[float], Tag("value")] | Annotated[Range, Tag("range")],
    Discriminator(_value_or_range),
]
"""The value of a key of [space]: a plain value fixes the hyperparameter, a table searches it."""


def _known(table: Collection[str], what: str) -> BeforeValidator:
    """Accept only the names of a table; the schema lists them."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in table:
            raise ValueError(f"expected {what}: one of {', '.join(table)}{suggest(value, table)}, got {shown(value)}")
        return value

    return BeforeValidator(check, json_schema_input_type=Literal[tuple(table)])


MOST_QUANTILES = 99
Quantile = Annotated[float, Field(gt=0, lt=1)]


class NetworkSection(Section):
    """[network]: the architecture, the same in all trials unless [space] searches it."""

    hidden: list[Annotated[int, Field(ge=1)]] = Field(
        default=[64, 32], max_length=MOST_LAYERS, description="units per hidden layer; [] for no hidden layer"
    )
    activation: Annotated[str, _known(ACTIVATIONS, "an activation")] = Field(
        default="relu", description="activation of the hidden layers"
    )
    task: Literal["classification", "regression"] | None = Field(
        default=None,
        description="whether the target has classes or is a number; by default a column of more than 20 numbers that "
        "are not all integers, or of more than 50 that are, is a number",
    )
    output: Literal["softmax", "sigmoid", "linear", "huber", "absolute", "poisson"] = Field(
        default="softmax",
        description="softmax for any number of classes, sigmoid for two classes; a number has linear (squared error), "
        "huber or absolute (their losses give outliers less weight), a count poisson (its logarithm, by Poisson loss)",
    )
    quantiles: Annotated[list[Quantile], Field(min_length=2, max_length=MOST_QUANTILES)] | None = Field(
        default=None,
        description="quantiles of a number to predict, rising, with the median 0.5, which is the prediction; trained "
        "by pinball loss instead of output's",
    )
    trainer: Annotated[str, AfterValidator(check_trainer)] | None = Field(
        default=None, description="custom trainer, package.module:function, instead of tuner's own network"
    )

    @property
    def known_task(self) -> Literal["classification", "regression"] | None:
        """The task, also where the output is one of numbers; None: the target's cells decide."""
        of_numbers = self.quantiles or ("output" in self.model_fields_set and OUTPUTS[self.output].is_numeric)
        return self.task or ("regression" if of_numbers else None)

    @model_validator(mode="after")
    def _has_one_loss(self) -> NetworkSection:
        if self.quantiles and "output" in self.model_fields_set:
            raise ValueError("output and quantiles are mutually exclusive: quantiles have a loss of their own")
        return self

    @property
    def output_name(self) -> str:
        """The output of the networks, of quantiles if there are some."""
        return quantile_output(self.quantiles) if self.quantiles else self.output

    @field_validator("quantiles")
    @classmethod
    def _quantiles_rise(cls, quantiles: list[float] | None) -> list[float] | None:
        if quantiles and (MEDIAN not in quantiles or quantiles != sorted(set(quantiles))):
            raise ValueError(f"expected rising quantiles, the median {MEDIAN:g} among them, got {quantiles}")
        return quantiles


def _none(value: Any) -> Any:
    return None if value == "none" else value


GroupOfParameters = Annotated[str, _known(PARAMETER_GROUPS, "a group of parameters")]
FactorOfRate = Annotated[float, Field(gt=0, le=1e6)]
WeightOfClass = Annotated[float, Field(gt=0, le=1e6)]
ClassWeight = Annotated[
    Literal["balanced"] | Annotated[dict[str, WeightOfClass], Field(min_length=1)] | None,
    BeforeValidator(_none, json_schema_input_type=Literal["none", "balanced"] | dict[str, WeightOfClass]),
]


class TrainingSection(Section):
    """[training]: when training stops, and its cost."""

    max_epochs: int = Field(default=100, ge=1, description="maximum number of epochs (passes over the training set)")
    patience: int = Field(
        default=10, ge=1, description="training stops after this many epochs without a better dev result"
    )
    min_updates: int = Field(
        default=500, ge=0, description="training does not stop early before this many gradient steps"
    )
    min_improvement: float = Field(
        default=0.0, ge=0, description="how much lower a dev result must be to count as better"
    )
    monitor: Annotated[str, _known(METRICS, "a monitor")] = Field(
        default="error", description="metric on the dev set that early stopping follows"
    )
    penalty_per: Literal["train_set", "mini_batch"] = Field(
        default="train_set", description="m in the penalty λ/(2m): rows of the training set, or of the mini-batch"
    )
    rates: Annotated[dict[GroupOfParameters, FactorOfRate], Field(min_length=1)] | None = Field(
        default=None,
        description="factors of the learning rate for groups of parameters, { biases = 0.1, first = 1, scale = 6 }: "
        f"{', '.join(PARAMETER_GROUPS.values())}; 1 for all others",
    )
    class_weight: ClassWeight = Field(
        default=None,
        description="weight of each class in the cost: none; balanced: such that all classes together weigh the same; "
        "{ yes = 5 }: others weigh 1",
    )
    seeds: int = Field(
        default=1, ge=1, le=MOST_SEEDS, description="networks per trial, one per seed; the trial's value is their mean"
    )

    @property
    def stopping(self) -> Stopping:
        """Return these settings for ``tuner.nn``."""
        return Stopping(
            max_epochs=self.max_epochs,
            patience=self.patience,
            min_updates=self.min_updates,
            min_improvement=self.min_improvement,
            monitor=self.monitor,
        )


class SearchSection(Section):
    """[search]: the number of trials, how they are sampled, and the metric they are compared by."""

    trials: int = Field(
        default=100, ge=1, le=2**31 - 1, description="the study's budget: complete and pruned trials in total"
    )
    metric: Annotated[str, _known(METRICS, "a metric")] = Field(
        default="error", description="metric on the dev set that trials are compared by"
    )
    sampler: Annotated[str, _known(SAMPLERS, "a sampler")] = Field(
        default="tpe",
        description="how trials are sampled; cmaes samples choices at random, grid uses the ticks of every range",
    )
    explore: float = Field(
        default=0.25, ge=0, le=1, description="share of trials spread evenly over the space and never pruned"
    )
    pruner: Annotated[str, _known(PRUNERS, "a pruner")] = Field(
        default="median",
        description="how unpromising trials are stopped; wilcoxon compares with the best trial, fold by fold",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of every random draw of the search")
    max_attempts: int = Field(default=3, ge=1, description="number of attempts at a trial before it counts as failed")
    trial_timeout: float | None = Field(default=None, gt=0, description="maximum seconds per trial")
    target_error: float | None = Field(default=None, ge=0, description="the study ends when the best value is this low")
    stop_after_no_progress: int | None = Field(
        default=None, ge=1, description="the study ends after this many finished trials without a better one"
    )
    confirm: int = Field(
        default=0,
        ge=0,
        le=MOST_CONFIRMED,
        description="after the budget, so many of the best trials are trained again with another seed, and of few rows "
        "with another split, too; the best is chosen by all trainings",
    )
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | Literal["auto"] = Field(
        default=1,
        description="threads of a worker, if layers are wide; auto shares the cores among the workers of a search",
    )
    track: list[Annotated[str, _known(TRACKERS, "a tracker")]] = Field(
        default_factory=list, max_length=len(TRACKERS), description="experiment trackers that log every trial"
    )

    @property
    def trackers(self) -> tuple[str, ...]:
        """The trackers, each once."""
        return tuple(dict.fromkeys(self.track))


CostOfMistake = Annotated[float, Field(ge=0, le=1e6)]


class DiagnosisSection(Section):
    """[diagnosis]: baseline, threshold and costs of the report; may be changed at any time."""

    baseline_error: float | dict[Literal["wrong", "of"], int] | None = Field(
        default=None, description="human-level or Bayes error: a number, or { wrong = 3, of = 200 }"
    )
    material_gap: float = Field(
        default=0.02,
        gt=0,
        description="threshold: a gap smaller than this does not matter; of a number to predict it is in its unit, by "
        "default 2% of the RMSE of always predicting the mean",
    )

    segments: list[str] = Field(
        default=[], description="columns by which the report splits errors, as each one's are of interest"
    )
    cost: Annotated[dict[str, CostOfMistake], Field(min_length=1)] | None = Field(
        default=None,
        description='what mistakes cost, as { "yes->no" = 10, "no->yes" = 1 } (true class -> predicted class); others '
        "cost 1; of the metric cost_of_errors, for which it may not be changed",
    )

    def threshold(self, unit: Unit) -> float:
        """Return the threshold in the unit of the target."""
        return self.material_gap if "material_gap" in self.model_fields_set else unit.material_gap

    @field_validator("baseline_error")
    @classmethod
    def _is_a_share(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) != {"wrong", "of"} or not 0 <= value["wrong"] <= value["of"] or value["of"] < 1:
                raise ValueError("expected { wrong = W, of = N } with 0 ≤ W ≤ N and N ≥ 1")
        elif value is not None and not value >= 0:
            raise ValueError(f"expected {bounded('an error', low=0)}")
        return value

    @property
    def baseline(self) -> float | None:
        """The baseline error as a share."""
        given = self.baseline_error
        return given["wrong"] / given["of"] if isinstance(given, dict) else given


Hook = Annotated[str, AfterValidator(check_hook)]


class NotifySection(Section):
    """[notify]: who is told of events; kept out of the database, and may be changed at any time."""

    on_best: Hook | None = Field(
        default=None, description="web address or command, told when a trial is better than all before it"
    )
    on_done: Hook | None = Field(default=None, description="the same, told when the last trial of the budget has ended")
    on_failure: Hook | None = Field(
        default=None, description="the same, told when a trial failed, or a worker set the study aside"
    )

    @property
    def hooks(self) -> dict[str, str]:
        """The hooks by the names of their keys."""
        return self.model_dump(exclude_none=True)


class StudyDefinition(BaseModel):
    """The parsed form of one TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(
        pattern=f"^{STUDY_NAME}$",
        max_length=LONGEST_STUDY_NAME,
        description="letters, digits, '.', '_' or '-', starting with a letter or digit",
    )
    data: DataSettings
    network: NetworkSection = NetworkSection()
    training: TrainingSection = TrainingSection()
    space: dict[str, Entry] = Field(
        default_factory=dict, description="a plain value fixes a hyperparameter, a table searches it"
    )
    search: SearchSection = SearchSection()
    diagnosis: DiagnosisSection = DiagnosisSection()
    notify: NotifySection = NotifySection()

    @field_validator("space", mode="before")
    @classmethod
    def _hyperparameters_are_known(cls, entries: Any, info: ValidationInfo) -> Any:
        if not isinstance(entries, dict):
            raise ValueError("expected a table of hyperparameters")
        network = info.data.get("network")  # None if [network] was refused
        if network is None or kind_of(network.trainer).knows_hyperparameters:
            entries = dict(_with_layers(entries))
        for name in entries:
            if spec_of(name) is not FREE or network is None:
                continue
            if kind_of(network.trainer).knows_hyperparameters:
                raise ValueError(f"unknown key {shown(name, 200)}{nearest_key(name, HYPERPARAMETERS)}")
            check_free_name(name)
        return entries

    @model_validator(mode="after")
    def _keys_suit_the_task(self) -> StudyDefinition:
        task, are_counts = self.network.known_task, self.network.output == "poisson"
        self.data.set_task(task)
        self.data.set_losses(by_absolute=METRICS[self.search.metric].of_numbers, are_counts=are_counts)
        if self.data.has_several_targets and (misfit := self._misfit_of_several()):
            raise ValueError(misfit)
        if are_counts and self.data.target_transform not in (None, "none"):
            raise ValueError(
                'data.target_transform: expected none with network.output = "poisson", which predicts the logarithm of '
                f"a count, got {self.data.target_transform!r}"
            )
        if task is not None and (misfit := self._task_misfit(task)):
            raise ValueError(misfit)
        if task != "regression" and METRICS[self.search.metric].is_share:
            for key in ("baseline_error", "material_gap"):
                value = getattr(self.diagnosis, key)
                if isinstance(value, float | int) and not value < 1:
                    unless = 'of classes; with task = "regression" in [network] it is in the unit of the target'
                    raise ValueError(
                        f"diagnosis.{key}: expected {bounded('an error', low=0, below=1)} {unless}, got {value:g}"
                    )
        return self

    def _misfit_of_several(self) -> str | None:
        """Return what is wrong with a key that does not suit several targets."""
        if self.network.task == "classification":
            return "network.task: expected regression with several targets, got 'classification'"
        if self.network.quantiles:
            return "network.quantiles: expected none with several targets; quantiles are of one number"
        if self.network.output == "poisson":
            return "network.output: expected linear, huber or absolute with several targets, got 'poisson'"
        return None

    def _task_misfit(self, task: str) -> str | None:
        """Return what is wrong with a key that does not suit the task."""
        is_numeric = task == "regression"
        if "output" in self.network.model_fields_set and OUTPUTS[self.network.output].is_numeric != is_numeric:
            possible = " or ".join(name for name, output in OUTPUTS.items() if output.is_numeric == is_numeric)
            return f"network.output: expected {possible} for {task}, got {self.network.output!r}"
        if self.network.quantiles and not is_numeric:
            return "network.quantiles: expected none for classification; quantiles are of a number to predict"
        if (misfit := self._metric_misfit(is_numeric=is_numeric)) or not is_numeric:
            return misfit
        of_classes = {
            "training.class_weight": self.training.class_weight is not None,
            "diagnosis.cost": self.diagnosis.cost is not None,
            "space.label_smoothing": any(_offered(self.space.get("label_smoothing", 0.0))),
        }
        for key, is_given in of_classes.items():
            if is_given:
                return f"{key}: expected none, as regression has no classes"
        return None

    def _metric_misfit(self, *, is_numeric: bool) -> str | None:
        """Return what is wrong with the metrics of numbers or of classes."""
        for key, name in (("search.metric", self.search.metric), ("training.monitor", self.training.monitor)):
            if METRICS[name].of_numbers and not is_numeric:
                return f"{key}: expected a metric of classes, like error, for classification, got {name!r}"
            if METRICS[name].of_classes and is_numeric:
                return f"{key}: expected error (RMSE), absolute_error or cost for regression, got {name!r}"
        if METRICS[self.training.monitor].of_numbers and self.training.monitor != self.search.metric:
            return (
                f"training.monitor: expected error (that of search.metric = {self.search.metric!r}) or cost, "
                f"got {self.training.monitor!r}"
            )
        return None

    @model_validator(mode="after")
    def _keys_suit_the_trainer(self) -> StudyDefinition:
        kind = self.trainer_kind
        kind.check_keys("data", self.data)
        kind.check_keys("network", self.network)
        kind.check_keys("training", self.training)
        if not kind.knows_hyperparameters:
            refuse_twins(self.space)
        if not kind.has_cost and METRICS[self.search.metric].of_numbers:
            raise ValueError("search.metric: expected error (RMSE) with a custom trainer, got 'absolute_error'")
        if not kind.has_cost and self.search.metric == COST.name:
            possible = " or ".join(metric.name for metric in METRICS.values() if metric is not COST)
            raise ValueError(f"search.metric: expected {possible} with a custom trainer, got {self.search.metric!r}")
        return self

    @model_validator(mode="after")
    def _costs_are_given(self) -> StudyDefinition:
        keys = {"search.metric": self.search.metric, "training.monitor": self.training.monitor}
        for key, name in keys.items():
            if name == COST_OF_ERRORS.name and self.diagnosis.cost is None:
                raise ValueError(f'{key}: {name} expects diagnosis.cost, like {{ "yes->no" = 10, "no->yes" = 1 }}')
        return self

    @model_validator(mode="after")
    def _entries_are_valid(self) -> StudyDefinition:
        for name, entry in self.space.items():
            spec = spec_of(name)
            if isinstance(entry, Range) and entry.kind not in spec.kinds:
                raise ValueError(f"space.{name}: expected {' or '.join(spec.kinds)}, got {entry.kind}")
            for value in _offered(entry):
                expected = spec.check(value)
                if expected:
                    raise ValueError(f"space.{name}: expected {expected}, got {shown(value)}")
        if "numeric" in self.space and (why := self._one_form_misfit()):
            raise ValueError(f"space.numeric: {why}")
        self._check_periodic()
        if self.data.image is None:
            for name in self.space:
                if name in AUGMENTATIONS:
                    raise ValueError(f"space.{name}: an augmentation needs data.image = [height, width]")
        if self.data.folds is not None and self.training.seeds > 1:
            raise ValueError(f"training.seeds: expected 1 with data.folds, got {self.training.seeds}")
        return self

    def _one_form_misfit(self) -> str | None:
        """Return why trials cannot choose the form of the numbers."""
        if not self.trainer_kind.knows_hyperparameters:
            return "has no effect with a custom trainer; set data.numeric"
        if self.data.numeric is not None:
            return "mutually exclusive with data.numeric, which is the form of all trials"
        return None if self.data.image is None else "the pixels of an image are normalized alike; leave it out"

    def _check_periodic(self) -> None:
        """Refuse periodic inputs where nothing learns them, and their frequencies where there are none."""
        keys = [key for key, form in self.data.forms.items() if form == PERIODIC]
        if not self.trainer_kind.knows_hyperparameters:
            if keys:
                raise ValueError(
                    f'data.{keys[0]}: expected another form than "periodic" with a custom trainer, as tuner\'s own '
                    'network learns it; "quantile" is what it is learned from'
                )
        elif "highest_frequency" in self.space and PERIODIC not in self.forms and not keys:
            raise ValueError('space.highest_frequency: has no effect without numeric = "periodic" in [data] or [space]')

    @model_validator(mode="after")
    def _each_hidden_layer_has_its_keep_prob(self) -> StudyDefinition:
        if not self.trainer_kind.knows_hyperparameters:
            return self
        hidden = _offered(self.space.get("hidden", format_hidden(self.network.hidden)))
        depths = {len(parse_hidden(text)) for text in hidden}
        for name in self.space:
            if (layer_of(name) or 0) > max(depths):
                raise ValueError(
                    f"space.{name}: expected a hidden layer from 1 to {max(depths)}, got {layer_of(name)}"
                    if max(depths)
                    else f"space.{name}: expected hidden layers, got none"
                )
        of_layers = [name for name in self.space if layer_of(name)]
        for shares in _offered(self.space.get("keep_prob", 1.0)):
            if isinstance(shares, list | tuple) and of_layers:
                raise ValueError(f"space.{of_layers[0]}: expected one number in keep_prob, got a list of {len(shares)}")
            if isinstance(shares, list | tuple) and depths != {len(shares)}:
                layers = " or ".join(map(str, sorted(depths)))
                raise ValueError(
                    f"space.keep_prob: expected one number, or a list of {layers}, one per hidden layer, "
                    f"got a list of {len(shares)}"
                )
        return self

    @model_validator(mode="after")
    def _mini_batches_can_be_normalized(self) -> StudyDefinition:
        sizes, kinds = (_offered(self.space.get(name, None)) for name in ("batch_size", "normalization"))
        if "batch" in kinds and 1 in sizes:
            raise ValueError(
                "space.batch_size: expected at least 2 with normalization, as one row has no variance, got 1"
            )
        if SCALE in (self.training.rates or {}) and "batch" not in kinds:
            raise ValueError(
                'training.rates: scale is of batch normalization; expected space.normalization = "batch", got none'
            )
        return self

    @model_validator(mode="after")
    def _a_layer_can_be_residual(self) -> StudyDefinition:
        hidden = _offered(self.space.get("hidden", format_hidden(self.network.hidden)))
        if not self.trainer_kind.knows_hyperparameters or True not in _offered(self.space.get("residual")):
            return self
        if not any(any(residual_layers(parse_hidden(widths))) for widths in hidden):
            raise ValueError(
                "space.residual: expected two hidden layers of the same width after each other, like hidden = "
                f'"64-64", got {" and ".join(hidden)}'
            )
        return self

    @model_validator(mode="after")
    def _pruner_can_compare(self) -> StudyDefinition:
        pruner, folds = self.search.pruner, self.data.folds or 0
        fewest = FOLD_PRUNERS.get(pruner, 0)
        if not fewest:
            return self
        if folds < fewest:
            raise ValueError(
                f"search.pruner: {pruner!r} compares trials fold by fold; expected data.folds ≥ {fewest} or another "
                f"pruner, like 'median', got {f'data.folds = {folds}' if folds else 'no folds'}"
            )
        if not self.trainer_kind.has_dev_folds:
            raise ValueError(
                f"search.pruner: {pruner!r} does not work with a custom trainer; expected another pruner, like 'median'"
            )
        if self.search.metric == COST.name:
            raise ValueError(
                f"search.pruner: {pruner!r} compares errors, not search.metric = {self.search.metric!r}; expected "
                "another pruner, like 'median'"
            )
        return self

    @property
    def trainer_kind(self) -> TrainerKind:
        """The properties of the study's trainer."""
        return kind_of(self.network.trainer)

    @cached_property
    def searched_space(self) -> Space:
        """The space, with the values that [network] fixes and [space] does not; a custom trainer has [space] only."""
        if not self.trainer_kind.knows_hyperparameters:
            return Space(self.space, defaults=False)
        network = {"hidden": format_hidden(self.network.hidden), "activation": self.network.activation}
        return Space({**network, **self.space}, has_periodic=PERIODIC in self.data.forms.values())

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of hyperparameters that neither [network] nor [space] sets; a custom trainer's are not known."""
        of_data = {} if self.data.numeric is None else {"numeric": self.data.numeric}
        return {**self.trainer_kind.defaults, **of_data}

    @property
    def forms(self) -> list[NumericForm]:
        """The forms in which trials may have numbers as inputs; empty: the data's own alone."""
        return _offered(self.space["numeric"]) if "numeric" in self.space else []

    def require_target(self, class_names: Sequence[str]) -> None:
        """Raise UsageError for keys that do not suit the target, which is a number without classes."""
        if misfit := self._task_misfit("classification" if class_names else "regression"):
            raise UsageError(f"{misfit} (the task is that of the target's cells)" if not self.network.task else misfit)
        weights = self.training.class_weight
        for name in weights if isinstance(weights, dict) else ():
            if name not in class_names:
                raise UsageError(
                    f"training.class_weight: no class {shown(name)}; the classes are {some_of(class_names)}"
                )
        self.cost_matrix(class_names)

    def cost_matrix(self, class_names: Sequence[str]) -> np.ndarray | None:
        """Return the costs of mistakes, (n_classes, n_classes), by true and predicted class; None if none are given.

        Raises UsageError for a pair that is not of two of the classes.
        """
        costs = self.diagnosis.cost
        return None if costs is None else cost_matrix(costs, class_names)

    def require_training_again(self, command: str) -> None:
        """Raise UsageError if a trial's training cannot be repeated, as ``command`` needs."""
        if not self.trainer_kind.can_train_again:
            raise UsageError(
                f"{command}: expected a study of tuner's own network, got {self.name!r} with the custom trainer "
                f"{self.network.trainer}"
            )

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which a trial may be pruned; empty without a pruner."""
        return () if self.search.pruner == "none" else rungs(self.training.max_epochs)

    def misfit(self, values: Mapping[str, Any]) -> tuple[str, Any, str] | None:
        """Return the first of a trial's hyperparameters that no trial can have: name, value and what was expected.

        Ranges do not matter: the trial may be older than a change of them.
        """
        is_own = self.trainer_kind.knows_hyperparameters
        for name in in_order({*values, *(_IN_EVERY_TRIAL if is_own else ())}):
            value = values.get(name)
            spec = spec_of(name)
            is_known = spec is not FREE or (not is_own and is_free_name(name))
            if expected := spec.check(value) if is_known else "a hyperparameter of the trainer":
                return name, value, expected
        return self._keep_prob_misfit(values) if is_own else None

    @staticmethod
    def _keep_prob_misfit(values: Mapping[str, Any]) -> tuple[str, Any, str] | None:
        shares, n_layers = values["keep_prob"], len(parse_hidden(values["hidden"]))
        if not isinstance(shares, list) or len(shares) == n_layers:
            return None
        return "keep_prob", shares, f"one number, or a list of {n_layers}, one per hidden layer"

    def augment(self, values: Mapping[str, Any]) -> Augment | None:
        """Return the data augmentation at a point of the space, or None."""
        image = self.data.image
        return None if image is None else make_augment(self.searched_space.augmentation(values), image)

    def identity(self, fingerprint: str) -> dict[str, Any]:
        """Return the settings that a study may not change, as flat ``{"space.alpha": …}``.

        Paths of the data are left out: the fingerprint identifies their contents; so are the rows that are looked at.
        """
        parsed = self.model_dump(mode="json", exclude_none=True, exclude={"data": {"source", "dev", "test", "eyeball"}})
        sections = {key: parsed[key] for key in ("data", "network", "training", "space")}
        search = {key: parsed["search"][key] for key in ("metric", "sampler", "pruner", "seed")}
        if COST_OF_ERRORS.name in (self.search.metric, self.training.monitor):
            sections["diagnosis"] = {"cost": parsed["diagnosis"]["cost"]}
        return dict(flatten({"name": self.name, **sections, "search": search, "data.fingerprint": fingerprint}))

    def metric(self, class_names: Sequence[str], class_counts: np.ndarray) -> Metric:
        """Return what trials are compared by, with what it needs of the study: rows of each class, (n_classes,)."""
        return METRICS[self.search.metric].of_study(class_counts, self.cost_matrix(class_names))


@dataclass(frozen=True)
class Source:
    """A definition, its text and the folder that its paths are relative to."""

    definition: StudyDefinition
    text: str
    folder: Path


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested tables as (dotted key, value); a range is a value."""
    for key, value in table.items():
        if isinstance(value, Mapping) and prefix != "space.":
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def identity_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the differences of two identities, each as ``key: old -> new``."""
    return [
        f"{key}: {_identity_text(key, old.get(key))} -> {_identity_text(key, new.get(key))}"
        + (" (the data changed)" if key == "data.fingerprint" else "")
        for key in [*old, *(key for key in new if key not in old)]
        if old.get(key) != new.get(key)
    ]


def _identity_text(key: str, value: Any) -> str:
    return json.dumps(value[:FINGERPRINT_SHOWN] if key == "data.fingerprint" and value else value)
