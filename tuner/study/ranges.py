"""A range to search a hyperparameter over, as written in a definition."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from tuner.arguments import shown
from tuner.errors import ArgumentError
from tuner.scales import SCALES, Scale


def _field(scale: Scale) -> Any:
    bounds = scale.bounds_type if scale.is_numeric else Annotated[scale.bounds_type, Field(min_length=1)]
    return bounds | None, Field(None, description=scale.description)


_Kinds: Any = create_model(
    "_Kinds",
    __base__=BaseModel,
    **{name: _field(scale) for name, scale in SCALES.items()},
)


class Range(_Kinds):
    """One range, written as a table with one key: ``{ log_uniform = [1e-3, 10.0] }``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _one_kind_and_in_order(self) -> Range:
        kinds = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(kinds) != 1:
            known = ", ".join(type(self).model_fields)
            raise ValueError(f"expected exactly one of {known}, got {' and '.join(kinds) or 'none'}")
        self.scale.check(self.bounds)
        return self

    @cached_property
    def kind(self) -> str:
        """The key that is set."""
        return next(name for name in SCALES if getattr(self, name) is not None)

    @cached_property
    def scale(self) -> Scale:
        """The scale of this kind of range."""
        return SCALES[self.kind]

    @cached_property
    def bounds(self) -> Any:
        """(low, high), or the list of choices."""
        return getattr(self, self.kind)

    def contains(self, value: Any) -> bool:
        """Whether a value can be sampled from this range, up to rounding."""
        return self.scale.contains(self.bounds, value)


class MakeRange(Protocol):
    """Makes a range of numbers."""

    def __call__(self, low: float, high: float) -> Range:
        """From ``low`` to ``high``.  Raises ArgumentError for invalid ends."""


class MakeChoice(Protocol):
    """Makes a range of choices."""

    def __call__(self, *values: bool | float | str) -> Range:
        """One of ``values``.  Raises ArgumentError for invalid ones."""


def range_maker(kind: str) -> MakeRange | MakeChoice:
    """Return the function that makes ranges of a kind of ``SCALES``, as ``tuner.log_uniform`` does."""

    def make(bounds: Any) -> Range:
        try:
            return Range.model_validate({kind: bounds})
        except ValidationError as error:
            problem = error.errors()[0]
            why = problem["msg"].removeprefix("Value error, ")
            if problem["type"] != "value_error":
                expected = (
                    "two numbers"
                    if SCALES[kind].is_numeric
                    else "numbers, booleans, or texts like '64-32', each an argument"
                )
                why = f"expected {expected}, got {shown(problem['input'])}"
            name = f"tuner.{kind}({', '.join(map(repr, bounds))})"
            raise ArgumentError(f"{name}: {why.removeprefix(f'{kind}: ')}") from None

    def make_range(low: float, high: float) -> Range:
        return make((low, high))

    def make_choice(*values: bool | float | str) -> Range:
        return make(list(values))

    maker = make_range if SCALES[kind].is_numeric else make_choice
    maker.__name__ = maker.__qualname__ = kind
    maker.__doc__ = f"Make a range for [space]: {SCALES[kind].description}."
    return maker
