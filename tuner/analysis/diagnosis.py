"""The bias/variance table: errors, gaps between them, the level of each gap and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from numbers import Real
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import Z95, Z_POWER, ErrorEstimate, difference_interval
from tuner.arguments import number, unexpected
from tuner.errors import UsageError
from tuner.outcomes import Level, Verdict
from tuner.units import SHARE, Unit

Baseline = float | Mapping[str, int] | ErrorEstimate | None
"""What a person, or the best possible model, reaches: an error, ``{"wrong": 3, "of": 200}``, or None if unknown."""

GAPS = ("avoidable_bias", "variance", "data_mismatch", "dev_overfit")
_PAIRS = {
    "avoidable_bias": ("train", "baseline"),
    "variance": ("dev_corrected", "train"),
    "data_mismatch": ("dev_corrected", "train_dev"),
    "dev_overfit": ("test", "dev"),
}
_PAIRS_WITH_TRAIN_DEV = _PAIRS | {"variance": ("train_dev", "train")}
_VERDICTS = {
    (True, False): Verdict.HIGH_BIAS,
    (False, True): Verdict.HIGH_VARIANCE,
    (True, True): Verdict.HIGH_BIAS_AND_VARIANCE,
}
IF_UNCHANGED = "with a probability of 80% if the errors stay as they are"
"""What is promised of the numbers of :func:`examples_to_decide`."""
AGREEING = 0.75  # of the trials as good as the best: a level that fewer have is not the problem's
MOST_EXAMPLES = 100_000_000  # a gap that so many do not decide is taken as equal to the threshold
BISECTIONS = 40  # 16 standard errors halved to 1e-11
Z_CERTAIN = 8.0  # beyond eight standard errors a normal chance is 0 or 1 in double precision


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference of two errors, its 95% interval, and its level compared with the threshold ``material_gap``.

    ``level`` is HIGH if the lower end is above the threshold, LOW if the upper end is below, otherwise UNDECIDED.
    ``chance_high`` is the confidence that the gap is above the threshold: the level at which a one-sided interval of
    the same kind just touches it. It is above 0.975 if "high" and below 0.025 if "low".
    """

    value: float
    low: float
    high: float
    level: Level
    chance_high: float

    def to_dict(self) -> dict[str, Any]:
        """Return the gap for ``summary.json``."""
        return {name: _number(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Errors, gaps and verdict of one chosen network; ``to_dict`` has the shape of ``summary.json``.

    ``errors`` maps "baseline", "train", "train_dev", "dev", "dev_corrected", "test" to an estimate, None if there is
    none; ``references`` maps the reference models, such as "majority", to their dev errors. ``best_known``: the lowest
    error that some model is known to reach, if there is no baseline: see :func:`diagnose`. ``disputed``: gaps that are
    inconclusive since trials as good as the best have other levels, and their lowest and highest value. ``unit``: of
    all errors and gaps.
    """

    errors: Mapping[str, ErrorEstimate | None]
    gaps: Mapping[str, Gap]
    material_gap: float
    baseline_given: bool
    references: Mapping[str, float | None] = field(default_factory=dict)
    best_known: ErrorEstimate | None = None
    disputed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unit: Unit = SHARE

    @property
    def attainable(self) -> float:
        """The lowest error that is known to be possible: the baseline, or what some model reaches."""
        baseline = self.errors["baseline"] if self.best_known is None else self.best_known
        assert baseline is not None
        return baseline.value

    @property
    def bias_is_unknown(self) -> bool:
        """Whether only a baseline would tell if avoidable bias is high: an error of 0% would make it high."""
        train, bias = self.errors.get("train"), self.gaps.get("avoidable_bias")
        if self.best_known is None or train is None or bias is None or bias.level != Level.UNDECIDED:
            return False
        if "avoidable_bias" in self.disputed:
            return False
        return train.low > self.material_gap

    @property
    def avoidable_bias(self) -> Gap:
        """Train error minus baseline.  Raises UsageError if not measured, as no trial is complete yet."""
        return self._gap("avoidable_bias")

    @property
    def variance(self) -> Gap:
        """Dev (or train-dev) error minus train error.  Raises UsageError if not measured, as no trial is complete."""
        return self._gap("variance")

    def _gap(self, name: str) -> Gap:
        if name not in self.gaps:
            raise UsageError(f"{name}: not measured, as no trial is complete yet")
        return self.gaps[name]

    @property
    def verdict(self) -> Verdict:
        """Which of bias and variance are high; low only if both are low; otherwise undecided."""
        levels = [self.gaps[name].level if name in self.gaps else Level.UNDECIDED for name in GAPS[:2]]
        bias, variance = (level == Level.HIGH for level in levels)
        if bias or variance:
            return _VERDICTS[bias, variance]
        return Verdict.LOW_BIAS_AND_VARIANCE if set(levels) == {Level.LOW} else Verdict.UNDECIDED

    @property
    def undecided(self) -> list[str]:
        """The inconclusive gaps, in the table's order."""
        if not self.gaps:
            return list(GAPS[:2])
        return [name for name, gap in self.gaps.items() if gap.level == Level.UNDECIDED]

    @property
    def too_few_examples(self) -> list[str]:
        """Which of bias and variance are inconclusive for lack of examples, not of a baseline or of agreement."""
        other = {*self.disputed, *(["avoidable_bias"] if self.bias_is_unknown else [])}
        return [name for name in GAPS[:2] if name in self.gaps and name in self.undecided and name not in other]

    @property
    def larger_gap(self) -> str | None:
        """Which of avoidable bias and variance is larger; bias if they are equal; None if unknown."""
        known = [name for name in GAPS[:2] if name in self.gaps and not math.isnan(self.gaps[name].value)]
        return max(known, key=lambda name: self.gaps[name].value) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return errors, gaps, verdict, undecided and larger_gap for ``summary.json``."""
        errors: dict[str, Any] = {"baseline": self._baseline_dict()}
        for name in ("train", "train_dev", "dev", "dev_corrected", "test"):
            estimate = self.errors.get(name)
            if estimate is not None:
                errors[name] = _estimate_dict(estimate, with_n=name != "dev_corrected")
            elif name != "train_dev":
                errors[name] = None
        for name, value in self.references.items():
            errors[name] = None if value is None else {"value": _number(value)}
        return {
            "errors": errors,
            "gaps": {name: gap.to_dict() for name, gap in self.gaps.items()},
            "verdict": self.verdict,
            "undecided": self.undecided,
            "larger_gap": self.larger_gap,
        }

    def _baseline_dict(self) -> dict[str, Any]:
        baseline = self.errors["baseline"]
        assert baseline is not None
        document = {"value": baseline.value} if baseline.n is None else _estimate_dict(baseline, with_n=True)
        return document | {"given": self.baseline_given}


def diagnose(
    *,
    train: ErrorEstimate | None,
    dev: ErrorEstimate | None,
    dev_corrected: ErrorEstimate | None = None,
    train_dev: ErrorEstimate | None = None,
    test: ErrorEstimate | None = None,
    baseline: Baseline = None,
    material_gap: float | None = None,
    references: Mapping[str, float | None] | None = None,
    best_known: ErrorEstimate | None = None,
    unit: Unit = SHARE,
) -> Diagnosis:
    """Build the bias/variance table of one network from its measured errors.

    avoidable bias = train − baseline; variance = dev − train, or train-dev − train where there is a train-dev set; data
    mismatch = dev − train-dev; dev overfit = test − raw dev. Variance and mismatch use ``dev_corrected`` (None: there
    was no choice, so it is the dev error). ``train`` and ``dev`` None (no complete trial yet): no gaps, undecided.
    (source: lectures)

    Without a baseline 0% is assumed, unless ``best_known`` is given, the lowest error that this or another model is
    known to reach. The best possible error is then between 0 and that: avoidable bias is high only if train error is
    far above ``best_known``, and low only if it is low against 0%. Its value is train − 0, the most that it can be.
    """
    material_gap = unit.material_gap if material_gap is None else material_gap
    number("material_gap", material_gap, low=0, high=1 if unit.is_percent else math.inf)
    material_gap = float(material_gap)  # a fraction cannot be formatted
    errors: dict[str, ErrorEstimate | None] = {
        "baseline": baseline_estimate(baseline, unit),
        "train": train,
        "train_dev": train_dev,
        "dev": dev,
        "dev_corrected": dev if dev_corrected is None else dev_corrected,
        "test": test,
    }
    if baseline is not None:
        best_known = None
    gaps = {}
    for name, (upper, lower) in (_PAIRS if train_dev is None else _PAIRS_WITH_TRAIN_DEV).items():
        a, b = errors[upper], errors[lower]
        if a is None or b is None:
            continue
        if name == "avoidable_bias" and best_known is not None:
            gaps[name] = _bounded_bias(a, best_known, material_gap)
        else:
            gaps[name] = gap_between(a, b, material_gap)
    return Diagnosis(
        errors=errors,
        gaps=gaps,
        material_gap=material_gap,
        baseline_given=baseline is not None,
        references=references or {},
        best_known=best_known,
        unit=unit,
    )


def disputed_by(diagnosis: Diagnosis, errors: Mapping[str, NDArray[np.floating]]) -> Diagnosis:
    """Return the diagnosis with a level only where most trials that are as good as the best have it, too.

    ``errors``: "train" and "dev" errors of these trials, (trials,), the best one first. Which of them is the best is
    chance, so a level that a quarter of them do not have is none of the problem: such a gap is inconclusive, and its
    ``chance_high`` is the share of these trials above the threshold.
    """
    train, dev = (errors[name] - errors[name][0] for name in ("train", "dev"))
    gaps, disputed = dict(diagnosis.gaps), {}
    for name, change in (("avoidable_bias", train), ("variance", dev - train)):
        gap = gaps.get(name)
        if gap is None or gap.level == Level.UNDECIDED or (name == "variance" and diagnosis.errors.get("train_dev")):
            continue
        high = gap.level == Level.HIGH
        bounded = high and name == "avoidable_bias" and diagnosis.best_known is not None
        above = gap.value + change - (diagnosis.attainable if bounded else 0.0) > diagnosis.material_gap
        agreeing = above if high else ~above
        if agreeing.mean() < AGREEING:
            gaps[name] = replace(gap, level=Level.UNDECIDED, chance_high=float(above.mean()))
            disputed[name] = (gap.value + float(change.min()), gap.value + float(change.max()))
    return replace(diagnosis, gaps=gaps, disputed=disputed)


def baseline_estimate(baseline: Baseline, unit: Unit = SHARE) -> ErrorEstimate:
    """Return a baseline as an estimate: exact for a number, measured for ``{"wrong", "of"}``, exactly 0 for None."""
    if isinstance(baseline, ErrorEstimate):
        return baseline
    if not unit.is_percent and baseline is not None and not isinstance(baseline, Real):
        what = "a number" if unit.is_share else f"an {unit.name} {unit.of_target}"
        raise unexpected("baseline", what, baseline)
    if isinstance(baseline, Mapping):
        if set(baseline) != {"wrong", "of"}:
            raise unexpected("baseline", "{wrong = 3, of = 200}", dict(baseline))
        number("baseline, of", baseline["of"], low=1)
        number("baseline, wrong", baseline["wrong"], low=0, high=baseline["of"])
        return ErrorEstimate.measured(baseline["wrong"], baseline["of"])
    if baseline is not None and not isinstance(baseline, Real):
        raise unexpected("baseline", "an error in [0, 1] or {wrong = 3, of = 200}", baseline)
    return ErrorEstimate.exact(0.0 if baseline is None else baseline, unit)


def gap_between(a: ErrorEstimate, b: ErrorEstimate, material_gap: float) -> Gap:
    """Return the gap a − b with Newcombe's interval and its level; undecided if an error is unknown (NaN)."""
    value = a.value - b.value
    if math.isnan(value):
        return Gap(math.nan, -1.0, 1.0, Level.UNDECIDED, 0.5)
    low, high = difference_interval(a, b)
    level = Level.HIGH if low > material_gap else Level.LOW if high < material_gap else Level.UNDECIDED
    return Gap(value, low, high, level, _chance_above(a, b, material_gap))


def _bounded_bias(train: ErrorEstimate, best_known: ErrorEstimate, material_gap: float) -> Gap:
    """Return the avoidable bias if the best possible error is only known to be between 0 and ``best_known``."""
    most = gap_between(train, ErrorEstimate.exact(0.0), material_gap)
    least = gap_between(train, best_known, material_gap)
    level = Level.HIGH if least.level == Level.HIGH else Level.LOW if most.level == Level.LOW else Level.UNDECIDED
    chance = min(max(least.chance_high, 0.5), most.chance_high) if most.chance_high > 0.5 else most.chance_high
    return Gap(most.value, min(max(least.low, 0.0), most.low), most.high, level, chance)


def examples_to_decide(diagnosis: Diagnosis, name: str) -> tuple[str, int] | None:
    """Return which set needs how many examples to decide gap ``name`` in four of five samples of that size.

    The errors are taken as they are: the interval at 1.96 + 0.84 standard errors must leave out the threshold.

    ("dev", 1900) for the variance; the sets are "dev", "train" (avoidable bias), "train_dev" or "test". If that set
    alone is not enough, since the other error's interval is too wide: ("all", 4), four times as many examples of both.
    None if the gap is decided or unknown, if no number is enough, or if only a baseline would decide it.
    """
    gap = diagnosis.gaps.get(name)
    if gap is None or gap.level != Level.UNDECIDED or math.isnan(gap.value) or name in diagnosis.disputed:
        return None
    if name == "avoidable_bias" and diagnosis.bias_is_unknown:
        return None
    upper, lower = _PAIRS_WITH_TRAIN_DEV[name] if diagnosis.errors.get("train_dev") else _PAIRS[name]
    a, b = diagnosis.errors[upper], diagnosis.errors[lower]
    if a is None or b is None or not a.n:
        return None

    def decides(one: ErrorEstimate, other: ErrorEstimate) -> bool:
        low, high = difference_interval(one, other, Z95 + Z_POWER)
        return low > diagnosis.material_gap or high < diagnosis.material_gap

    n = a.n
    alone = _least(n, lambda size: decides(_as_if(a, size), b))
    if alone is not None:
        return ("dev" if upper == "dev_corrected" else upper), alone
    together = _least(n, lambda size: decides(_as_if(a, size), _as_if(b, round(b.n * size / n)) if b.n else b))
    return None if together is None else ("all", math.ceil(together / n))


def _least(n: int, decided: Callable[[int], bool]) -> int | None:
    """Return the smallest number of examples above ``n`` that decides, to 1%."""
    least, most = n, n
    while not decided(most):
        if most > MOST_EXAMPLES:
            return None
        least, most = most, 2 * most
    while most - least > max(1, most // 100):
        middle = (least + most) // 2
        least, most = (least, middle) if decided(middle) else (middle, most)
    return most


def _as_if(estimate: ErrorEstimate, n: int) -> ErrorEstimate:
    """Return the same error as if measured on ``n`` examples, which tell more of what the choice did, too."""
    assert estimate.n is not None
    effective = None if estimate.n_effective is None else estimate.n_effective * n / estimate.n
    below = 0.0 if estimate.low_from is None else estimate.value - estimate.low_from
    low_from = None if estimate.low_from is None else estimate.value - below * math.sqrt(estimate.n / n)
    return replace(estimate, n=n, n_effective=effective, low_from=low_from)


def _chance_above(a: ErrorEstimate, b: ErrorEstimate, threshold: float) -> float:
    """Return Φ(z) for the z at which the one-sided end of a − b meets ``threshold``; 0 or 1 for two exact errors."""

    def end_minus_threshold(z: float) -> float:
        low, high = difference_interval(a, b, abs(z))
        return (low if z >= 0 else high) - threshold

    if end_minus_threshold(Z_CERTAIN) > 0:
        return 1.0
    if end_minus_threshold(-Z_CERTAIN) <= 0:
        return 0.0
    low, high = -Z_CERTAIN, Z_CERTAIN
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if end_minus_threshold(middle) > 0 else (low, middle)
    return NormalDist().cdf((low + high) / 2)


def _estimate_dict(estimate: ErrorEstimate, *, with_n: bool) -> dict[str, Any]:
    low, high = estimate.interval()
    document = {"value": _number(estimate.value), "low": low, "high": high}
    if estimate.n_effective is not None:
        document["n_effective"] = estimate.n_effective
    return document | {"n": estimate.n} if with_n else document


def _number(value: Any) -> Any:
    """Return None for NaN, which JSON does not have."""
    return None if isinstance(value, float) and math.isnan(value) else value
