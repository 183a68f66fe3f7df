"""The Python face: odd frames, arrays, targets and arguments are used, or refused by a TunerError of one line."""

from __future__ import annotations

import datetime as dt
import json
import random
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import tuner
from tests.modeling.conftest import mixed_rows, model_bytes, place, searched
from tests.running.conftest import command
from tests.security import SECONDS, SEED
from tuner.errors import TunerError
from tuner.modeling import Model
from tuner.modeling.archive import unpack

__all__ = ["model_bytes", "place", "searched"]

SEARCH = ("trials", "total", "workers", "timeout", "storage", "name", "from_study", "allow_changed", "allow_trainers")
SETS = ("dev", "test", "groups", "definition", "trainer")
QUICK = 75
"""Calls of the quick test."""
LONGEST = 1000
"""Characters of a message."""


class Unwilling:
    """An object that does not want to be compared or hashed, and is shown on two lines."""

    def __repr__(self) -> str:
        return "two\nlines"

    def __eq__(self, other: object) -> bool:
        raise ValueError("no ==")

    __hash__ = None  # type: ignore[assignment]


CELLS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**53 + 1, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e-320, 1e300, float("nan")),
    *(float("inf"), float("-inf"), 1j, complex("nan"), "", "a", "a\nb", "\ud800", "\x1b[2J", "9" * 400, "x" * 3000),
    *(b"a", b"\xff", (1, 2), [1], {"a": 1}, {1}, np.array([1, 2]), np.array(3), Decimal("0.1"), Decimal("NaN")),
    *(Decimal("sNaN"), Fraction(1, 3), dt.date(2024, 1, 1), dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23)),
    *(dt.time(1), dt.timedelta(1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC), pd.NaT, pd.NA, pd.Timestamp("1677-09-22")),
    *(pd.Timedelta(1), pd.Period("2024-01"), pd.Interval(0, 1), np.datetime64("NaT"), np.float16(65504), np.int8(-128)),
    *(np.uint64(2**64 - 1), np.str_("a"), np.bytes_(b"a"), int, len, object(), Unwilling(), Path("a"), range(3)),
)
DTYPES = (
    *("bool", "i1", "u8", "i8", "f2", "f4", "f8", "g", "c8", "c16", "O", "U3", "S3", "M8[D]", "M8[ns]", "m8[s]"),
    *("Int8", "Int64", "UInt8", "Float32", "Float64", "boolean", "string", "category", "Sparse[float]", "Sparse[int]"),
    *("string[pyarrow]", "int64[pyarrow]", "double[pyarrow]", "bool[pyarrow]", "timestamp[ns][pyarrow]", "period[D]"),
    *("date32[pyarrow]", "interval[int64]", "datetime64[ns, UTC]", "timedelta64[ns]", "decimal128(5, 2)[pyarrow]"),
)
NAMES: tuple[Any, ...] = (
    *(0, 1.5, None, True, "", "a", "length", "class", "class_", "\n", "\x1b[2J", "\ud800", "x" * 3000, ("a", "b"), ()),
    *(float("nan"), pd.NaT, pd.Timestamp("2024"), b"a", b"\xff", Decimal(1), "__proto__", "0", "1.5", "None", 1j),
)
ARGUMENTS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 10**12, 10**400, 0.5, -0.5, 1e300, float("nan"), float("inf"), 1j, "", "a"),
    *("class", "mixed", "train", "train+dev", "error", "1", "\n", "\x00", "\ud800", "\udcff", "x" * 400, "../a", "/"),
    *("~nosuchuser", ".", "a/b", "a.csv", "a.toml", "-", "--help", b"a", b"\xff", [], [1], ["a"], {}, {"a": 1}, set()),
    *({"wrong": 1, "of": 200}, {"wrong": 1}, {"wrong": 2, "of": 1}, {"wrong": None, "of": None}, (1, 2), object()),
    *({"wrong": float("nan"), "of": 10}, {"wrong": 10**400, "of": 10**400}, {"wrong": "1", "of": "2"}, int, len),
    *(np.float64(0.1), np.int64(3), np.array([1, 2]), np.array("a"), np.array([]), np.array([[1]]), Decimal("0.1")),
    *(Fraction(1, 3), pd.NA, pd.NaT, pd.Series([1]), pd.DataFrame(), Path("a"), Path("\x00"), Path("."), Unwilling()),
    *("postgresql://a:b@h/", "sqlite:///", "sqlite:///nowhere/a.db", "sqlite:///studies/mixed.csv", "nosuch://", "://"),
)


