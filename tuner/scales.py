"""The scales on which a hyperparameter can be searched: one class and one entry of ``SCALES`` each.

A scale takes the ``bounds`` of a range, (low, high) or a list of choices.  It owns everything that depends on the kind
of range: checks, sampling, positions, ticks, and how a range is widened, shifted and narrowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

Bounds = Sequence[Any]
MOST_CHOICES = 1000
DUST = 1e-9  # tolerance, so that a value with two digits is rounded to itself


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution that a sampler draws from: ``kind`` is float, log_float, int or categorical.

    ``values``: (low, high) of the sampled number, or the choices.
    """

    kind: str
    values: tuple[Any, ...]


class Scale:
    """Numbers from low to high. A subclass defines ``forward`` and ``inverse``, or is uniform.

    ``prefix`` comes before the hyperparameter's name in Optuna's tables if not the value itself is sampled.
    ``bounds_type`` is the type of the bounds in a definition.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    prefix: ClassVar[str] = ""
    bounds_type: ClassVar[Any] = tuple[float, float]
    is_numeric: ClassVar[bool] = True

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError for invalid bounds."""
        low, high = bounds
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"{self.name}: expected finite bounds, got [{low}, {high}]")
        if low > high:
            raise ValueError(f"{self.name}: expected low ≤ high, got [{low}, {high}]")
        self.check_ends(low, high)

    def check_ends(self, low: float, high: float) -> None:
        """Raise ValueError if one of two ordered, finite ends is not on the scale."""

    def contains(self, bounds: Bounds, value: Any) -> bool:
        """Whether a value can be drawn from the range (to rounding)."""
        if isinstance(value, bool) or not isinstance(value, int | float | Real):  # the first two are looked up faster
            return False
        low, high = bounds
        dust = 1e-12 * max(abs(low), abs(high))
        return bool(low - dust <= value <= high + dust)

    def forward(self, value: float) -> float:
        """Return the value's place on the scale, which is uniform and increases with the value."""
        return float(value)

    def inverse(self, scaled: float) -> Any:
        """Return the value at a place on the scale."""
        return scaled

    def distribution(self, bounds: Bounds) -> Distribution:
        """Return the distribution that a sampler draws from."""
        return Distribution("float", tuple(bounds))

    def to_sampled(self, value: Any) -> Any:
        """Return the sampled number or choice of a value."""
        return value

    def from_sampled(self, sampled: Any) -> Any:
        """Return the value of a sampled number or choice."""
        return sampled

    def levels(self, bounds: Bounds) -> int | None:
        """Return the number of values in the range; None if it is continuous."""
        return None

    def position(self, bounds: Bounds, value: Any) -> float:
        """Return the position of a value: 0 at the lower end, 1 at the upper end."""
        low, high = map(self.forward, bounds)
        return (self.forward(value) - low) / ((high - low) or 1.0)

    def positions(self, bounds: Bounds, values: Iterable[Any]) -> list[float]:
        """Return the positions of many values."""
        low, high = map(self.forward, bounds)
        width = (high - low) or 1.0
        return [(self.forward(value) - low) / width for value in values]

    def value_at(self, bounds: Bounds, position: float) -> Any:
        """Return the value at a position; the inverse of :meth:`position`."""
        low, high = map(self.forward, bounds)
        return self.inverse(low + position * (high - low))

    def axis_position(self, bounds: Bounds, value: Any) -> float | None:
        """Return a value's position on an axis, from 0 to 1; None if it has none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        low, high = bounds
        return min(max(self.position(bounds, value), 0.0), 1.0) if low != high else 0.5

    def ticks(self, bounds: Bounds, about: int) -> list[Any]:
        """Return the ends and about ``about`` round values between them, in order."""
        low, high = bounds
        return [low, *linear_ticks(low, high, about), high]

    def spaced_ticks(self, bounds: Bounds, about: int = 4) -> list[tuple[float, Any]]:
        """Return (axis position, value) of ticks that are far enough apart to read, with both ends."""
        first, *inner, last = self.ticks(bounds, about)
        chosen: dict[float, Any] = {}
        for value in (first, last, *inner):
            place = self.axis_position(bounds, value)
            if place is not None and all(abs(place - other) > 0.6 / about for other in chosen):
                chosen[place] = value
        return sorted(chosen.items())

    def beyond(self, low: float, high: float, *, upper: bool, least: float | None = None) -> float | None:
        """Return a wider end of a range, not below ``least``; None at a natural limit."""
        half = (high - low) / 2
        least = min(low, 0.0) if least is None else least
        end = min(high + half, 1.0 if high <= 1 else math.inf) if upper else max(low - half, least)
        return _further(end, high if upper else low)

    def back_off(self, low: float, high: float, value: float, *, upper: bool) -> float:
        """Return a value a little before ``value``, as the start of a range to the upper or lower end."""
        slack = (high - low) / 10
        return value - slack if upper else value + slack

    def outwards(self, low: float, high: float, position: float, *, upper: bool) -> float:
        """Return the value at a position of the range, rounded outwards, but not beyond the end."""
        if not 0 < position < 1:
            return high if upper else low
        return min(max(self.round_outwards(low, high, position, upper=upper), low), high)

    def round_outwards(self, low: float, high: float, position: float, *, upper: bool) -> float:
        """Return the value at a position inside the range, rounded to two digits, up or down."""
        return _two_digits(low + position * (high - low), upper=upper)


class Uniform(Scale):
    """Uniform between low and high."""

    name = "uniform"
    description = "uniform between low and high"


class LogUniform(Scale):
    """Uniform in the logarithm."""

    name = "log_uniform"
    description = "uniform in the logarithm, for alpha and lambda"

    def check_ends(self, low: float, high: float) -> None:
        """Require low > 0."""
        if low <= 0:
            raise ValueError(f"log_uniform: expected low > 0, got [{low}, {high}]")

    def forward(self, value: float) -> float:
        """Return the natural logarithm; 0, which an earlier range may have had, is endlessly far below."""
        return math.log(value) if value > 0 else -math.inf

    def inverse(self, scaled: float) -> Any:
        """Return e^s."""
        return math.exp(scaled)

    def distribution(self, bounds: Bounds) -> Distribution:
        """Return floats on a logarithmic scale."""
        return Distribution("log_float", tuple(bounds))

    def ticks(self, bounds: Bounds, about: int) -> list[Any]:
        """Return powers of ten; in a short range also 2 and 5 times these."""
        low, high = bounds
        return [low, *log_ticks(low, high, about), high]

    def beyond(self, low: float, high: float, *, upper: bool, least: float | None = None) -> float | None:
        """Go one decade further."""
        return high * 10 if upper else low / 10

    def back_off(self, low: float, high: float, value: float, *, upper: bool) -> float:
        """Go back half a decade."""
        return value / 3 if upper else value * 3

    def round_outwards(self, low: float, high: float, position: float, *, upper: bool) -> float:
        """Round a geometric mean to two digits."""
        return _two_digits(low * (high / low) ** position, upper=upper)


class OneMinusLogUniform(Scale):
    """Log-uniform in 1 − value, which is sampled."""

    name = "one_minus_log_uniform"
    description = "uniform in the logarithm of 1 - value, for beta, which averages about 1/(1 - beta) steps"
    prefix = "one_minus_"

    def check_ends(self, low: float, high: float) -> None:
        """Require low ≥ 0 and high < 1."""
        if not (low >= 0 and high < 1):
            raise ValueError(f"one_minus_log_uniform: expected low ≥ 0 and high < 1, got [{low}, {high}]")

    def forward(self, value: float) -> float:
        """Return −ln(1 − v); 1, which an earlier range may have had, is endlessly far above."""
        return -math.log(1 - value) if value < 1 else math.inf

    def inverse(self, scaled: float) -> Any:
        """Return 1 − e^−s."""
        return 1 - math.exp(-scaled)

    def distribution(self, bounds: Bounds) -> Distribution:
        """Return 1 − value on a logarithmic scale."""
        low, high = bounds
        return Distribution("log_float", (self.to_sampled(high), self.to_sampled(low)))

    def to_sampled(self, value: Any) -> Any:
        """Return 1 − value without rounding noise: 1 − 0.99 is 0.01, as it was typed."""
        return round(1.0 - value, 15)

    def from_sampled(self, sampled: Any) -> Any:
        """Return 1 − the sampled number."""
        return self.to_sampled(sampled)

    def ticks(self, bounds: Bounds, about: int) -> list[Any]:
        """Return values v with round 1/(1 − v): 2, 5, 10, 20, 50, …."""
        low, high = bounds
        return [low, *(v for v in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999) if low < v < high), high]

    def beyond(self, low: float, high: float, *, upper: bool, least: float | None = None) -> float | None:
        """Multiply or divide 1/(1 − v) by three."""
        end = 1 - (1 - high) / 3 if upper else max(0.0, 1 - 3 * (1 - low))
        return _further(end, high if upper else low)

    def round_outwards(self, low: float, high: float, position: float, *, upper: bool) -> float:
        """Round 1 − value to two digits."""
        rest = (1 - low) * ((1 - high) / (1 - low)) ** position
        return float(f"{1 - _two_digits(rest, upper=not upper):.12g}")


class PowerOfTwo(Scale):
    """Powers of two; the exponent is sampled."""

    name = "power_of_two"
    description = "powers of two from low to high"
    prefix = "log2_"
    bounds_type = tuple[int, int]

    def check_ends(self, low: float, high: float) -> None:
        """Require powers of two."""
        for bound in (low, high):
            if not is_power_of_two(bound):
                raise ValueError(f"power_of_two: expected powers of two (1, 2, 4, 8, …), got {bound}")

    def contains(self, bounds: Bounds, value: Any) -> bool:
        """Whether a value is a power of two between the ends."""
        return super().contains(bounds, value) and is_power_of_two(value)

    def forward(self, value: float) -> float:
        """Return log₂ v; 0 is endlessly far below."""
        return math.log2(value) if value > 0 else -math.inf

    def inverse(self, scaled: float) -> Any:
        """Return the nearest power."""
        return 2 ** round(scaled)

    def distribution(self, bounds: Bounds) -> Distribution:
        """Return the exponent."""
        return Distribution("int", tuple(map(self.to_sampled, bounds)))

    def to_sampled(self, value: Any) -> Any:
        """Return the exponent."""
        return int(math.log2(value))

    def from_sampled(self, sampled: Any) -> Any:
        """Return two to the exponent."""
        return int(2**sampled)

    def levels(self, bounds: Bounds) -> int | None:
        """Return the number of exponents."""
        return round(math.log2(bounds[1] / bounds[0])) + 1

    def ticks(self, bounds: Bounds, about: int) -> list[Any]:
        """Return every power, or in a long range every second, third, …."""
        low, high = map(self.to_sampled, bounds)
        step = max(1, math.ceil((high - low) / about))
        return [2**power for power in (low, *range(low + step, high, step), high)]

    def beyond(self, low: float, high: float, *, upper: bool, least: float | None = None) -> float | None:
        """Double or halve; there is nothing below 1."""
        return int(high * 2) if upper else int(low // 2) or None

    def round_outwards(self, low: float, high: float, position: float, *, upper: bool) -> float:
        """Return the next power."""
        levels = position * math.log2(high / low)
        return int(low) << (math.ceil(levels) if upper else math.floor(levels))


class Choice(Scale):
    """A list of values; the position of the i-th of n, from 0, is i / (n − 1)."""

    name = "choice"
    description = "one of these values"
    bounds_type = list[bool | int | float | str]
    is_numeric = False

    def check(self, bounds: Bounds) -> None:
        """Refuse duplicates, of which 1 and True are none, and more values than one can compare."""
        if len(bounds) > MOST_CHOICES:
            raise ValueError(f"choice: expected at most {MOST_CHOICES:,} values, got {len(bounds):,}")
        seen = set()
        for value in bounds:
            if (type(value), value) in seen:
                raise ValueError(f"choice: duplicate value {value!r:.60}, got {bounds!s:.60}")
            seen.add((type(value), value))

    def contains(self, bounds: Bounds, value: Any) -> bool:
        """Whether a value is one of the choices."""
        return value in bounds

    def distribution(self, bounds: Bounds) -> Distribution:
        """Return the choices."""
        return Distribution("categorical", tuple(bounds))

    def levels(self, bounds: Bounds) -> int | None:
        """Return the number of choices."""
        return len(bounds)

    def positions(self, bounds: Bounds, values: Iterable[Any]) -> list[float]:
        """Return their places in the list."""
        return [self.position(bounds, value) for value in values]

    def position(self, bounds: Bounds, value: Any) -> float:
        """Return the place in the list: 0 for the first choice, 1 for the last."""
        return list(bounds).index(value) / max(len(bounds) - 1, 1)

    def value_at(self, bounds: Bounds, position: float) -> Any:
        """Return the nearest choice."""
        return bounds[round(position * (len(bounds) - 1))]

    def axis_position(self, bounds: Bounds, value: Any) -> float | None:
        """Return the middle of its share of the axis."""
        return (list(bounds).index(value) + 0.5) / len(bounds) if value in bounds else None

    def spaced_ticks(self, bounds: Bounds, about: int = 4) -> list[tuple[float, Any]]:
        """Return every choice."""
        return [((index + 0.5) / len(bounds), choice) for index, choice in enumerate(bounds)]


SCALES: dict[str, Scale] = {
    scale.name: scale for scale in (Uniform(), LogUniform(), OneMinusLogUniform(), PowerOfTwo(), Choice())
}
"""Kind of range in a definition -> its scale."""


def is_power_of_two(value: float) -> bool:
    """Whether a number is 1, 2, 4, 8, …."""
    return value >= 1 and value == int(value) and int(value) & (int(value) - 1) == 0


def linear_ticks(low: float, high: float, about: int) -> list[float]:
    """Return about ``about`` multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def log_ticks(low: float, high: float, about: int) -> list[float]:
    """Return about ``about`` powers of ten; up to two decades 1, 2 and 5 times each."""
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = top - bottom
    marks = (1,) if decades > 2 else (1, 2, 5)
    step = max(1, math.ceil(decades / max(about, 1)))
    ticks = [m * 10.0**e for e in range(bottom, top + 1, step) for m in marks]
    return [v for v in ticks if low * 0.999 <= v <= high * 1.001]


def _further(end: float, now: float) -> float | None:
    """Round an end to four digits; None if it is the present one."""
    end = float(f"{end:.4g}")
    return None if end == now else end


def _two_digits(value: float, *, upper: bool) -> float:
    """Round to two significant digits, up or down."""
    if not value:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = math.ceil(value / step - DUST) if upper else math.floor(value / step + DUST)
    return float(f"{steps * step:.2g}")
