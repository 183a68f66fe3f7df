"""Mutated definitions, as text, JSON and tables: valid, or refused in one short line, in bounded time."""

from __future__ import annotations

import copy
import json
import math
import random
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SMALL_STUDY
from tests.running.conftest import command
from tests.security import SECONDS, SEED
from tuner.errors import DefinitionError
from tuner.paths import shipped_studies
from tuner.study import StudyDefinition, parse_definition, validate_definition
from tuner.study.editing import move_definition, rename_definition
from tuner.trial import trial_settings

FULL = """\
name = "full"
[data]
source = "full.csv"
target = "y"
delimiter = ";"
decimal = ","
encoding = "utf-8"
missing = ["-", "none"]
columns = { a = "categorical", b = { kind = "numeric" } }
image = [8, 8]
split = { dev = 0.2, test = 100 }
group = "g"
seed = 3
[network]
hidden = [64, 32]
activation = "relu"
output = "softmax"
[training]
max_epochs = 100
patience = 10
min_updates = 500
min_improvement = 0.001
monitor = "error"
penalty_per = "mini_batch"
seeds = 2
[space]
lambda = { log_uniform = [1e-3, 10.0] }
keep_prob = { uniform = [0.5, 1.0] }
alpha = { choice = [0.1, 0.01] }
beta = { one_minus_log_uniform = [0.8, 0.999] }
batch_size = { power_of_two = [16, 1024] }
initializer = { choice = ["he", "xavier"] }
hidden = { choice = ["64-32", "none"] }
optimizer = "adam"
decay_epochs = 5
shift = { uniform = [0.0, 2.0] }
[search]
trials = 40
metric = "balanced_error"
sampler = "tpe"
explore = 0.25
pruner = "hyperband"
seed = 1
max_attempts = 3
trial_timeout = 60.0
target_error = 0.01
stop_after_no_progress = 20
[diagnosis]
baseline_error = { wrong = 3, of = 200 }
material_gap = 0.02
"""
CUSTOM = """\
name = "own"
[data]
source = "own.csv"
target = "y"
folds = 5
[network]
trainer = "my_models:fit"
[space]
depth = { choice = [1, 2, 3] }
rate = { log_uniform = [1e-3, 1.0] }
names = ["a", "b"]
"""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 64, 10**12, 2**53, 2**63 - 1, -(2**63), 2**63, 10**400),
    *(0.0, -0.0, 0.5, 1.0, 1e-320, 1e308, -1e308, math.inf, -math.inf, math.nan),
    *(
        "",
        "x",
        "none",
        "full",
        "64-32",
        "1-" * 3000,
        "a:b",
        "os:system",
        "\x00",
        "\x1b[2J",
        "\ud800",
        "é" * 10_000,
        "\n",
    ),
    *([], [[]], {}, {"a": {}}, [1, 2], [1.0, 0.5], [2, 1], ["a", 1], [0.1] * 5000, [math.nan, 1.0], [1e-320, 1e308]),
    *({"uniform": [0, 1]}, {"log_uniform": [0, 1]}, {"log_uniform": [1e-320, 1e308]}, {"uniform": [-1e308, 1e308]}),
    *(
        {"choice": []},
        {"choice": [[1], [2]]},
        {"choice": ["a"] * 3000},
        {"choice": [math.nan, 1]},
        {"choice": [True, 1]},
    ),
    *({"power_of_two": [1, 2**62]}, {"power_of_two": [3, 5]}, {"one_minus_log_uniform": [0.0, 1.0]}),
    *({"power_of_two": [1, 2.0**1000]}, {"integer": [1, 2**63 - 1]}, {"uniform": [0, 1], "choice": [1]}, b"bytes", 1j),
    *({1: 2}, {"": ""}, {"\x00": 1}, {"a" * 5000: 1}, {"wrong": 2**63 - 1, "of": 2**63 - 1}, {"wrong": 1}, object()),
)
"""What a mutated table holds somewhere."""
BYTES = (
    '"',
    "'",
    '"""',
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "\r",
    "#",
    "\\",
    "\\u0000",
    "\x00",
    "\x7f",
    "é",
)
WORDS = (
    "inf",
    "nan",
    "-0",
    "1e999",
    "0x" + "f" * 40,
    "9" * 5000,
    "1979-05-27",
    "07:32:00",
    "1979-05-27T00:32:00Z",
    "true",
)
DEEP = (
    "[" * 3000,
    "a." * 3000,
    "{a=" * 3000,
    "[a]\n" * 3000,
    "x = [" + "[[" * 2000,
    '"' * 4001,
    "a.b=1\n" * 2000,
    "x = 1\n" + "a." * 200_000 + "a = 1",
)
LONGEST = 1000
"""Characters of a message."""
LONGEST_SECONDS = 5