def columns(rng: random.Random, n: int) -> Iterator[Any]:
    """A column without end of odd cells, or of ordinary ones of an odd type."""
    while True:
        way = rng.random()
        if way < 0.3:
            few = rng.choices(CELLS, k=rng.choice((1, 2, 3, 8)))
            yield [rng.choice(few) for _ in range(n)]
        elif way < 0.5:
            plain = rng.choice(
                ([1, 2, 3], [0.5, 1.5], ["a", "b"], [True, False], [dt.date(2024, 1, 1)], [1, "a", None])
            )
            yield [rng.choice(plain) if rng.random() < 0.97 else rng.choice(CELLS) for _ in range(n)]
        else:
            yield odd_type(rng, n)


def odd_type(rng: random.Random, n: int) -> Any:
    """A column of one of many types, with a missing cell sometimes; numbers where the type does not take them."""
    values: Any = [rng.choice((0, 1, 2, 100)) for _ in range(n)]
    if rng.random() < 0.3 and n:
        values[rng.randrange(n)] = None
    try:
        return pd.Series(pd.array(values, dtype=rng.choice(DTYPES)))
    except Exception:
        return pd.Series(values)


def odd_frame(rng: random.Random) -> pd.DataFrame:
    """The rows of the small study with a few columns replaced, added, renamed, doubled or moved; or of no size."""
    n = rng.choice((0, 1, 2, 5, 40, 40, 40, 40, 40))
    plain, made = mixed_rows(40, seed=rng.randrange(5)).iloc[:n], columns(rng, n)
    names, parts = list(plain.columns), [plain.iloc[:, k] for k in range(plain.shape[1])]
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(parts) + 1)
        stop = place + rng.randrange(2)
        cells = next(made) if rng.random() < 0.7 else plain.iloc[:, rng.randrange(plain.shape[1])]
        part = cells if isinstance(cells, pd.Series) else pd.Series(cells, dtype=object)
        new = names[place:stop] or [rng.choice([*NAMES, *plain.columns])]
        parts[place:stop] = [part.set_axis(plain.index)]
        names[place:stop] = new if rng.random() < 0.7 else [rng.choice(NAMES)]
    frame = pd.concat(parts, axis=1)
    frame = frame.set_axis(pd.Index(names, dtype=object, tupleize_cols=False), axis=1)
    way = rng.randrange(12)
    if way == 0:
        return frame.set_axis(pd.MultiIndex.from_product([[rng.choice((0, "a"))], range(len(names))]), axis=1)
    if way == 1:
        return frame.set_axis(pd.Index([rng.choice((0, "a", None)) for _ in range(n)], dtype=object), axis=0)
    if way == 2:
        return frame.iloc[:, : rng.randrange(3)]
    return frame.iloc[[rng.randrange(n) for _ in range(3 * n)]] if way == 3 else frame


def odd_array(rng: random.Random) -> Any:
    """An array of any rank and type, masked, sparse or of records; a list; or no array."""
    n = rng.choice((0, 1, 2, 10, 40, 40, 40))
    shape = rng.choice(((n, 3), (n, 3), (n, 1), (n, 0), (n,), (), (n, 2, 2), (n, 2, 2, 1), (n, 2, 2, 1, 1), (n, 2, 0)))
    numbers = np.random.default_rng(rng.randrange(9)).integers(0, 3, shape)
    ways: tuple[Callable[[], Any], ...] = (
        lambda: np.ma.masked_equal(numbers, 1),
        lambda: np.array([(1, 2.0)] * n, dtype=[("a", "i4"), ("b", "f8")]),
        lambda: with_cells(numbers, rng),
        lambda: rng.choice(ARGUMENTS),
        lambda: scipy.sparse.csr_matrix(np.ones((n or 1, 3))),
        lambda: rng.choice((numbers.tolist(), np.matrix([[1, 2], [3, 4]]), numbers.T, np.flip(numbers), [[1], [1, 2]])),
        lambda: np.where(numbers == 0, rng.choice((np.nan, np.inf, -1e300, 1e101, 5e-324)), numbers),
    )
    way = rng.randrange(10)
    if way < len(ways):
        return ways[way]()
    try:
        return numbers.astype(rng.choice(DTYPES))
    except Exception:
        return numbers


