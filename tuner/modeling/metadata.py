"""The metadata of a model file, as checked JSON: origin of its networks, and encoding of raw rows."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapSerializer,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from tuner.analysis import Decision, ErrorEstimate, Isotonic, Temperature, Threshold, ThresholdCurve
from tuner.data import Dataset, DataSettings, Encoding
from tuner.errors import ModelError, TunerError
from tuner.formatting import join, one_line, quoted, shorten
from tuner.metrics import COST_OF_ERRORS, ERROR, METRICS, Metric, counting
from tuner.nn import Architecture
from tuner.row_losses import Loss
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition, parse_definition
from tuner.target_transforms import TargetTransform
from tuner.units import SHARE, TargetScale, Unit

FORMAT = 1
VERSIONS = ("tuner-search", "numpy")

Finite = Annotated[float, Field(allow_inf_nan=False)]
Error = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
ClassName = Annotated[str, Field(max_length=1000)]
Line = Annotated[str, Field(max_length=5000)]
MOST_NETWORKS = 10_000


def _as_before(shape: Architecture, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Return plain JSON that earlier versions read, if the network has nothing that they do not know."""
    return {key: value for key, value in plain(shape).items() if key not in ("residual", "periodic") or value}


Shape = Annotated[Architecture, WrapSerializer(_as_before)]


class MetadataSection(BaseModel):
    """A part of the JSON: refuses unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ErrorMetadata(MetadataSection):
    """A measured error with its 95% interval; ``of`` describes the networks it was measured on."""

    value: Error
    low: Error
    high: Error
    n: Count
    of: str

    @classmethod
    def measured(cls, estimate: ErrorEstimate, of: str) -> Self | None:
        """Make the metadata of an estimate; None without rows."""
        if not estimate.n or math.isnan(estimate.value):
            return None
        return cls(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n, of=of)


class NumbersMetadata(MetadataSection):
    """The numbers that a model predicts: their mean and standard deviation in training.

    ``transform``: what its networks predict instead.  ``absolute``: if errors are mean absolute errors, that of the
    mean.  ``targets``: those of several numbers, whose errors are in standard deviations.  Of these what
    there is none of is left out.
    """

    mean: Finite
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    transform: TargetTransform | None = None
    absolute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    targets: tuple[TargetScale, ...] = ()

    @classmethod
    def of(cls, unit: Unit) -> Self | None:
        """Make the metadata of a unit; None of classes."""
        return None if unit.scale is None else cls(**{name: getattr(unit, name) for name in cls.model_fields})

    @property
    def unit(self) -> Unit:
        """The unit of the errors, and of predicted numbers."""
        return Unit(self.scale, self.mean, self.transform, self.absolute, targets=self.targets)


class LossMetadata(MetadataSection):
    """What the errors of a model of classes are means of: the fields of :class:`~tuner.row_losses.Loss`."""

    metric: Literal[tuple(metric.name for metric in METRICS.values() if metric.of_rows)]  # type: ignore[valid-type]
    typical: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    most: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    costs: list[list[Annotated[float, Field(ge=0, allow_inf_nan=False)]]] | None = None
    positive: Literal[0, 1] = 1
    is_share: bool = False


class Member(MetadataSection):
    """A trial of an ensemble of trials."""

    trial: Count
    params: dict[str, Any]
    seed: Annotated[int, Field(ge=0)]
    architecture: Shape


class MeasureMetadata(MetadataSection):
    """A measure with its 95% interval; None where it is not defined: precision where no row is predicted."""

    value: Finite | None
    low: Finite
    high: Finite

    @classmethod
    def measured(cls, value: float, low: float, high: float) -> Self:
        """Make the metadata of a measure, NaN where it is not defined."""
        return cls(value=None if math.isnan(value) else value, low=low, high=high)


class CurveMetadata(MetadataSection):
    """How good some thresholds are on the dev rows, the highest first; each list has one value per threshold."""

    thresholds: list[Probability]
    predicted: list[Probability]
    precision: list[Probability | None]
    recall: list[Probability]
    f1: list[Probability]
    balanced_error: list[Probability]
    cost: list[Error] | None

    @classmethod
    def of(cls, curve: ThresholdCurve) -> Self:
        """Make the metadata of a curve."""
        arrays = {name: getattr(curve, name) for name in cls.model_fields}
        shares = {name: np.clip(array, 0, 1) for name, array in arrays.items() if name != "cost"}
        lists: dict[str, Any] = {
            name: [None if math.isnan(of) else of for of in array.tolist()] for name, array in shares.items()
        }
        return cls(**lists, cost=None if curve.cost is None else curve.cost.tolist())


class ThresholdMetadata(MetadataSection):
    """A row is of class ``positive``, an index, if its probability, after any calibration, is ``value`` or more.

    ``rows``: dev rows of that class.  ``goal``: what the threshold was chosen for.  ``dev``: measures by name, each
    fold of the dev rows with the threshold that the others choose; ``before``: those of the classes of highest
    probability.
    """

    positive: Annotated[int, Field(ge=0, le=1)]
    rows: Count
    value: Probability
    goal: Line
    before: dict[str, MeasureMetadata]
    dev: dict[str, MeasureMetadata]
    curve: CurveMetadata


class QualityMetadata(MetadataSection):
    """Calibration of probabilities on the dev rows: log loss, expected calibration error, and the most by chance."""

    log_loss: Error
    error: Error
    error_by_chance_95: Error


class MapMetadata(MetadataSection):
    """Knots of a rising function of a class's probability, linear between them."""

    inputs: Annotated[list[Probability], Field(min_length=1)]
    outputs: list[Probability]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.outputs) != len(self.inputs):
            raise ValueError(f"{len(self.outputs)} outputs for {len(self.inputs)} inputs")
        if any(b <= a for a, b in pairwise(self.inputs)) or any(b < a for a, b in pairwise(self.outputs)):
            raise ValueError("expected knots that rise")
        return self