def bases() -> list[str]:
    """Definitions that are valid."""
    shipped = [path.read_text(encoding="utf-8") for path in sorted(shipped_studies().glob("*.toml"))]
    return [SMALL_STUDY, FULL, CUSTOM, *shipped]


def mutated_texts(rng: random.Random) -> Iterator[str]:
    """A definition with a few parts of its text replaced, dropped, doubled or moved."""
    texts = bases()
    while True:
        text = rng.choice(texts)
        for _ in range(rng.choice((1, 1, 2, 5))):
            start = rng.randrange(len(text) + 1)
            stop = min(len(text), start + rng.choice((0, 1, 1, 3, 20, 200)))
            new = rng.choice(
                (
                    *("", text[start:stop] * 2, rng.choice(BYTES), rng.choice(WORDS), rng.choice(WORDS)),
                    *(
                        chr(rng.randrange(0xD800)),
                        text[::-1][start:stop],
                        rng.choice(DEEP) if rng.random() < 0.1 else "1",
                    ),
                )
            )
            text = text[:start] + new + text[stop:]
        yield text


def places(table: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) within a table, however deep."""
    left = [table]
    while left:
        container = left.pop()
        for key, inner in list(container.items() if isinstance(container, dict) else enumerate(container)):
            yield container, key
            if isinstance(inner, dict | list):
                left.append(inner)


def mutated_tables(rng: random.Random) -> Iterator[Any]:
    """A parsed definition with a few values replaced, removed, renamed or nested."""
    tables = [tomllib.loads(text) for text in bases()]
    while True:
        table = copy.deepcopy(rng.choice(tables))
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            found = list(places(table))
            if not found:
                break
            container, key = rng.choice(found)
            way = rng.randrange(8)
            if way == 0:
                del container[key]
            elif way == 1 and isinstance(container, dict):
                container[rng.choice(("", "x", "lambda", "hidden", "\x00", "a.b", 7, None, "é" * 999))] = container.pop(
                    key
                )
            elif way == 2:
                container[key] = nested(rng.choice((5, 20, 3000)), rng)
            else:
                container[key] = copy.deepcopy(rng.choice(VALUES))
        yield table


def nested(levels: int, rng: random.Random) -> Any:
    """A value within so many lists or tables."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def check(given: Any) -> bool:
    """Parse or validate it; whether it is valid.  What is valid can be used by all that searches and writes it."""
    began = time.process_time()  # the machine may have other work
    parse = parse_definition if isinstance(given, str) else validate_definition
    definition, refusal = None, ""
    try:
        definition = parse(given, "x.toml")
    except DefinitionError as error:
        refusal = str(error)
    if definition is None:
        assert refusal.startswith("x.toml: ")
        assert "\n" not in refusal
        assert len(refusal) < LONGEST, refusal
    else:
        use(definition)
    if definition is not None and isinstance(given, str):
        assert parse_definition(rename_definition(given, definition, "another"), "x").name == "another"
    assert time.process_time() - began < LONGEST_SECONDS
    return definition is not None


