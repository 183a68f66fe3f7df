"""The examples of trainers of one's own, run as a user would."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

import tuner
from tests.running.conftest import command
from tuner.reporting import Report

HERE = Path(__file__).parents[1]


@pytest.fixture
def examples(workplace: Path) -> Path:
    """The folder of the examples, and the data they read, below the current one."""
    shutil.copytree(HERE / "examples", workplace / "examples", ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    shutil.copytree(HERE / "studies", workplace / "studies", ignore=shutil.ignore_patterns("*.db*"))
    return workplace / "examples"


def test_the_scikit_learn_example_is_searched(examples: Path) -> None:
    """K nearest neighbors are right on most digits, and the report says who trained them."""
    status, output, errors = command("search", "--references", "none", "examples/sklearn-digits.toml", "--trials", 3)
    assert (status, "trained by sklearn_trainer:fit" in output) == (0, True), errors
    best = tuner.load_study("examples/sklearn-digits.toml").report().best
    assert best is not None
    assert best.value is not None
    assert best.value < 0.06


def test_the_lightgbm_example_is_searched(examples: Path) -> None:
    """Boosted trees beat the majority class, and their costs are known."""
    pytest.importorskip("lightgbm")
    status, _, errors = command("search", "--references", "none", "examples/lightgbm-churn.toml", "--trials", 2)
    assert status == 0, errors
    trials = tuner.load_study("examples/lightgbm-churn.toml").trials()
    assert trials["dev_error"].max() < 0.25
    assert trials["dev_cost"].notna().all()


def test_the_example_of_numbers_is_searched(examples: Path) -> None:
    """Random forests are nearer than the mean, whose RMSE is 77."""
    status, _, errors = command("search", "--references", "none", "examples/forest-diabetes.toml", "--trials", 1)
    assert status == 0, errors
    assert tuner.load_study("examples/forest-diabetes.toml").trials()["dev_error"].max() < 65


@pytest.mark.slow
def test_the_convolutional_example_is_searched(examples: Path) -> None:
    """It reports its epochs, and knows its costs."""
    pytest.importorskip("torch")
    shorter(examples / "torch-cnn.toml", {"max_epochs = 30": "max_epochs = 6"})
    status, _, errors = command("search", "--references", "none", "examples/torch-cnn.toml", "--trials", 2)
    assert status == 0, errors
    study = tuner.load_study("examples/torch-cnn.toml")
    assert study.trials()["dev_error"].min() < 0.2
    assert study.trials()["dev_cost"].notna().all()
    assert len(study.report().epochs) == 12


@pytest.mark.slow
def test_the_pytorch_example_is_searched(examples: Path) -> None:
    """A network of PyTorch's reports its epochs."""
    pytest.importorskip("torch")
    shorter(examples / "torch-digits.toml", {"max_epochs = 100": "max_epochs = 4"})
    status, _, errors = command("search", "--references", "none", "examples/torch-digits.toml", "--trials", 2)
    assert status == 0, errors
    report = tuner.load_study("examples/torch-digits.toml").report()
    assert report.epochs["dev_error"].between(0, 1).all()
    assert len(report.epochs) == 8


@pytest.mark.slow
def test_our_network_and_pytorchs_get_the_same_verdict(examples: Path) -> None:
    """The same architecture, ranges and search on the digits: high variance at a line of half a point, alike."""
    pytest.importorskip("torch")
    path = examples / "torch-digits.toml"
    shorter(path, {"[search]": "[diagnosis]\nmaterial_gap = 0.005\n[search]"})
    ours = path.read_text(encoding="utf-8").replace("torch-digits", "our-digits")
    line = next(line for line in ours.splitlines() if line.startswith("trainer ="))
    (examples / "our-digits.toml").write_text(ours.replace(line, "hidden = [64, 32]"), encoding="utf-8")
    mine, torchs = (searched(examples / f"{name}-digits.toml") for name in ("our", "torch"))
    assert mine.verdict == torchs.verdict == "high_variance"
    for name in ("train", "dev"):
        first, second = mine.diagnosis.errors[name], torchs.diagnosis.errors[name]
        assert first is not None
        assert second is not None
        assert first.low <= second.high
        assert second.low <= first.high


def searched(path: Path) -> Report:
    """The report of a search long enough for both to have found a good network."""
    return tuner.search(path, trials=24, workers=2).report()


def shorter(path: Path, changes: dict[str, str]) -> None:
    """Replace parts of a definition."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("trainer", "study", "script", "lines"),
    [
        ("sklearn_trainer", "sklearn-digits", "sklearn_digits", (15, 21)),
        ("lightgbm_trainer", "lightgbm-churn", "lightgbm_churn", (18, 27)),
        ("torch_cnn", "torch-cnn", "torch_cnn", (32, 55)),
    ],
)
def test_an_example_is_shorter_than_in_plain_optuna(
    trainer: str, study: str, script: str, lines: tuple[int, int]
) -> None:
    """The lines that the page on custom trainers states, without blank ones, comments and docstrings."""
    folder = HERE / "examples"
    ours = lines_of(folder / f"{trainer}.py") + lines_of(folder / f"{study}.toml")
    assert (ours, lines_of(folder / "plain_optuna" / f"{script}.py")) == lines


def lines_of(path: Path) -> int:
    """The lines of a file that say something."""
    text = path.read_text(encoding="utf-8")
    skipped: set[int] = set()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
                skipped |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    numbered = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") and n not in skipped for n, line in numbered)
