"""The metadata of a model file, as checked JSON: where its networks come from, and how raw rows are encoded."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tuner.analysis import ErrorEstimate
from tuner.data import DataSettings, Encoding
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


class ErrorCard(MetadataSection):
    """A measured error with its 95% interval; ``of`` says whose it is: this model's, or that of other networks."""

    value: Share
    low: Share
    high: Share
    n: Count
    of: str

    @classmethod
    def measured(cls, estimate: ErrorEstimate, of: str) -> Self | None:
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
    architecture: Architecture
    class_names: Annotated[list[str], Field(min_length=2)]
    encodings: Annotated[list[Encoding], Field(min_length=1)]
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
        card = Card.model_validate_json(json.dumps(plain))  # as JSON a list is a tuple, though checks are strict
        card.parsed_definition  # noqa: B018
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ModelError(f"{where}: model.json is no model's: {key}: {message[:1].lower()}{message[1:]}") from None
    except TunerError as error:
        raise ModelError(f"{where}: model.json is no model's: {error}") from None
    return card
