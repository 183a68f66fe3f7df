"""Data checks: duplicate rows, undeclared groups, leaking columns, different distributions, unbalanced classes.

Two-sample tests run only if the split was not drawn at random here (if it was, only false alarms are possible):
Kolmogorov-Smirnov for numbers and dates, χ² with rare levels pooled for categories, χ² for missing cells, with Holm's
correction over all tests.  A column is reported if its adjusted p is below 0.01 *and* D, or the total variation
distance, is at least 0.1, because with 10,000 rows even tiny differences are significant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.assembling import Assembly, Selection
from tuner.data.cache import read_beside, write_beside
from tuner.data.dataset import Dataset
from tuner.data.dates import CLOCKS
from tuner.data.encoding import encode, fit_encodings
from tuner.data.group_detection import class_agreement, may_name_groups, number_agreement
from tuner.data.kinds import counts_of
from tuner.data.loading import assembly_of, check_rows
from tuner.data.row_order import QuickModel, first_order, fit_small_trees, other_groups
from tuner.data.splitting import generator
from tuner.data.tables import TextColumn, TypedTable
from tuner.formatting import count, join, percent, points, quoted, some_of
from tuner.metrics import BALANCED_ERROR
from tuner.outcomes import Finding, too_few_of_each_class

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

LEAST_ROWS = 200  # per set, for any two-sample test
MOST_ROWS = 10_000  # per set, sampled
SIGNIFICANT = 0.01
MATERIAL = 0.1  # of D or of the total variation distance
LEAST_EXPECTED = 5  # of a level in the χ² test; rarer levels are pooled
NOTABLE_AUC = 0.55
MOST_SHUFFLED = 50  # columns that are tried for what gives rows away
FALL = 0.01  # of the AUC, from which a column gives rows away
Z = 1.959963984540054  # the normal distribution's 97.5% point
LEAK_ROWS = 20_000
LEAK_LEAST_ROWS = 50
LEAK = 0.05  # of the majority class's error: a column with a lower error predicts almost perfectly
TELLING = 0.98  # of the variance of a number to predict: a column that explains more tells it almost exactly
UNBALANCED = 0.9
RATIO = 10
MOST_NAMED = 5  # columns in a sentence
WHOLE = {"class_shares": "the shares of the classes", "classifier": "a classifier that tells their rows apart"}
"""What a finding about all columns together compares."""
SAMPLE_STREAM = 3  # of the split's seed
KEPT = "data_checks.json"  # in a cache entry


def check_data_quality(dataset: Dataset) -> tuple[Finding, ...]:
    """Check the dataset's raw rows and return the findings; raises DataError if the rows are gone or changed.

    The rows are read again once; the findings are kept with the prepared arrays.
    """
    kept = None if dataset.stored is None else read_beside(dataset.stored, KEPT)
    if kept is not None:
        check_rows(dataset)
        return tuple(map(Finding.from_dict, kept))
    all_findings = tuple(findings(assembly_of(dataset)))
    if dataset.stored is not None:
        write_beside(dataset.stored, KEPT, [finding.to_dict() for finding in all_findings])
    return all_findings


def findings(assembly: Assembly) -> Iterator[Finding]:
    """Yield every finding, the most serious kinds first."""
    yield from same_rows(assembly)
    yield from dependent_rows(assembly)
    yield from leaking_columns(assembly) if assembly.class_names else telling_columns(assembly)
    for comparison in comparisons(assembly):
        every = compare(comparison)
        yield from measured_mismatch(every) if comparison.is_declared else every
    if assembly.class_names:
        yield from rare_classes(assembly)
        yield from unbalanced_classes(assembly)


# --- the same row in two splits ---------------------------------------------------------------------------------------


def row_hashes(tables: dict[str, TypedTable], y: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.uint64]]:
    """Return a 64-bit hash per row of each table, by used columns and class; rows have equal hashes if they are equal.

    Most rows differ from all others in a few columns: only rows whose hash others have, too, are compared further.
    """
    import pandas as pd

    hashes = {key: _of_targets(y[key]) for key in tables}
    alike = {key: np.arange(len(y[key])) for key in tables}
    measured = {key: table.measured() for key, table in tables.items()}
    source = tables["source"]
    names = sorted((*measured["source"], *source.text), key=_text_hash)  # neighbors, like pixels, tell the same
    stops = [0, *(2**power for power in range(len(names).bit_length())), len(names)]
    for start, stop in pairwise(stops):
        if not any(map(len, alike.values())):
            break
        for key, rows in alike.items():
            for name in names[start:stop]:
                text = tables[key].text.get(name)
                bits = _bits(measured[key][name][rows]) if text is None else _bits_of_text(text, rows)
                hashes[key][rows] += _mixed(bits, name)
        shared = pd.Series(np.concatenate([hashes[key][rows] for key, rows in alike.items()])).duplicated(keep=False)
        parts = np.split(shared.to_numpy(), np.cumsum([len(rows) for rows in alike.values()])[:-1])
        alike = {key: rows[part] for (key, rows), part in zip(alike.items(), parts, strict=True)}
    return hashes


def _of_targets(y: NDArray[Any]) -> NDArray[np.uint64]:
    """Hash the classes or numbers of rows, (n,) or (n, n_targets)."""
    if y.ndim > 1:
        return np.asarray(sum(_mixed(_bits(each), f"the target {k}") for k, each in enumerate(y.T)))
    return _mixed(_bits(y) if y.dtype.kind == "f" else y.astype(np.uint64), "the class")


def _bits_of_text(text: TextColumn, rows: Ints) -> NDArray[np.uint64]:
    return np.array([*map(_text_hash, text.levels), 0], dtype=np.uint64)[text.codes[rows]]


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _bits(values: NDArray[Any]) -> NDArray[np.uint64]:
    numbers = values.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    numbers[np.isnan(numbers)] = np.nan
    return numbers.view(np.uint64)


def _mixed(bits: NDArray[np.uint64], name: str) -> NDArray[np.uint64]:
    """Scramble one column's bits by its name (pandas: splitmix64's finalizer), so that swapped cells change the sum."""
    from pandas.util import hash_array

    return hash_array(bits ^ np.uint64(_text_hash(name)))


def same_rows(assembly: Assembly) -> Iterator[Finding]:
    """Report rows of one set that are also in another one: their error says nothing about new rows."""
    hashes, is_numeric = row_hashes(assembly.tables, assembly.y), not assembly.class_names
    parts = {name: hashes[part.table][part.rows] for name, part in assembly.parts.items()}
    if len(assembly.train) > 1:
        yield from _same_rows_in_folds([hashes["source"][dev.rows] for dev in assembly.dev], is_numeric=is_numeric)
        parts.pop("train")
    for left, right in combinations(parts, 2):
        shared, text = int(np.isin(parts[right], parts[left]).sum()), f"are also in {left}"
        yield from _same_rows(shared, len(parts[right]), f"{right} rows", text, (left, right), is_numeric=is_numeric)


def _same_rows_in_folds(folds: list[NDArray[np.uint64]], *, is_numeric: bool) -> Iterator[Finding]:
    import pandas as pd

    fold = pd.Series(np.repeat(np.arange(len(folds)), [len(each) for each in folds]))
    shared = int((fold.groupby(np.concatenate(folds)).transform("nunique") > 1).sum())
    yield from _same_rows(
        shared, len(fold), "rows", "are also in another fold", ("train", "dev"), is_numeric=is_numeric
    )


def _same_rows(
    shared: int, n: int, rows: str, where: str, parts: tuple[str, str], *, is_numeric: bool
) -> Iterator[Finding]:
    if shared:
        share = shared / n
        text = f"{shared:,} of {n:,} {rows} ({percent(share)}) {where}, identical in every column"
        if is_numeric:
            text += f": they make the {parts[1]} error too low"
        else:
            text += f": they can change the {parts[1]} error by at most {points(share)} pp"
        severity = "warning" if share >= 0.01 else "note"
        yield Finding("same_rows", severity, text, parts, evidence={"rows": shared, "share": share})


def dependent_rows(assembly: Assembly) -> Iterator[Finding]:
    """Report groups and orders of rows that the split ignores, with the errors of a quick model on both splits."""
    settings = assembly.settings
    if any(getattr(settings, key) is not None for key in ("group", "time", "split_column")):
        return
    for each in assembly.by_target:
        model = QuickModel(each)
        findings = [*unnamed_groups(each, model)]
        if assembly.image is None and settings.dev is None:
            findings += rows_in_order(each, model)
        yield from findings
        if findings:  # of several targets, those of the first that has some
            return


def rows_in_order(assembly: Assembly, model: QuickModel) -> Iterator[Finding]:
    """Report that later rows, by a date or in the file, are harder to predict than rows drawn at random."""
    dates = [
        name
        for name, column in assembly.columns.items()
        if column.kind == "date" and column.date_format not in CLOCKS  # a time of the day does not order days
    ]
    order = first_order(model, dates)
    if order is None:
        return
    name, (usual, later) = order
    where = "in the file" if name is None else f"in column {quoted(name)}"
    way = (
        'name a column that orders them, or their group (time = "column", or group = "column")'
        if name is None
        else f"set [data] time = {json.dumps(name, ensure_ascii=False)}"
    )
    text = (
        f"rows that are close {where} are alike: a quick model {_errs(model, later)} the last fifth of "
        f"the rows, and {_errs(model, usual, again=True)} rows drawn at random. If the model is for later rows, "
        f"{way}; otherwise dev and test errors are too low"
    )
    evidence = {"later_error": later, "random_error": usual}
    yield Finding("time_order", "warning", text, ("train", "dev"), () if name is None else (name,), evidence)


def _errs(model: QuickModel, error: float, *, again: bool = False) -> str:
    """Say an error of the quick model: "is wrong on 12% of", or "has an RMSE of 12.3 on"; no verb if ``again``."""
    if model.is_numeric:
        return f"{'' if again else 'has '}an RMSE of {error:.4g} on"
    return f"{'' if again else 'is wrong '}on {percent(error)} of"


def unnamed_groups(assembly: Assembly, model: QuickModel) -> Iterator[Finding]:
    """Report each column whose rows of one value seem to be a group that the split ignores."""
    table = assembly.tables["source"]
    rows = np.concatenate([part.rows for part in assembly.outside_test if part.table == "source"])
    y = assembly.y["source"][rows]
    for name, values, ordered in _names_of_rows(table):
        agrees = number_agreement if model.is_numeric else class_agreement
        if may_name_groups(values) and (agreement := agrees(values[rows], y, ordered=ordered)):
            n = len(np.unique(values))
            same = "nearly the same number" if model.is_numeric else "the same class"
            each = f"{len(values) / n:.2g}" if len(values) < 10 * n else f"{len(values) / n:,.0f}"
            text = (
                f"column {quoted(name)} may name groups of rows: it has {n:,} values with about {each} rows each, and "
                f"(nearly) all rows of one value have {same}. "
                "If they are groups, set [data] group = "
                f"{json.dumps(name, ensure_ascii=False)}; otherwise dev and test errors can be far too low"
            )
            rng = generator(assembly.settings.seed, SAMPLE_STREAM + 3)
            errors = model.errors(other_groups(values[model.rows], rng))
            if errors is not None:
                text += f": a quick model {_errs(model, errors[1])} the rows of new groups, and "
                text += f"{_errs(model, errors[0], again=True)} rows drawn at random"
            evidence = {"values": float(n), "mixed": agreement.mixed, "mixed_by_chance": agreement.chance}
            yield Finding("groups", "warning", text, ("train", "dev"), (name,), evidence)


def _names_of_rows(table: TypedTable) -> Iterator[tuple[str, NDArray[Any], bool]]:
    """Yield the columns that can name groups, numbers and categories, and whether they are ordered."""
    for block in table.numbers:
        for place, name in enumerate(block.names):
            yield name, block.values[:, place], True
    for name, text in table.text.items():
        yield name, text.codes, False


# --- one distribution? ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetComparison:
    """Two sets that were not drawn at random from the same rows, or samples of them."""

    assembly: Assembly
    parts: tuple[str, str]
    a: Selection
    b: Selection

    @property
    def is_declared(self) -> bool:
        """Whether dev may have another distribution than train: a train-dev set measures what that costs."""
        return self.parts == ("train", "dev") and self.assembly.train_dev is not None

    @property
    def different(self) -> str:
        """Describe the difference of two sets."""
        return (
            "the distribution changed over time"
            if self.assembly.settings.time is not None
            else "different distributions"
        )

    def finding(self, kind: str, text: str, evidence: dict[str, float], columns: tuple[str, ...] = ()) -> Finding:
        """Return a warning about the two sets."""
        return Finding(kind, "warning", f"{' and '.join(self.parts)}: {text}", self.parts, columns, evidence)


def comparisons(assembly: Assembly) -> Iterator[SetComparison]:
    """Yield train and dev, and dev and test, if they were not drawn at random."""
    settings, parts = assembly.settings, assembly.parts
    if len(assembly.train) == 1 and not settings.draws_dev:
        yield SetComparison(assembly, ("train", "dev"), parts["train"], parts["dev"])
    by_column = settings.split_column is not None
    if "test" in parts and (by_column or not settings.draws_dev or settings.test is not None):
        yield SetComparison(assembly, ("dev", "test"), parts["dev"], parts["test"])


def compare(whole: SetComparison) -> Iterator[Finding]:
    """Test whether two sets have the same distribution: classes, columns, and a classifier that tells them apart."""
    samples = sample_sets(whole)
    if samples is None:
        short = min(len(whole.a), len(whole.b))
        text = f"{' and '.join(whole.parts)} are not compared: {short} rows in one of them, {LEAST_ROWS} are needed"
        yield Finding("not_compared", "note", text, whole.parts)
        return
    if whole.assembly.class_names:
        yield from compare_classes(samples)
    yield from _compare_columns(samples)
    yield from _compare_by_classifier(samples)


def sample_sets(whole: SetComparison) -> SetComparison | None:
    """Return at most 10,000 rows of each set; None with fewer than 200 in one of them."""
    if min(len(whole.a), len(whole.b)) < LEAST_ROWS:
        return None
    rng = generator(whole.assembly.settings.seed, SAMPLE_STREAM)
    a, b = (Selection(part.table, sampled(rng, part.rows, MOST_ROWS)) for part in (whole.a, whole.b))
    return replace(whole, a=a, b=b)


def measured_mismatch(every: Iterable[Finding]) -> Iterator[Finding]:
    """Yield one note for all differences of a train and a dev set that may differ, and what could not be compared."""
    all_findings = list(every)
    yield from (finding for finding in all_findings if finding.severity == "note")
    differences = [finding for finding in all_findings if finding.severity == "warning"]
    if not differences:
        return
    of_one = (finding for finding in differences if finding.kind not in WHOLE)
    columns = tuple(dict.fromkeys(name for finding in of_one for name in finding.columns))
    what = [name for kind, name in WHOLE.items() if any(finding.kind == kind for finding in differences)]
    if columns:
        what.insert(0, f"{count(len(columns), 'column')} ({some_of(list(map(quoted, columns)), MOST_NAMED)})")
    text = (
        f"train and dev have different distributions, by {join(what)}. The train-dev set measures what that costs: "
        "data mismatch in the report"
    )
    yield Finding("mismatch", "note", text, ("train", "dev"), columns)


def sampled(rng: np.random.Generator, rows: Ints, most: int) -> Ints:
    """Return at most ``most`` of the rows, drawn without replacement."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def chi_square(a: Ints, b: Ints) -> tuple[float, float]:
    """Return p and the total variation distance of two vectors of counts; levels expected less than 5 times are pooled.

    Pearson's χ² of a 2 × levels table without continuity correction; p is 1 if a single level is left.
    """
    from scipy.stats import chi2_contingency

    both, smaller = a + b, min(a.sum(), b.sum())
    rare = both * (smaller / both.sum()) < LEAST_EXPECTED
    table = np.array([[*side[~rare], side[rare].sum()] for side in (a, b)], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0, 0.0
    shares = table / table.sum(axis=1, keepdims=True)
    return float(chi2_contingency(table, correction=False).pvalue), float(np.abs(shares[0] - shares[1]).sum() / 2)


def holm(p: list[float]) -> Doubles:
    """Return Holm's adjusted p values.  (Holm 1979)"""
    values = np.array(p)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def compare_classes(both: SetComparison) -> Iterator[Finding]:
    """Report that the shares of the classes differ."""
    names, y = both.assembly.class_names, both.assembly.y
    left, right = (np.bincount(y[each.table][each.rows], minlength=len(names)) for each in (both.a, both.b))
    p, distance = chi_square(left, right)
    if p < SIGNIFICANT and distance >= MATERIAL:
        shares = left / left.sum(), right / right.sum()
        most = int(np.abs(shares[0] - shares[1]).argmax())
        each = [f"{percent(share[most])} of the {part} rows" for share, part in zip(shares, both.parts, strict=True)]
        text = f"class shares differ ({both.different}): class {quoted(names[most])} is {' and '.join(each)}"
        yield both.finding("class_shares", text, {"p": p, "total_variation": distance})


@dataclass(frozen=True, slots=True)
class Tested:
    """A test of a column: kind "distribution" or "missingness", its p and its size (D or total variation)."""

    kind: str
    column: str
    p: float
    size: float
    measure: str


def differing_columns(both: SetComparison) -> list[tuple[Tested, float]]:
    """Return the tests of columns that clearly differ, the most first, with their adjusted p."""
    tests = list(column_tests(both.assembly, both.a, both.b))
    adjusted = zip(tests, holm([test.p for test in tests]).tolist(), strict=True)
    differing = [(test, p) for test, p in adjusted if p < SIGNIFICANT and test.size >= MATERIAL]
    return sorted(differing, key=lambda each: -each[0].size)


def _compare_columns(both: SetComparison) -> Iterator[Finding]:
    """Yield one finding for the values and one for the missing cells of all columns that differ, the most first."""
    differing = differing_columns(both)
    for kind, what in (("distribution", "values"), ("missingness", "shares of missing cells")):
        of_kind = [each for each in differing if each[0].kind == kind]
        if of_kind:
            (most, p), columns = of_kind[0], tuple(test.column for test, _ in of_kind)
            named = some_of([*map(quoted, columns)], MOST_NAMED)
            of = f"column {named}" if len(columns) == 1 else f"{len(columns):,} columns ({named})"
            measured = f"{'' if len(columns) == 1 else 'at most '}{most.measure} {most.size:.2f}, adjusted p {p:.2g}"
            text = f"the {what} of {of} differ ({both.different}): {measured}"
            yield both.finding(kind, text, {"p_adjusted": p, "size": most.size}, columns)


def column_tests(assembly: Assembly, a: Selection, b: Selection) -> Iterator[Tested]:
    """Yield the tests of every used column between two samples."""
    from scipy.stats import ks_2samp

    left, right = assembly.tables[a.table], assembly.tables[b.table]
    other = right.measured()
    for name, values_a in _numbers_of(left, a.rows):
        values_b = other[name][b.rows].astype(np.float64)
        present_a, present_b = values_a[~np.isnan(values_a)], values_b[~np.isnan(values_b)]
        yield from _missing_test(name, len(values_a), len(present_a), len(values_b), len(present_b))
        if len(present_a) and len(present_b):
            result = ks_2samp(present_a, present_b, method="asymp")
            yield Tested("distribution", name, float(result.pvalue), float(result.statistic), "D")
    for name, text in left.text.items():
        counts_a, counts_b = level_counts(text, a.rows, right.text[name], b.rows)
        yield from _missing_test(name, len(a), int(counts_a.sum()), len(b), int(counts_b.sum()))
        if counts_a.sum() and counts_b.sum():
            p, distance = chi_square(counts_a, counts_b)
            yield Tested("distribution", name, p, distance, "total variation")


def _numbers_of(table: TypedTable, rows: Ints) -> Iterator[tuple[str, Doubles]]:
    """Yield numbers and dates of a sample of the rows, column by column, as float64."""
    for block in table.numbers:
        for name, values in zip(block.names, np.ascontiguousarray(block.values[rows].T), strict=True):
            yield name, values.astype(np.float64)
    for name, values in table.values.items():
        yield name, values[rows]


def _missing_test(name: str, n_a: int, present_a: int, n_b: int, present_b: int) -> Iterator[Tested]:
    if present_a < n_a or present_b < n_b:
        p, distance = chi_square(np.array([present_a, n_a - present_a]), np.array([present_b, n_b - present_b]))
        yield Tested("missingness", name, p, distance, "difference")


def level_counts(left: TextColumn, rows_a: Ints, right: TextColumn, rows_b: Ints) -> tuple[Ints, Ints]:
    """Count the levels of two columns over the union of their levels."""
    levels = sorted(set(left.levels) | set(right.levels))
    a = dict(zip(left.levels, counts_of(left, rows_a), strict=True))
    b = dict(zip(right.levels, counts_of(right, rows_b), strict=True))
    return np.array([a.get(level, 0) for level in levels]), np.array([b.get(level, 0) for level in levels])


@dataclass(frozen=True, slots=True)
class Separation:
    """How well small boosted trees tell the rows of two sets apart that they were not fitted on.

    ``auc`` with its 95% interval; ``falls``: the columns that give the rows away, by how much the AUC falls if their
    cells are shuffled, the most first; empty where rows are not told apart, of pixels, or with more than 50 columns.
    """

    auc: float
    low: float
    high: float
    falls: tuple[tuple[str, float], ...]

    @property
    def is_notable(self) -> bool:
        """Whether the rows can be told apart."""
        return self.auc >= NOTABLE_AUC and self.low > 0.5

    @property
    def text(self) -> str:
        """The AUC and its interval."""
        return f"AUC {self.auc:.2f} (95% interval {self.low:.2f}–{self.high:.2f}; 0.5 is chance)"


def separation(both: SetComparison) -> Separation:
    """Train boosted trees on half of both samples to tell them apart; measure them on the other half."""
    assembly, a, b = both.assembly, both.a, both.b
    encoding = fit_encodings(assembly, assembly.train[:1])[0]
    X = np.concatenate([encode(encoding, assembly.tables[each.table], each.rows).array() for each in (a, b)])
    side = np.repeat([0, 1], [len(a), len(b)])
    rng = generator(assembly.settings.seed, SAMPLE_STREAM + 1)
    order = rng.permutation(len(X))
    half, other = order[::2], order[1::2]
    predict, of_b = fit_small_trees(X[half], side[half]), side[other] == 1
    apart = Separation(*auc_with_limits(predict(X[other])[:, 1], of_b), ())
    features: dict[str, list[int]] = {}
    for column in encoding.columns:
        features.setdefault(column.source, []).extend(feature.position for feature in column.features)
    if not apart.is_notable or assembly.image is not None or len(features) > MOST_SHUFFLED:
        return apart
    falls = []
    for name, places in features.items():
        shuffled = X[other]
        shuffled[:, places] = shuffled[rng.permutation(len(other))][:, places]
        falls.append((name, apart.auc - auc_with_limits(predict(shuffled)[:, 1], of_b)[0]))
    return replace(apart, falls=tuple(sorted((each for each in falls if each[1] >= FALL), key=lambda each: -each[1])))


def _compare_by_classifier(both: SetComparison) -> Iterator[Finding]:
    """Report how well trees tell the samples apart, and by which columns."""
    apart = separation(both)
    if apart.is_notable:
        columns = tuple(name for name, _ in apart.falls)
        by = f", most by {some_of([*map(quoted, columns)], MOST_NAMED)}" if columns else ""
        text = f"a classifier can tell their rows apart ({both.different}): {apart.text}{by}"
        yield both.finding("classifier", text, {"auc": apart.auc, "low": apart.low, "high": apart.high}, columns)


def auc_with_limits(score: Doubles, positive: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the area under the ROC curve and its 95% limits.  (Hanley & McNeil 1982)"""
    from scipy.stats import rankdata

    n_yes, n_no = int(positive.sum()), int((~positive).sum())
    auc = float((rankdata(score)[positive].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n_yes - 1) * (q1 - auc**2) + (n_no - 1) * (q2 - auc**2)) / (n_yes * n_no)
    half = Z * max(variance, 0.0) ** 0.5
    return auc, auc - half, min(auc + half, 1.0)


# --- leakage and balance ----------------------------------------------------------------------------------------------


def leaking_columns(assembly: Assembly) -> Iterator[Finding]:
    """Report each column that alone predicts the target almost perfectly, on training rows it was not fitted on.

    A column of numbers that does not even halve the majority class's error on a tenth of the rows is not measured on
    all of them.
    """
    seen = assembly.seen
    rng = generator(assembly.settings.seed, SAMPLE_STREAM + 2)
    rows = rng.permutation(sampled(rng, seen.rows, LEAK_ROWS))
    if len(rows) < LEAK_LEAST_ROWS:
        return
    y = assembly.y[seen.table][rows]
    majority = int(np.bincount(y).argmax())
    chance = float((y != majority).mean())
    table = assembly.tables[seen.table]
    for name, codes, ordered in _coded_columns(table, rows, _promising(table, rows, y, majority)):
        error = one_column_error(codes, y, majority, ordered=ordered)
        if error <= LEAK * chance:
            text = (
                f"column {quoted(name)} alone predicts the target almost perfectly: error {percent(error)}, majority "
                f"class (baseline) {percent(chance)}. Is it known at prediction time? If not, set its kind to "
                '"drop" in [data.columns]'
            )
            yield Finding("leakage", "warning", text, ("train",), (name,), {"error": error, "majority_error": chance})


def telling_columns(assembly: Assembly) -> Iterator[Finding]:
    """Report each column that alone tells a number to predict almost exactly, on rows it was not fitted on."""
    several = isinstance(assembly.target, tuple)
    for each in assembly.by_target:
        yield from _telling(each, f"the variance of {quoted(each.target)}" if several else "the target's variance")


def _telling(assembly: Assembly, of: str) -> Iterator[Finding]:
    seen = assembly.seen
    rng = generator(assembly.settings.seed, SAMPLE_STREAM + 2)
    rows = rng.permutation(sampled(rng, seen.rows, LEAK_ROWS))
    if len(rows) < LEAK_LEAST_ROWS:
        return
    y, table = assembly.y[seen.table][rows], assembly.tables[seen.table]
    numbers = table.measured()
    for name, codes, _ in _coded_columns(table, rows, set(numbers)):
        explained = 1 - one_column_variance(codes, y)
        if name in numbers:
            explained = max(explained, _linear_share(numbers[name][rows].astype(np.float64), y))
        if explained >= TELLING:
            text = (
                f"column {quoted(name)} alone explains {percent(explained)} of {of}. Is it known at "
                'prediction time? If not, set its kind to "drop" in [data.columns]'
            )
            yield Finding("leakage", "warning", text, ("train",), (name,), {"explained": explained})


def _linear_share(values: Doubles, y: Doubles) -> float:
    """Return the share of the variance of y (n,) that a line of the values explains, where these are not missing."""
    known = ~np.isnan(values)
    if known.sum() < LEAK_LEAST_ROWS or not values[known].std() or not y[known].std():
        return 0.0
    return float(np.corrcoef(values[known], y[known])[0, 1] ** 2 * known.mean())


def one_column_variance(codes: Ints, y: Doubles) -> float:
    """Return the share of the variance of y (n,) that each code's mean leaves: of one half, scored on the other."""
    total = 0.0
    for first in (0, 1):
        fit, score = slice(first, None, 2), slice(1 - first, None, 2)
        counts, sums = (np.bincount(codes[fit], weights, minlength=int(codes.max()) + 1) for weights in (None, y[fit]))
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), y[fit].mean())
        total += float(np.square(y[score] - mean[codes[score]]).sum())
    return total / (len(y) * float(y.var()) or 1.0)


