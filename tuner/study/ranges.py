"""The kinds of range a hyperparameter can be searched over, as they are written in a definition."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Pair = Annotated[tuple[float, float], Field(description="[low, high]")]
Choices = Annotated[list[bool | int | float | str], Field(min_length=1)]


class Range(BaseModel):
    """One range, written as a table with one key: ``{ log_uniform = [1e-3, 10.0] }``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uniform: Pair | None = Field(None, description="every value between low and high alike")
    log_uniform: Pair | None = Field(None, description="the logarithm is uniform: for scales like alpha and lambda")
    one_minus_log_uniform: Pair | None = Field(
        None, description="1 - value is log-uniform: for beta, whose memory is 1/(1 - beta) steps"
    )
    power_of_two: tuple[int, int] | None = Field(None, description="the powers of two from low to high")
    choice: Choices | None = Field(None, description="one of these values")

    @model_validator(mode="after")
    def _one_kind_and_in_order(self) -> Range:
        kinds = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(kinds) != 1:
            known = ", ".join(type(self).model_fields)
            raise ValueError(f"a range has exactly one of {known}; got {' and '.join(kinds) or 'none'}")
        if self.kind == "choice":
            self._check_choices()
        else:
            self._check_bounds()
        return self

    def _check_choices(self) -> None:
        seen = self.bounds
        if len({(type(v), v) for v in seen}) < len(seen):
            raise ValueError(f"choice names a value twice: {seen}")

    def _check_bounds(self) -> None:
        low, high = self.bounds
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"{self.kind} needs finite bounds, got [{low}, {high}]")
        if low > high:
            raise ValueError(f"low <= high must hold, got {self.kind} = [{low}, {high}] (reversed)")
        if self.kind == "log_uniform" and low <= 0:
            raise ValueError(f"log_uniform needs low > 0, got [{low}, {high}]")
        if self.kind == "one_minus_log_uniform" and not (low >= 0 and high < 1):
            raise ValueError(f"one_minus_log_uniform needs 0 <= low and high < 1, got [{low}, {high}]")
        if self.kind == "power_of_two":
            for bound in (low, high):
                if not is_power_of_two(bound):
                    raise ValueError(f"power_of_two needs powers of two (1, 2, 4, 8, …), got {bound}")

    @property
    def kind(self) -> str:
        """The name of the one key that is set."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def bounds(self) -> Any:
        """(low, high), or the list of choices."""
        return getattr(self, self.kind)

    @property
    def ends(self) -> list[Any]:
        """The values a check of the bounds has to look at: both ends, or every choice."""
        return list(self.bounds)

    def contains(self, value: Any) -> bool:
        """Whether a value can be drawn from this range (to rounding)."""
        if self.kind == "choice":
            return value in self.bounds
        if isinstance(value, str | bool):
            return False
        low, high = self.bounds
        dust = 1e-12 * max(abs(low), abs(high))
        inside = bool(low - dust <= value <= high + dust)
        return inside and (self.kind != "power_of_two" or is_power_of_two(value))


def is_power_of_two(value: float) -> bool:
    """Whether a number is 1, 2, 4, 8, …."""
    return value >= 1 and value == int(value) and int(value) & (int(value) - 1) == 0