class CalibrationMetadata(MetadataSection):
    """``temperature`` divides the logarithms of the probabilities, or ``maps`` has a function for each class.

    Of two classes there is one, of class 1.  ``dev``: measured on each fold of the dev rows with what the others fit;
    ``before``: without.
    """

    method: Literal["temperature", "isotonic"]
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)] | None
    maps: list[MapMetadata] | None
    before: QualityMetadata
    dev: QualityMetadata

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if (self.method == "temperature") != (self.temperature is not None) or (self.maps is None) == (
            self.temperature is None
        ):
            raise ValueError("expected a temperature or maps, as the method needs")
        return self

    @classmethod
    def of(cls, calibration: Temperature | Isotonic, **quality: QualityMetadata) -> Self:
        """Make the metadata of a fitted calibration."""
        if isinstance(calibration, Temperature):
            return cls(method="temperature", temperature=calibration.value, maps=None, **quality)
        maps = [MapMetadata(inputs=list(inputs), outputs=list(outputs)) for inputs, outputs in calibration.maps]
        return cls(method="isotonic", temperature=None, maps=maps, **quality)

    @property
    def rule(self) -> Temperature | Isotonic:
        """What makes calibrated probabilities."""
        if self.temperature is not None:
            return Temperature(self.temperature)
        return Isotonic(tuple((tuple(one.inputs), tuple(one.outputs)) for one in self.maps or []))


class DecisionMetadata(MetadataSection):
    """What a model makes of its probabilities, as chosen on ``rows`` dev rows with those of ``of``."""

    of: Line
    rows: Count
    calibration: CalibrationMetadata | None
    threshold: ThresholdMetadata | None

    @cached_property
    def rule(self) -> Decision:
        """What makes classes of probabilities."""
        at = self.threshold
        return Decision(
            None if self.calibration is None else self.calibration.rule,
            None if at is None else Threshold(at.positive, at.value),
        )

    @property
    def moves_classes(self) -> bool:
        """Whether other classes than those of the highest probability are predicted."""
        return self.threshold is not None or (self.calibration is not None and self.calibration.maps is not None)

    @property
    def chosen(self) -> str:
        """What was chosen, in words."""
        parts = [(self.threshold, "the threshold"), (self.calibration, "the calibration")]
        names = [name for part, name in parts if part is not None]
        return f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'}"