def _promising(table: TypedTable, rows: Ints, y: Ints, majority: int) -> set[str]:
    """Return the columns of numbers that predict the target somewhat on the first rows, or all if the rows are few."""
    if len(rows) <= LEAK_ROWS // 2:
        return set(table.measured())
    few, y = rows[: LEAK_ROWS // 10], y[: LEAK_ROWS // 10]
    most = (y != majority).mean() / 2
    errors = {name: one_column_error(_bins(values), y, majority) for name, values in _numbers_of(table, few)}
    return {name for name, error in errors.items() if error <= most}


def _coded_columns(table: TypedTable, rows: Ints, numbers: set[str]) -> Iterator[tuple[str, Ints, bool]]:
    """Yield the cells of the ``numbers`` and of each column of text as codes, 0 if missing, and whether in order."""
    for name, values in table.measured().items():
        if name in numbers:
            yield name, _bins(values[rows].astype(np.float64)), True
    for name, text in table.text.items():
        yield name, text.codes[rows] + 1, False


def _bins(values: Doubles) -> Ints:
    """Return codes of numbers, 0 if missing; many distinct numbers are binned by quantiles of every second row."""
    order = np.argsort(values)  # missing ones last
    present = values[order][: len(values) - int(np.isnan(values).sum())]
    distinct = _distinct(present)
    most = int(np.clip(len(values) // 8, 8, 256))
    if len(distinct) > most:
        half = present[order[: len(present)] % 2 == 0]
        distinct = _distinct(half[np.linspace(0, len(half) - 1, most + 1)[1:-1].astype(np.int64)])
    codes = np.zeros(len(values), dtype=np.int64)
    begins = np.bincount(np.searchsorted(present, distinct), minlength=len(present) + 1)[: len(present)]
    codes[order[: len(present)]] = np.cumsum(begins) + 1  # of sorted numbers: faster than to look each one up
    return codes


def _distinct(ordered: Doubles) -> Doubles:
    is_new = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    return np.compress(is_new, ordered)


def one_column_error(codes: Ints, y: Ints, majority: int, *, ordered: bool = True) -> float:
    """Return the error of predicting each code's most frequent class, fitted on each half and scored on the other.

    A code missing in one half gets the class of the next lower code if codes are ordered, else the majority class.
    """
    n_codes, n_classes = int(codes.max()) + 1, int(y.max()) + 1
    wrong = 0
    for first in (0, 1):
        fit, score = slice(first, None, 2), slice(1 - first, None, 2)
        counts = np.bincount(codes[fit] * n_classes + y[fit], minlength=n_codes * n_classes).reshape(n_codes, n_classes)
        known = counts.sum(axis=1) > 0
        answer = np.where(known, counts.argmax(axis=1), majority)
        if ordered:
            lower = np.maximum.accumulate(np.where(known, np.arange(n_codes), -1))
            answer[1:] = np.where(lower[1:] > 0, answer[lower[1:]], answer[1:])
        wrong += int((answer[codes[score]] != y[score]).sum())
    return wrong / len(y)


def rare_classes(assembly: Assembly) -> Iterator[Finding]:
    """Report many classes of so few rows that no network can learn them."""
    seen, n_classes = assembly.seen, len(assembly.class_names)
    if each := too_few_of_each_class(len(seen), n_classes):
        text = (
            f"{n_classes:,} classes have about {each:.2g} training rows each: so few rows per class are the problem, "
            "whatever the network. Combine classes, or collect more rows of each"
        )
        yield Finding("few_rows", "warning", text, ("train",), evidence={"classes": n_classes, "rows": each})


def unbalanced_classes(assembly: Assembly) -> Iterator[Finding]:
    """Report unbalanced classes."""
    seen = assembly.seen
    counts = np.bincount(assembly.y[seen.table][seen.rows], minlength=len(assembly.class_names))
    shares = counts / counts.sum()
    most, least = int(shares.argmax()), int(shares.argmin())
    if shares[most] < UNBALANCED and counts[most] < RATIO * counts[least]:
        return
    text = (
        f"unbalanced classes: {percent(shares[most])} of the rows are of class {quoted(assembly.class_names[most])}, "
        f"{percent(shares[least])} of class {quoted(assembly.class_names[least])}. The majority class (baseline) has "
        f"an error of {percent(1 - shares[most])}; to weight all classes equally, set metric in [search] to "
        f'"{BALANCED_ERROR.name}"'
    )
    severity = "warning" if shares[most] >= UNBALANCED else "note"
    evidence = {"largest": float(shares[most]), "smallest": float(shares[least])}
    yield Finding("imbalance", severity, text, ("train",), evidence=evidence)
