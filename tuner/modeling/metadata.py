"""The metadata of a model file, as checked JSON: where its networks come from, and how raw rows are encoded."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tuner.analysis import ErrorEstimate
from tuner.data import ENCODERS, DataSettings, Encoding, Kind, Reads
from tuner.errors import ModelError, TunerError
from tuner.nn import Architecture
from tuner.study import StudyDefinition, parse_definition

FORMAT = 1

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class MetadataSection(BaseModel):
    """A part of the JSON: unknown keys and other types than expected are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FeatureCard(MetadataSection):
    """One input of the networks, as ``tuner.data.encoding.Feature``."""

    part: str
    mean: Finite
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    level: str
    position: Count


class ColumnCard(MetadataSection):
    """One column, as ``tuner.data.encoding.FittedColumn``."""

    name: str
    kind: Kind
    why: str
    date_format: str | None
    words: Annotated[list[str], Field(min_length=2, max_length=2)] | None
    overruled: bool
    fill: Finite | None
    features: list[FeatureCard]

    @model_validator(mode="after")
    def _features_suit_the_kind(self) -> Self:
        parts, encoder = {feature.part for feature in self.features}, ENCODERS[self.kind]
        if unknown := parts - set(encoder.parts):
            raise ValueError(f"column {self.name!r} of kind {self.kind} has a feature {min(unknown)!r}")
        if parts and self.fill is None and encoder.reads is not Reads.TEXT:
            raise ValueError(f"column {self.name!r} has no fill, expected a number")
        return self


class EncodingCard(MetadataSection):
    """A fitted encoding, as ``tuner.data.Encoding.to_json`` writes it."""

    version: Literal[1]
    columns: list[ColumnCard]
    n_features: Annotated[int, Field(ge=1)]
    source_columns: list[str]
    target: str
    image: list[Annotated[int, Field(ge=1)]] | None
    missing: list[str]
    feature_names: list[str]

    @model_validator(mode="after")
    def _every_input_has_a_place(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("two columns have one name")
        places = [feature.position for column in self.columns for feature in column.features]
        if len(set(places)) < len(places) or (places and max(places) >= self.n_features):
            raise ValueError(f"features stand at {len(set(places))} different places, expected {self.n_features}")
        if len(self.feature_names) != self.n_features:
            raise ValueError(f"{len(self.feature_names)} feature_names, expected {self.n_features}")
        return self


class ArchitectureCard(MetadataSection):
    """The networks' shape, as ``tuner.nn.Architecture``."""

    n_features: Annotated[int, Field(ge=1)]
    hidden: list[Annotated[int, Field(ge=1)]]
    n_classes: Annotated[int, Field(ge=2)]
    activation: str
    output: str

    @property
    def architecture(self) -> Architecture:
        """The architecture itself.  Raises ArgumentError for an activation or output that does not exist."""
        return Architecture(self.n_features, tuple(self.hidden), self.n_classes, self.activation, self.output)


class ErrorCard(MetadataSection):
    """A measured error with its 95% interval; ``of`` says whose it is: this model's, or that of other networks."""

    value: Share
    low: Share
    high: Share
    n: Count
    of: str

    @classmethod
    def counted(cls, estimate: ErrorEstimate, of: str) -> Self | None:
        """Make the card of an estimate; None where it is of no rows."""
        if not estimate.n or math.isnan(estimate.value):
            return None
        return cls(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n, of=of)


class Card(MetadataSection):
    """``model.json``.

    ``kind``: "trial" (a trial's network again), "final" (one afresh on ``rows``), "ensemble" (several, whose
    probabilities are averaged).  ``rows`` is "train", "train+dev" or, in an ensemble of folds, "folds".
    ``errors`` each say whose they are.
    """

    format: Literal[1]
    study: str
    storage: str
    definition: str
    folder: str
    data_path: str
    fingerprint: str
    trial: Count
    params: dict[str, Any]
    seed: Count
    kind: Literal["trial", "final", "ensemble"]
    rows: Literal["train", "train+dev", "folds"]
    n_rows: Count
    updates: Annotated[list[Count], Field(min_length=1)]
    repeated: bool | None
    architecture: ArchitectureCard
    class_names: Annotated[list[str], Field(min_length=2)]
    encodings: Annotated[list[EncodingCard], Field(min_length=1)]
    errors: dict[str, ErrorCard]
    references: dict[str, Finite | None]
    versions: dict[str, str]

    @field_validator("class_names")
    @classmethod
    def _names_differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("two classes have one name")
        return names

    @model_validator(mode="after")
    def _the_parts_fit(self) -> Self:
        shape = self.architecture
        if len(self.class_names) != shape.n_classes:
            raise ValueError(f"{len(self.class_names)} class_names for a network of {shape.n_classes} classes")
        if len(self.encodings) not in (1, len(self.updates)):
            raise ValueError(f"{len(self.encodings)} encodings for {len(self.updates)} networks")
        for encoding in self.encodings:
            if encoding.n_features != shape.n_features:
                raise ValueError(f"an encoding of {encoding.n_features} features for {shape.n_features} inputs")
        return self

    @property
    def parsed_definition(self) -> StudyDefinition:
        """The study's definition."""
        return parse_definition(self.definition, f"study {self.study!r}")

    @property
    def data_settings(self) -> DataSettings:
        """How the study's files are written."""
        return self.parsed_definition.data

    def fitted_encodings(self) -> list[Encoding]:
        """The encodings, one for all networks or one each."""
        return [Encoding.from_json(encoding.model_dump()) for encoding in self.encodings]

    def described(self) -> str:
        """Say in a few words what the model is."""
        n = len(self.updates)
        if self.kind == "trial":
            return f"the network of trial {self.trial}"
        if self.kind == "ensemble" and self.rows == "folds":
            each = "one a fold" if n == self.data_settings.folds else "one a fold and seed"
            return f"{n} networks of trial {self.trial}, {each}, their probabilities averaged"
        rows = (
            f"fitted on all {self.n_rows:,} rows outside the test set" if self.rows == "train+dev" else "of its seeds"
        )
        if self.kind == "ensemble":
            return f"{n} networks of trial {self.trial}, {rows}, their probabilities averaged"
        return f"one network with trial {self.trial}'s hyperparameters, {rows}, for {self.updates[0]:,} updates"


def read_card(plain: Any, where: str) -> Card:
    """Check parsed JSON.  Raises ModelError with one line."""
    if isinstance(plain, dict) and plain.get("format") != FORMAT:
        raise ModelError(f"{where}: model.json has format {plain.get('format')!r:.40}, expected {FORMAT}")
    try:
        card = Card.model_validate(plain)
        card.architecture.architecture  # noqa: B018
        card.parsed_definition  # noqa: B018
        card.fitted_encodings()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ModelError(f"{where}: model.json is no model's: {key}: {message[:1].lower()}{message[1:]}") from None
    except TunerError as error:
        raise ModelError(f"{where}: model.json is no model's: {error}") from None
    return card
