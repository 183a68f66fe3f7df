"""A definition is valid, or refused with a one-line message."""

import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import DefinitionError, UsageError
from tuner.metrics import METRICS
from tuner.nn import ACTIVATIONS, INITIALIZERS, NORMALIZATIONS, OPTIMIZERS, SCHEDULES
from tuner.study import PRUNERS, SAMPLERS, definition_schema, identity_changes, parse_definition, validate_definition
from tuner.study.known_names import KEYS, VALUES
from tuner.workspace.locating import read_source

SHIPPED = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
DIGITS = (Path(__file__).parents[2] / "studies" / "digits.toml").read_text(encoding="utf-8")


def refusal(old: str, new: str) -> str:
    """Return the message for the digits definition with one place changed."""
    assert old in DIGITS
    with pytest.raises(DefinitionError) as caught:
        parse_definition(DIGITS.replace(old, new, 1), "studies/digits.toml")
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_definitions_are_valid(path: Path) -> None:
    """Every included definition is valid, and has the name of its file."""
    assert read_source(path).definition.name == path.stem


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_definitions_have_one_key_per_line(path: Path) -> None:
    """A line of an included definition is empty, a comment, a table header or one key."""
    for line in path.read_text(encoding="utf-8").splitlines():
        code = line.split("#")[0].rstrip()
        assert not code or code.startswith("[") or code.split(" = ")[0].isidentifier(), line


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("keep_prob =", "keep_prop =", ["space", "'keep_prop'", "did you mean 'keep_prob'?"]),
        ("patience =", "patienc =", ["training.patienc", "did you mean 'patience'?"]),
        ("[search]", "[serach]", ["'serach'", "did you mean 'search'?"]),
        ("target =", "taget =", ["data.taget", "did you mean 'target'?"]),
        ("[0.5, 1.0]", "[1.0, 0.5]", ["space.keep_prob", "[1.0, 0.5]", "low ≤ high"]),
        ("[16, 128]", "[16, 100]", ["space.batch_size", "powers of two", "100"]),
        ("{ power_of_two = [16, 128] }", "48", ["space.batch_size", "power of two", "48"]),
        ("{ power_of_two = [16, 128] }", "{ uniform = [16, 128] }", ["space.batch_size", "power_of_two", "uniform"]),
        ("[0.5, 1.0]", "[0.0, 1.0]", ["space.keep_prob", "> 0 and ≤ 1", "0.0"]),
        ("{ uniform = [0.5, 1.0] }", "0", ["space.keep_prob", "> 0 and ≤ 1", "got 0"]),
        ("{ uniform = [0.5, 1.0] }", "1.2", ["space.keep_prob", "> 0 and ≤ 1", "1.2"]),
        ("[1e-3, 10.0]", "[0.0, 10.0]", ["space.lambda", "low > 0", "0.0"]),
        ("[1e-2, 1.0]", "[1e-2, nan]", ["space.alpha", "finite"]),
        ("[0.8, 0.99]", "[0.8, 1.0]", ["space.beta", "high < 1", "1.0"]),
        ("{ uniform = [0.5, 1.0] }", "{ unifrom = [0.5, 1.0] }", ["unifrom", "did you mean 'uniform'?"]),
        ('["he", "xavier", "lecun"]', '["he", "glorot"]', ["space.initializer", "'glorot'", "xavier"]),
        ('["he", "xavier", "lecun"]', "[]", ["space.initializer", "at least 1"]),
        ("patience = 10", "patience = 0", ["training.patience", "an integer ≥ 1", "0"]),
        ("patience = 10", 'patience = "ten"', ["training.patience", "integer", "'ten'"]),
        ("max_epochs = 100", "max_epochs = true", ["training.max_epochs", "integer", "True"]),
        ('sampler = "tpe"', 'sampler = "tpa"', ["search.sampler", "tpe, random", "'tpa'"]),
        ("[64, 32]", "[64, 0]", ["network.hidden", "0"]),
        ('name = "digits"', 'name = "my digits"', ["name", "'my digits'"]),
        ('name = "digits"', "", ["name is missing"]),
        ("material_gap = 0.01", "material_gap = 2", ["diagnosis.material_gap", "2"]),
        ("material_gap = 0.01", 'cost = { "0->1" = -1 }', ["diagnosis.cost.0->1: expected a number ≥ 0", "-1"]),
        ("material_gap = 0.01", 'cost = { "0->1" = inf }', ["diagnosis.cost.0->1", "inf"]),
        ("material_gap = 0.01", "baseline_error = { wrong = 3, of = 2 }", ["diagnosis.baseline_error", "W ≤ N"]),
        (
            "material_gap = 0.01",
            "baseline_error = 1.5",
            ["diagnosis.baseline_error", "expected an error ≥ 0 and < 1", "1.5"],
        ),
        ('["he", "xavier", "lecun"]', '["he", "he"]', ["space.initializer", "duplicate value 'he'"]),
        ("{ uniform = [0.5, 1.0] }", "{ uniform = [0.5, 1.0], choice = [1.0] }", ["space.keep_prob", "exactly one of"]),
        ("{ uniform = [0.5, 1.0] }", "{}", ["space.keep_prob", "exactly one of", "got none"]),
        ("[training]", "[training]\nrates = { last = 2.0 }", ["training.rates", "'last'", "biases, first, scale"]),
        ("[training]", "[training]\nrates = { first = 0.0 }", ["training.rates.first", "> 0", "0"]),
        ("[training]", "[training]\nrates = { scale = 6.0 }", ["training.rates", 'space.normalization = "batch"']),
        ("keep_prob =", "residual = 1\nkeep_prob =", ["space.residual", "expected true or false, got 1"]),
        (
            "keep_prob =",
            "residual = true\nkeep_prob =",
            ["space.residual", "two hidden layers of the same width", "64-32"],
        ),
        ("keep_prob =", "keep_prob.3 =", ["space.keep_prob.3", "expected a hidden layer from 1 to 2, got 3"]),
        ("keep_prob =", "keep_prob.0 =", ["space.keep_prob", "like keep_prob.1 = 0.8", "got '0'"]),
        ("keep_prob = { uniform = [0.5", "keep_prob.1 = { uniform = [0.0", ["space.keep_prob.1", "> 0 and ≤ 1", "0.0"]),
        ("keep_prob =", "keep_prob = [0.5, 0.5]\n'keep_prob.1' =", ["space.keep_prob.1", "a list of 2"]),
        ("seed = 0             ", "image = [8]", ["data.image", "8"]),
        (
            "initializer = {",
            "flip = 0.5\ninitializer = {",
            ["space.flip", "an augmentation needs data.image = [height, width]"],
        ),
        (
            "initializer = {",
            "numeric = 'bins'\ninitializer = {",
            ["space.numeric: expected one of standardize", "'bins'"],
        ),
        ("initializer = {", "numeric = { uniform = [0, 1] }\ninitializer = {", ["space.numeric: expected choice"]),
        ("[network]", "[network", ["not valid TOML", "line"]),
        ("max_epochs = 100", "seeds = 3", ["training.seeds", "data.folds", "3"]),
        (
            "[search]",
            '[search]\nthreads = "many"',
            ["search.threads: expected an integer ≥ 1 and ≤ 256 or auto, got 'many'"],
        ),
        ("max_epochs = 100", 'class_weight = "even"', ["training.class_weight", "balanced", "even"]),
        (
            "max_epochs = 100",
            "class_weight = { yes = 0 }",
            ["training.class_weight.yes: expected a number > 0"],
        ),
        ("max_epochs = 100", "class_weight = {}", ["training.class_weight"]),
        (
            "seed = 0             ",
            "columns = { age = 'number' }",
            ["data.columns.age: expected one of numeric,", "drop or a table", "got 'number'"],
        ),
        (
            "seed = 0             ",
            "columns = { age = { kind = 3 } }",
            ["data.columns.age.kind: expected one of numeric", "got 3"],
        ),
        ("seed = 0             ", "group = 1.5", ["data.group: expected a text or an integer, got 1.5"]),
        ("seed = 0             ", "time = 't'", ["data: time and folds are mutually exclusive"]),
    ],
)
def test_refusals_name_the_file_the_key_and_the_value(old: str, new: str, parts: list[str]) -> None:
    """The message is one line with the key, what was expected and what was found."""
    message = refusal(old, new)
    assert "\n" not in message
    assert message.startswith("studies/digits.toml: ")
    assert "'source'" not in message  # the whole definition is not printed
    assert "literal" not in message  # nor is pydantic's path
    assert "more)" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            "folds = 5",
            "folds = 3",
            "compares trials fold by fold; expected data.folds ≥ 4 or another pruner.*folds = 3",
        ),
        (
            "folds = 5",
            "",
            "compares trials fold by fold; expected data.folds ≥ 4 or another pruner, like 'median', got no folds",
        ),
        ('"error"', '"cost"', "compares errors, not search.metric = 'cost'; expected another pruner"),
    ],
)
def test_wilcoxon_needs_folds_and_an_error(old: str, new: str, found: str) -> None:
    """With three folds it could never prune, and the cost in each fold is not stored; the balanced error is."""
    chosen = DIGITS.replace('pruner = "median"', 'pruner = "wilcoxon"')
    for metric in ("error", "balanced_error", "auc"):
        assert parse_definition(chosen.replace('"error"', f'"{metric}"', 1), "digits").search.pruner == "wilcoxon"
    with pytest.raises(DefinitionError, match=f"search.pruner: 'wilcoxon' {found}"):
        parse_definition(chosen.replace(old, new, 1), "digits")