def with_cells(numbers: Any, rng: random.Random) -> Any:
    """The numbers as objects, a few replaced by odd cells that an array can hold as one."""
    cells = numbers.astype(object)
    singles = [cell for cell in CELLS if not isinstance(cell, np.ndarray | list | tuple | range)]
    for _ in range(rng.choice((1, 3)) if cells.size else 0):
        cells.flat[rng.randrange(cells.size)] = rng.choice(singles)
    return cells


def calls(rng: random.Random, model: Model) -> tuple[str, Callable[[], object]]:
    """One call of the package, and what it is."""
    rows = rng.choice((odd_frame, odd_array))
    X = rows(rng)
    n = X.shape[0] if getattr(X, "shape", ()) else 3
    y: Any = rng.choice((next(columns(rng, n)), np.arange(n) % 2, np.arange(n) % 3, odd_array(rng)))
    target: Any = rng.choice(("class", "class", "class", "length", rng.choice(NAMES), rng.choice(ARGUMENTS)))
    if not isinstance(X, pd.DataFrame):
        target = rng.choice((y, y, y, target))
    a, b = rng.choice(ARGUMENTS), rng.choice(ARGUMENTS)
    name = rng.choice((None, None, None, a))
    named = {rng.choice(SEARCH): a, rng.choice(SEARCH): b}
    named |= {"trials": 1} if "timeout" in named else {"timeout": 1}
    fit = {rng.choice(("trials", "timeout", "workers", "storage", "name", "random_state")): a}
    fit |= {"trials": 1} if "timeout" in fit else {"timeout": 1}
    choices: dict[str, Callable[[], object]] = {
        "rows": lambda: tuner.search(X, target=target, name=name, timeout=1e-9),
        "predict": lambda: model.predict(X),
        "predict_proba": lambda: model.predict_proba(X),
        "score": lambda: model.score(X, y),
        "diagnose": lambda: json.dumps(tuner.diagnose(y, y, a if rng.random() < 0.3 else y, target).to_dict()),
        "diagnose baseline": lambda: json.dumps(
            tuner.diagnose([1, 2], [1, 1], [1, 2], [2, 2], baseline=a, material_gap=b).to_dict()
        ),
        "rows of sets": lambda: tuner.search(
            X, target=target, timeout=1e-9, **{rng.choice(SETS): rng.choice((X, y, (X, y), a))}
        ),
        "rows again": lambda: tuner.load_study("mixed", data=X, target=target, **{rng.choice(SETS[:3]): b}),
        "search": lambda: tuner.search(a, target=b, trials=1),
        "search arguments": lambda: tuner.search("mixed", **named),
        "load_study": lambda: tuner.load_study(a, storage=b),
        "load_model": lambda: tuner.load_model(a),
        "save": lambda: model.save(a, force=b),
        "report": lambda: tuner.load_study("mixed").report(baseline=a, material_gap=b)._repr_html_(),
        "train": lambda: tuner.load_study("mixed").train(**{rng.choice(("trial", "one_se", "on", "single")): a}),
        "learning_curve": lambda: tuner.load_study("mixed").learning_curve(seeds=a, sizes=b, should_stop=lambda: True),
        "fit": lambda: tuner.Classifier(trials=1).fit(X, y),
        "fit arguments": lambda: tuner.Classifier(**fit).fit([[0], [1]] * 5, [0, 1] * 5),
    }
    what = rng.choice(list(choices))
    return what, choices[what]


def faults(folder: Path, model: Model, seed: int, go_on: Callable[[int], bool]) -> list[str]:
    """Make odd calls while ``go_on`` of their number; return what went wrong, with the seeds that repeat it."""
    found = []
    count = 0
    while go_on(count):
        number = seed + count
        count += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas and scikit-learn
            what, call = calls(random.Random(number), model)
            fault = fault_of(call)
        if fault is not None:
            found.append(f"{number} {what}: {fault}")
    return found