def use(definition: StudyDefinition) -> None:
    """What a search takes from a definition before its first trial."""
    json.dumps(definition.identity("0" * 64))
    space = definition.searched_space
    assert set(space.values(space.sampled(space.middle()))) == set(space.middle())
    assert list(space.distributions) == sorted(space.distributions) or space.searched
    trial_settings(definition)
    if definition.trainer_kind.knows_hyperparameters:
        space.hyperparameters(space.middle())
        definition.augment(space.middle())


def fuzz(seed: int, *, most: int, seconds: float) -> tuple[int, int]:
    """Check mutated definitions; how many there were, and how many were valid."""
    rng = random.Random(seed)
    texts, tables = mutated_texts(rng), mutated_tables(rng)
    end = time.monotonic() + seconds
    n = n_valid = 0
    while n < most and time.monotonic() < end:
        for given in (next(texts), next(tables)):
            n += 1
            try:
                n_valid += check(given)
            except BaseException as error:
                raise AssertionError(f"seed {seed}, definition {n}: {str(given)[:3000]}") from error
        table = next(tables)
        try:
            given = json.loads(json.dumps(table))
        except (TypeError, ValueError, RecursionError):
            continue
        n_valid += check(given)
    return n, n_valid


def test_mutated_definitions_are_valid_or_refused_in_one_line() -> None:
    """As text, as JSON, as a table."""
    n, n_valid = fuzz(0, most=600, seconds=5)
    assert 0 < n_valid < n


@pytest.mark.slow
def test_many_mutated_definitions_are_valid_or_refused_in_one_line() -> None:
    """The same for longer."""
    n, n_valid = fuzz(SEED, most=10**9, seconds=SECONDS)
    assert 0 < n_valid < n


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("patience = 2", "min_improvement = inf", "training.min_improvement: expected a number ≥ 0, got inf"),
        ("batch_size = { power_of_two = [16, 32] }", "batch_size = 16.0", "space.batch_size: expected a power of two"),
    ],
)
def test_numbers_that_no_training_takes_are_refused(old: str, new: str, refusal: str) -> None:
    """Infinity, and a count with a decimal point."""
    with pytest.raises(DefinitionError, match=re.escape(f"x.toml: {refusal}")):
        parse_definition(SMALL_STUDY.replace(old, new), "x.toml")


@pytest.mark.parametrize("bounds", ["1e300, 1e308", "1e-320, 1e-300"])
def test_a_range_beyond_the_square_of_a_float_has_a_middle(bounds: str) -> None:
    """The product of its ends is infinite, or 0."""
    text = SMALL_STUDY.replace("alpha = { log_uniform = [1e-2, 1.0] }", f"alpha = {{ log_uniform = [{bounds}] }}")
    assert check(text)


def test_each_hidden_layer_has_its_keep_prob() -> None:
    """A list of another length would fail in the first trial."""
    text = SMALL_STUDY.replace("keep_prob = { uniform = [0.7, 1.0] }", "keep_prob = [0.5, 0.6]")
    with pytest.raises(
        DefinitionError, match=r"x\.toml: space\.keep_prob: expected one number, or a list of 1, one per"
    ):
        parse_definition(text, "x.toml")
    assert parse_definition(text.replace("hidden = [4]", "hidden = [4, 4]"), "x.toml").network.hidden == [4, 4]


@pytest.mark.parametrize("text", DEEP)
def test_deep_text_is_refused(text: str) -> None:
    """Thousands of levels, or of lines."""
    assert not check(text)


def test_paths_of_any_kind_can_be_moved(tmp_path: Any) -> None:
    """A definition for another folder names its data from there."""
    text = FULL.replace("full.csv", "x" * 5000)
    assert "x" * 5000 in move_definition(text, tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000, "-" + "9" * 5000, "[" + "9" * 5000 + "]"])
def test_a_value_that_no_parser_takes_is_refused(workplace: Path, value: str) -> None:
    """Too many digits, or too deep, on the command line."""
    status, _, errors = command("enqueue", "digits", f"batch_size={value}")
    assert (status, errors[:27]) == (2, "tuner: batch_size: expected")