def test_wilcoxon_needs_networks_that_are_trained_together() -> None:
    """A custom trainer trains fold by fold, so at a rung of the first fold the others have no error yet."""
    text = (
        'name = "x"\n[data]\nsource = "x.csv"\ntarget = "y"\nfolds = 5\n[network]\ntrainer = "a:b"\n'
        '[search]\npruner = "wilcoxon"'
    )
    with pytest.raises(DefinitionError, match=r"search\.pruner: 'wilcoxon' does not work with a custom trainer"):
        parse_definition(text, "x")


PYDANTIC = re.compile(r"[Ii]nput should|should (have|match|be)|[Ff]ield required|[Vv]alue error|a valid|unable to")
"""Typical phrases of pydantic's messages."""
ODD: list[Any] = [None, True, -1, 1.5, 10**400, math.nan, "", "many", "x" * 500, [], [None], [-1, "a"], {}, {"odd": 1}]


def keys(schema: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every key of the definition, tables and the keys in them."""
    for name, inner in schema.get("properties", {}).items():
        yield (*prefix, name)
        for option in (inner, *inner.get("anyOf", ())):
            reference = option.get("$ref", "").rpartition("/")[2]
            yield from keys(definition_schema()["$defs"][reference] if reference else option, (*prefix, name))


@pytest.mark.parametrize("key", list(keys(definition_schema())), ids=".".join)
def test_no_refusal_speaks_in_a_librarys_words(key: tuple[str, ...]) -> None:
    """Any value of a key is accepted, or refused on one line that names the key, without pydantic's words."""
    for odd in ODD:
        table = tomllib.loads(DIGITS)
        inner = table
        for part in key[:-1]:
            inner = inner[part] = inner.get(part) if isinstance(inner.get(part), dict) else {}
        inner[key[-1]] = odd
        try:
            validate_definition(table, "x.toml")
        except DefinitionError as error:
            message = str(error).removeprefix("x.toml: ")
            assert key[0] in message
            assert not PYDANTIC.search(message)
            assert "\n" not in message


@pytest.mark.parametrize("sentence", sorted(set(KEYS.values())))
def test_a_key_of_another_library_is_answered_with_one_there_is(sentence: str) -> None:
    """Each dotted name in a hint is a key of the definition, or of [space]."""
    known = {".".join(key) for key in keys(definition_schema())}
    named = re.findall(r"\b(?:data|network|training|space|search)(?:\.[a-z_]+)+", sentence)
    assert set(named) <= known
    assert named or "tuner search --" in sentence


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("alpha =", "learning_rate =", "the learning rate is space.alpha"),
        ("alpha =", "lr =", "the learning rate is space.alpha"),
        ("beta =", "momentum =", "momentum is space.beta"),
        ("keep_prob =", "dropout =", "keep_prob = 1 − dropout"),
        ("lambda =", "weight_decay =", "lambda = m × PyTorch's weight_decay = 2m × Keras's l2"),
        ("hidden =", "hidden_layer_sizes =", "network.hidden = [64, 32]"),
        ("max_epochs =", "epochs =", "training.max_epochs"),
        ("initializer = {", 'optimizer = "SGD"\ninitializer = {', "did you mean 'gradient_descent'?"),
        ("initializer = {", 'optimizer = "AdaMax"\ninitializer = {', "did you mean 'adam'?"),
        ('activation = "relu"', 'activation = "LeakyReLU"', "did you mean 'leaky_relu'?"),
        ('"xavier", ', '"GlorotUniform", ', "did you mean 'xavier_uniform'?"),
        ('sampler = "tpe"', 'sampler = "TPESampler"', "did you mean 'tpe'?"),
        ('metric = "error"', 'metric = "accuracy"', "did you mean 'error'?"),
    ],
)
def test_names_of_other_libraries_are_understood(old: str, new: str, hint: str) -> None:
    """For names of PyTorch, Keras, scikit-learn and Optuna there is a hint with ours."""
    assert hint in refusal(old, new)