def fault_of(call: Callable[[], object]) -> str | None:
    """Call it; return an error that is not ours, or a message that is no line."""
    try:
        call()
    except TunerError as error:
        text = str(error)
        return f"message {text[:LONGEST]!r}" if len(text.splitlines()) != 1 or len(text) > LONGEST else None
    except BaseException as error:
        frames = [each for each in traceback.extract_tb(error.__traceback__) if "/tuner/" in each.filename]
        at = f"{frames[-1].filename.rpartition('/tuner/')[2]}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__}: {error!s:.200} in {at}"
    return None


@pytest.fixture
def model(model_bytes: bytes) -> Model:
    """The model of the small study."""
    return Model(*unpack(model_bytes, "m.tuner"))


def test_odd_calls(place: Path, model: Model) -> None:
    """The first ones."""
    assert faults(place, model, 0, lambda count: count < QUICK) == []


ODD: dict[str, tuple[Callable[[], object], str]] = {
    "a path with a null": (lambda: tuner.search(CELLED, target="b", definition=Path("\x00")), "null character"),
    "a cell that cannot be compared": (lambda: tuner.search(CELLED, target="b", trainer=CELLED), "of type DataFrame"),
    "a definition that is none": (lambda: tuner.search(CELLED, target="b", definition=CELLED), "of type DataFrame"),
    "a long name": (
        lambda: tuner.search(pd.DataFrame({"x" * 3000: [[1], [2]], "b": [0, 1]}), target="b", trials=1),
        "x" * 50 + "…",
    ),
    "a label that is not UTF-8": (
        lambda: tuner.Classifier(trials=1).fit(pd.DataFrame({"a": range(6)}), ["\ud800", "b"] * 3),
        "surrogates not allowed",
    ),
    "a baseline beyond all floats": (
        lambda: tuner.load_study("mixed").report(baseline={"wrong": 10**400, "of": 10**400}),
        "baseline, of: expected a number",
    ),
}
CELLED = pd.DataFrame({"a": pd.Series([Decimal("sNaN"), 1], dtype=object), "b": [0, 1]})


@pytest.mark.parametrize("what", ODD)
def test_an_odd_argument_is_refused(place: Path, what: str) -> None:
    """Cases that the fuzzer found."""
    call, message = ODD[what]
    with pytest.raises((TunerError, ValueError), match=message):
        call()
    assert fault_of(call) is None


def test_a_fraction_is_a_number(place: Path) -> None:
    """As a baseline and as a threshold."""
    report = tuner.load_study("mixed").report(baseline=Fraction(1, 20), material_gap=Fraction(1, 50))
    assert report.diagnosis.material_gap == 0.02
    assert "5.0%" in report.text()


CROWDS: dict[str, tuple[Callable[[], object], str]] = {
    "processes": (lambda: tuner.search("mixed", workers=10**6), "workers: expected an integer ≥ 1 and ≤ 1000"),
    "networks": (lambda: tuner.load_study("mixed").train(seeds=10**6), "seeds: expected an integer ≥ 1 and ≤ 64"),
    "networks per size": (
        lambda: tuner.load_study("mixed").learning_curve(seeds=10**6),
        "seeds: expected an integer ≥ 1 and ≤ 64",
    ),
    "sizes": (
        lambda: tuner.load_study("mixed").learning_curve(sizes=10**6),
        "sizes: expected an integer ≥ 1 and ≤ 20",
    ),
}


@pytest.mark.parametrize("what", CROWDS)
def test_a_crowd_is_refused(place: Path, what: str) -> None:
    """Processes that would be started before the first one is asked to stop, networks that would fill memory."""
    call, message = CROWDS[what]
    with pytest.raises(TunerError, match=f"{message}, got 1000000"):
        call()


@pytest.mark.parametrize(
    "words",
    ["search mixed --workers", "train mixed --seeds", "learning-curve mixed --seeds", "learning-curve mixed --sizes"],
)
def test_a_command_refuses_a_crowd(place: Path, words: str) -> None:
    """In one line."""
    status, _, errors = command(*words.split(), str(10**6))
    assert (status, errors.count("\n")) == (2, 1)


@pytest.mark.slow
def test_many_odd_calls(place: Path, model: Model) -> None:
    """As many others as there is time for."""
    end = time.monotonic() + SECONDS
    assert faults(place, model, SEED, lambda count: time.monotonic() < end) == []
