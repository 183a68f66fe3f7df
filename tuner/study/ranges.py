"""A range to search a hyperparameter over, as written in a definition."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

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

    @property
    def kind(self) -> str:
        """The key that is set."""
        return next(name for name in SCALES if getattr(self, name) is not None)

    @property
    def scale(self) -> Scale:
        """The scale of this kind of range."""
        return SCALES[self.kind]

    @property
    def bounds(self) -> Any:
        """(low, high), or the list of choices."""
        return getattr(self, self.kind)

    def contains(self, value: Any) -> bool:
        """Whether a value can be sampled from this range, up to rounding."""
        return self.scale.contains(self.bounds, value)