class ModelMetadata(MetadataSection):
    """``model.json``.

    ``kind``: "trial" (a trial's network again), "final" (a new one on ``rows``), "ensemble" (several, with averaged
    probabilities).  ``rows``: "train", "train+dev", "all" (with the test rows) or, for an ensemble of folds, "folds".
    ``updates``: of each network.  ``encodings``: E of them; network i reads that of place i modulo E.
    ``architecture``: None for the networks of a custom trainer.  ``members``: the trials of an ensemble of several, the
    best first, which have equally many networks each, one after the other; ``weighs_classes``: whether every error has
    the class weights of the study's metric.  ``numbers``: those that it predicts, instead of classes;
    ``decision``: threshold and calibration.  ``loss``: what its errors are means of, if classes are not just wrong or
    right.  Only a model's file that needs these five keys has them.
    """

    format: Literal[1]
    study: Line
    storage: Line
    definition: str
    folder: Line
    data_path: Line
    fingerprint: Line
    trial: Count
    params: dict[str, Any]
    seed: Annotated[int, Field(ge=0)]
    kind: Literal["trial", "final", "ensemble"]
    rows: Literal["train", "train+dev", "all", "folds"]
    n_rows: Count
    updates: Annotated[list[Count], Field(min_length=1, max_length=MOST_NETWORKS)]
    repeated: bool | None
    architecture: Shape | None
    class_names: list[ClassName]
    encodings: Annotated[list[Encoding], Field(min_length=1)]
    errors: dict[str, ErrorMetadata]
    references: dict[str, Finite | None]
    versions: dict[str, str]
    members: Annotated[list[Member], Field(min_length=1, max_length=MOST_NETWORKS)] | None = None
    weighs_classes: bool = False
    numbers: NumbersMetadata | None = None
    decision: DecisionMetadata | None = None
    loss: LossMetadata | None = None

    @field_validator("class_names")
    @classmethod
    def _names_differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("duplicate class name")
        return names

    @model_validator(mode="after")
    def _the_parts_fit(self) -> Self:
        shape, members = self.architecture, self.members or []
        self._check_target()
        for name, parts in (("encodings", self.encodings), ("members", members)):
            if parts and len(self.updates) % len(parts):
                raise ValueError(f"{len(parts)} {name} for {len(self.updates)} networks")
        if shape is None:
            return self
        for member in members:
            if member.architecture.answers != shape.answers:
                raise ValueError(f"member {member.trial} has other outputs than the model's architecture")
        if shape.is_numeric != (self.numbers is not None):
            raise ValueError(
                f"output {shape.output!r} for a model {'without' if self.numbers is None else 'with'} numbers"
            )
        if (len(self.class_names) or self.unit.n_targets) != shape.n_classes:
            raise ValueError(f"{len(self.class_names)} class_names for a network of {shape.n_classes} classes")
        for network, architecture in enumerate(self.architectures):
            _check_inputs(self.encodings[network % len(self.encodings)], architecture)
        return self

    def _check_target(self) -> None:
        names = tuple(target.name for target in self.unit.targets)
        if any((encoding.target if names else ()) != names for encoding in self.encodings):
            raise ValueError(f"encodings of other targets than {', '.join(map(quoted, names))}")
        if (self.numbers is None) != (len(self.class_names) > 1) or (self.numbers and self.class_names):
            raise ValueError(f"{len(self.class_names)} class_names; expected 2 or more, or numbers instead")
        if self.numbers is None and any(error.high > self.unit.most * (1 + 1e-9) for error in self.errors.values()):
            raise ValueError(f"errors: expected a number ≤ {self.unit.most:g} for a model of classes")
        costs = None if self.loss is None else self.loss.costs
        if costs is not None and {len(self.class_names)} != {len(costs), *map(len, costs)}:
            raise ValueError(f"loss.costs: expected those of {len(self.class_names)} classes")
        if self.loss is not None and (costs is None) != (self.loss.metric != COST_OF_ERRORS.name):
            raise ValueError(f"loss.costs: expected them for {COST_OF_ERRORS.name} alone")
        if self.decision is not None:
            self._check_decision(self.decision)
        if self.architecture is not None and self.architecture.is_numeric != (self.numbers is not None):
            what = "classes" if self.numbers is None else "numbers"
            raise ValueError(f"output {self.architecture.output!r} for a model of {what}")

    def _check_decision(self, decision: DecisionMetadata) -> None:
        n = len(self.class_names)
        if decision.threshold is not None and n != 2:
            raise ValueError(f"a threshold for {n} classes; expected 2")
        maps = None if decision.calibration is None else decision.calibration.maps
        if maps is not None and len(maps) != (1 if n == 2 else n):
            raise ValueError(f"{len(maps)} maps of probabilities for {n} classes")
        if not n:
            raise ValueError("a calibration of a model of numbers")

    @property
    def parsed_definition(self) -> StudyDefinition:
        """The study's definition."""
        return parse_definition(self.definition, f"study {self.study!r}")

    @property
    def counted_by(self) -> Metric:
        """The metric that every error is of."""
        name = self.parsed_definition.search.metric if self.weighs_classes else ERROR.name
        return counting(name, weighs_classes=self.weighs_classes, loss=self.unit.loss)

    @property
    def data_settings(self) -> DataSettings:
        """The study's [data] settings, with the task of this model."""
        settings = self.parsed_definition.data
        settings.set_task("classification" if self.numbers is None else "regression")
        return settings

    @property
    def unit(self) -> Unit:
        """The unit of the errors, and of predicted numbers."""
        if self.numbers is not None:
            return self.numbers.unit
        return SHARE if self.loss is None else Unit(loss=Loss.from_dict(self.loss.model_dump()))

    @property
    def architectures(self) -> list[Architecture]:
        """The architecture of each network.  Raises ValueError for the networks of a custom trainer."""
        if self.architecture is None:
            raise ValueError("a custom trainer's networks have no architecture")
        if self.members is None:
            return [self.architecture] * len(self.updates)
        each = len(self.updates) // len(self.members)
        return [member.architecture for member in self.members for _ in range(each)]

    @property
    def only_trial(self) -> int | None:
        """The trial whose networks these are; None of several trials."""
        return self.trial if self.members is None else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON; without what few models need it can be read by versions that do not know it."""
        rarely = ("members", "weighs_classes", "numbers", "decision", "loss")
        not_needed = {name for name in rarely if not getattr(self, name)}
        plain = self.model_dump(mode="json", exclude=not_needed)
        return plain if self.numbers is None else {**plain, "numbers": self.numbers.unit.to_dict()}

    def described(self) -> str:
        """Describe the model in a few words."""
        n, averaged = len(self.updates), "probabilities averaged" if self.numbers is None else "predictions averaged"
        if self.members is not None:
            trials = join([str(member.trial) for member in self.members])
            return f"{n} networks of trials {trials}, {averaged}"
        if self.kind == "trial":
            return f"the network of trial {self.trial}"
        if self.kind == "ensemble" and self.rows == "folds":
            each = "one per fold" if n == self.data_settings.folds else "one per fold and seed"
            return f"{n} networks of trial {self.trial}, {each}, {averaged}"
        rows = {
            "train+dev": f"fitted on all {self.n_rows:,} rows outside the test set",
            "all": f"fitted on all {self.n_rows:,} rows, those of the test set included",
        }.get(self.rows, "one per seed")
        if self.kind == "ensemble":
            return f"{n} networks of trial {self.trial}, {rows}, {averaged}"
        updates = f", for {self.updates[0]:,} updates" if self.updates[0] else ""
        return f"one network with trial {self.trial}'s hyperparameters, {rows}{updates}"


def _check_inputs(encoding: Encoding, shape: Architecture) -> None:
    """Raise ValueError for an encoding that does not make the inputs of such a network."""
    if encoding.n_features != shape.n_features:
        raise ValueError(f"an encoding of {encoding.n_features} features for {shape.n_features} inputs")
    if not set(encoding.periodic) <= set(() if shape.periodic is None else shape.periodic.columns):
        raise ValueError("an encoding with periodic inputs that its network does not have")


def new_metadata(record: StudyRecord, dataset: Dataset, trial: TrialRecord, **values: Any) -> ModelMetadata:
    """Describe a new model of a trial.  Raises ModelError for a study whose values no model may have."""
    origin: dict[str, Any] = {
        "study": record.name,
        "storage": record.storage,
        "definition": record.definition,
        "folder": record.facts.folder,
        "data_path": record.data_path,
        "fingerprint": record.fingerprint,
        "trial": trial.number,
        "params": trial.params,
        "seed": trial.seed,
        "class_names": list(dataset.class_names),
        "weighs_classes": record.facts.weighs_classes,
        "references": dict(record.facts.references or {}),
        "numbers": NumbersMetadata.of(dataset.unit),
        "loss": None if dataset.unit.loss is None else LossMetadata(**dataset.unit.loss.to_dict()),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in VERSIONS},
    }
    try:
        return ModelMetadata(format=1, **origin, **values)
    except ValidationError as error:
        problem = _sentence(error.errors()[0])
        raise ModelError(f"study {record.name!r}: no model can be made of it: {problem}") from None


def read_metadata(plain: Any, where: str) -> ModelMetadata:
    """Check parsed JSON.  Raises ModelError."""
    if isinstance(plain, dict) and plain.get("format") != FORMAT:
        raise ModelError(f"{where}: model.json has format {shorten(repr(plain.get('format')), 40)}, expected {FORMAT}")
    try:
        text = json.dumps(plain, allow_nan=False)
        metadata = ModelMetadata.model_validate_json(text)  # in JSON, strict checks accept a list as a tuple
        metadata.parsed_definition  # noqa: B018
    except ValidationError as error:
        raise ModelError(f"{where}: invalid model.json: {_sentence(error.errors()[0])}") from None
    except TunerError as error:
        raise ModelError(f"{where}: invalid model.json: {shorten(one_line(error), 300)}") from None
    if missing := _missing_key(metadata.to_dict(), plain):
        raise ModelError(f"{where}: invalid model.json: {missing} is missing")
    return metadata


EXPECTED = {
    "string_type": "a text",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "model_type": "an object",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number ≥ {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number ≤ {le}",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
    "string_too_long": "at most {max_length} characters",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
"""Type of a problem -> what is expected."""


def _sentence(problem: ErrorDetails) -> str:
    """Describe a problem of a validation in our own words."""
    key, kind = shorten(one_line(".".join(map(str, problem["loc"]))), 100), problem["type"]
    if kind == "value_error":
        message = shorten(one_line(problem["msg"].removeprefix("Value error, ")), 300)
    elif kind in ("missing", "missing_argument"):
        return f"{key} is missing"
    elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown key {key}"
    elif kind in EXPECTED:
        got = f", got {quoted(problem['input'])}" if isinstance(problem["input"], str | float | None) else ""
        message = f"expected {EXPECTED[kind].format(**problem.get('ctx', {}))}{got}"
    else:
        message = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{key}: {message}" if key else message


def _missing_key(complete: Any, given: Any) -> str | None:
    """Return the dotted path of a key that only ``complete`` has; keys with a default are required in a file, too."""
    if isinstance(complete, dict):
        inner: Iterable[tuple[Any, Any]] = complete.items()
    elif isinstance(complete, list):
        inner = enumerate(complete)
    else:
        return None
    for key, value in inner:
        if isinstance(complete, dict) and key not in given:
            return str(key)
        if missing := _missing_key(value, given[key]):
            return f"{key}.{missing}"
    return None