def test_every_suggested_value_is_one_there_is() -> None:
    """The values suggested for those of other libraries exist."""
    tables = (OPTIMIZERS, ACTIVATIONS, INITIALIZERS, NORMALIZATIONS, SCHEDULES, METRICS, SAMPLERS, PRUNERS)
    assert set(VALUES.values()) <= {name for table in tables for name in table}


def test_missing_file_is_named() -> None:
    """A missing definition is reported with its path."""
    with pytest.raises(UsageError, match=r"nowhere\.toml: no such file"):
        read_source(Path("nowhere.toml"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A definition that is not UTF-8 is refused."""
    (tmp_path / "study.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(UsageError, match=r"study\.toml: cannot be read as UTF-8 text"):
        read_source(tmp_path / "study.toml")


def test_a_space_is_a_table() -> None:
    """A [space] that is not a table is refused."""
    with pytest.raises(DefinitionError, match=r"x\.toml: space: expected a table of hyperparameters, got 3"):
        parse_definition('name = "x"\nspace = 3\n[data]\nsource = "x.csv"\ntarget = "y"\n', "x.toml")


def test_identity_leaves_out_comments_budget_and_diagnosis() -> None:
    """Comments, the budget and [diagnosis] do not change the identity."""
    edited = "# a new comment\n" + DIGITS.replace("trials = 100", "trials = 7").replace("gap = 0.01", "gap = 0.5")
    before, after = (parse_definition(text, "x").identity("f") for text in (DIGITS, edited))
    assert identity_changes(before, after) == []


def test_a_cost_of_errors_needs_costs_which_are_part_of_the_identity() -> None:
    """With another metric they may be changed at any time."""
    by_cost = DIGITS.replace('metric = "error" ', 'metric = "cost_of_errors" ')
    with pytest.raises(DefinitionError, match="cost_of_errors expects diagnosis"):
        parse_definition(by_cost, "x")
    with_costs = [text + '\ncost = { "1->7" = 2 }\n' for text in (by_cost, DIGITS)]
    keys = [set(parse_definition(text, "x").identity("f")) for text in with_costs]
    assert keys[0] - keys[1] == {"diagnosis.cost.1->7"}


def test_identity_leaves_out_the_path_of_the_data() -> None:
    """The fingerprint identifies the data; its path may differ between machines."""
    edited = DIGITS.replace("data/digits.csv.gz", "/mnt/elsewhere/digits.csv.gz")
    before, after = (parse_definition(text, "x").identity("f") for text in (DIGITS, edited))
    assert identity_changes(before, after) == []


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("patience = 10", "patience = 11", "training.patience: 10 -> 11"),
        ("[64, 32]", "[64]", "network.hidden: [64, 32] -> [64]"),
        ('metric = "error"', 'metric = "cost"', 'search.metric: "error" -> "cost"'),
        ("{ uniform = [0.5, 1.0] }", "1.0", 'space.keep_prob: {"uniform": [0.5, 1.0]} -> 1.0'),
        ("folds = 5", "", "data.folds: 5 -> null"),
    ],
)
def test_identity_changes_are_named_old_to_new(old: str, new: str, change: str) -> None:
    """Each key that differs is listed with its old and its new value."""
    before, after = (parse_definition(text, "x").identity("f") for text in (DIGITS, DIGITS.replace(old, new, 1)))
    assert identity_changes(before, after) == [change]


def test_identity_holds_the_fingerprint() -> None:
    """Other data makes another study."""
    definition = parse_definition(DIGITS, "x")
    assert identity_changes(definition.identity("a"), definition.identity("b")) == [
        'data.fingerprint: "a" -> "b" (the data changed)',
    ]


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ({"search": {"metric": "absolute_error"}}, "search.metric: expected a metric of classes, like error"),
        ({"training": {"monitor": "absolute_error"}}, "training.monitor: expected a metric of classes"),
        (
            {"network": {"task": "regression"}, "training": {"monitor": "absolute_error"}},
            "training.monitor: expected error .that of search.metric = 'error'. or cost, got 'absolute_error'",
        ),
        (
            {"network": {"task": "regression"}, "search": {"metric": "balanced_error"}},
            r"search.metric: expected error \(RMSE\), absolute_error or cost for regression",
        ),
    ],
)
def test_a_metric_suits_the_task(tables: dict[str, dict[str, str]], found: str) -> None:
    """The mean absolute error is of numbers, the balanced error of classes."""
    network = {"task": "classification", **tables.get("network", {})}
    document = {"data": {"source": "a.csv", "target": "y"}, **tables, "network": network}
    text = "name = 'a'\n" + "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = '{value}'" for key, value in table.items())
        for name, table in document.items()
    )
    with pytest.raises(DefinitionError, match=found):
        parse_definition(text, "a.toml")


@pytest.mark.parametrize(
    ("data", "network", "why"),
    [
        ('numeric = "robust"', "", "mutually exclusive with data.numeric"),
        ("image = [2, 2]", "", "the pixels of an image are normalized alike"),
        ("", 'trainer = "a:b"', "has no effect with a custom trainer; set data.numeric"),
    ],
)
def test_trials_choose_the_form_of_numbers_where_nothing_else_does(data: str, network: str, why: str) -> None:
    """The form is that of [data], of [space], or of neither."""
    text = f'name = "x"\n[data]\nsource = "x.csv"\ntarget = "y"\n{data}\n[network]\n{network}\n[space]\n'
    parse_definition(text, "x.toml")
    with pytest.raises(DefinitionError, match=rf"x\.toml: space\.numeric: {why}"):
        parse_definition(text + 'numeric = { choice = ["standardize", "quantile"] }\n', "x.toml")


@pytest.mark.parametrize(
    ("data", "network", "space", "why"),
    [
        (
            "",
            "",
            "highest_frequency = 5",
            r'space\.highest_frequency: has no effect without numeric = "periodic" in \[data\] or \[space\]',
        ),
        (
            'numeric = "periodic"',
            "",
            "highest_frequency = 5000",
            r"space\.highest_frequency: expected .*≤ 1000, got 5000",
        ),
        ('numeric = "periodic"', 'trainer = "a:b"', "", r'data\.numeric: expected another form than "periodic" with a'),
        ('columns = { a = { numeric = "periodic" } }', 'trainer = "a:b"', "", r"data\.columns\.a\.numeric: expected"),
    ],
)
def test_periodic_inputs_are_of_the_own_network(data: str, network: str, space: str, why: str) -> None:
    """Their frequencies are refused where no number has any."""
    text = f'name = "x"\n[data]\nsource = "x.csv"\ntarget = "y"\n{data}\n[network]\n{network}\n[space]\n{space}\n'
    with pytest.raises(DefinitionError, match=rf"x\.toml: {why}"):
        parse_definition(text, "x.toml")


@pytest.mark.parametrize(
    ("columns", "idle"), [("", ["highest_frequency"]), ('columns = { a = { numeric = "periodic" } }', [])]
)
def test_frequencies_are_idle_in_trials_without_periodic_inputs(columns: str, idle: list[str]) -> None:
    """Unless a column has them in every trial."""
    space = 'highest_frequency = { log_uniform = [1, 9] }\nnumeric = { choice = ["standardize", "periodic"] }'
    text = f'name = "x"\n[data]\nsource = "x.csv"\ntarget = "y"\n{columns}\n[space]\n{space}\n'
    searched = parse_definition(text, "x.toml").searched_space
    assert searched.idle({"numeric": "standardize"}) == idle
    assert searched.idle({"numeric": "periodic"}) == []
