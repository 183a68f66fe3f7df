"""One of each strategy, added to a copy of the package in the files that CONTRIBUTING names and in no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SMALL_STUDY, small_table

ROOT = Path(__file__).parents[1]
MOST_FILES = 2

METRIC = """

METRICS["first_class_error"] = Metric(
    name="first_class_error",
    label="error of the first class",
    worst=1.0,
    class_weights=lambda counts: (np.arange(len(counts)) == 0).astype(float),
)
"""

SAMPLER = """

SAMPLERS["other_random"] = lambda draw: optuna.samplers.RandomSampler(seed=draw.seed + 1)
"""

PRUNER = """

PRUNERS["percentile"] = lambda max_epochs: optuna.pruners.PercentilePruner(25.0, n_startup_trials=2)
"""

RANGE = '''

class LogitUniform(Scale):
    """ln(v / (1 - v)) is uniform, and is what is sampled."""

    name = "logit_uniform"
    description = "the log odds are uniform: for shares near 0 or 1"
    prefix = "logit_"

    def forward(self, value: float) -> float:
        """The log odds."""
        return math.log(value / (1 - value))

    def inverse(self, scaled: float) -> float:
        """The share."""
        return 1 / (1 + math.exp(-scaled))

    to_sampled = forward
    from_sampled = inverse

    def distribution(self, bounds: Bounds) -> Distribution:
        """Log odds."""
        return Distribution("float", tuple(map(self.forward, bounds)))


SCALES["logit_uniform"] = LogitUniform()
'''

OPTIMIZER = '''

def _sign(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> list[Call]:
    """θ := θ − α sign(g)."""
    return [
        partial(np.sign, g, scratch),
        partial(np.multiply, scratch, rates.alpha, scratch),
        partial(np.subtract, theta, scratch, theta),
    ]


OPTIMIZERS["sign"] = Optimizer(0, lambda alpha, beta: 1.0, _sign, frozenset())
'''

INITIALIZER = """

INITIALIZERS["halves"] = lambda rng, n_in, n_out: rng.uniform(-0.5, 0.5, (n_in, n_out))
"""

ENCODER = '''class MagnitudeEncoder(ValueEncoder):
    """The logarithm of the size, with the sign, normalized."""

    reads = Reads.NUMBERS
    parts = ("magnitude", MISSING)

    def parts_of(self, values: Doubles) -> Doubles:
        """Return sign(x) ln(1 + |x|)."""
        return (np.sign(values) * np.log1p(np.abs(values)))[:, None]


'''

MAGNITUDE_GRAPH = '''

def _magnitude(nodes: _Nodes, numbers: str) -> dict[str, str]:
    """sign(x) ln(1 + |x|)"""
    more = nodes.add("Add", nodes.add("Abs", numbers), nodes.constant(1, np.float64))
    return {"magnitude": nodes.add("Mul", nodes.add("Sign", numbers), nodes.add("Log", more))}


GRAPHS["magnitude"] = partial(_by_part, _magnitude)
'''

FIGURE = '''"""How long the longest trial took."""

from tuner.reporting.figures.figure import Figure


def longest(report):
    """A bar and a sentence."""
    seconds = max(trial.seconds for trial in report.record.trials if trial.seconds)
    svg = '<svg viewBox="0 0 20 40" role="img" aria-label="Seconds"><rect width="15" height="40"/></svg>'
    return Figure("Time", f"The longest trial took {seconds:.1f} s.", svg)
'''

COMMAND = '''"""``tuner hello``."""

import typer


def hello() -> None:
    """Greet."""
    typer.echo("hello")
'''


ADDITIONS: dict[str, dict[str, list[tuple[str, str]]]] = {
    "a metric": {"tuner/metrics.py": [("", METRIC)]},
    "a sampler": {"tuner/study/strategies.py": [("", SAMPLER)]},
    "a pruner": {"tuner/study/strategies.py": [("", PRUNER)]},
    "a range": {
        "tuner/scales.py": [("", RANGE)],
        "tuner/study/hyperparameters.py": [("_SHARES = (", '_SHARES = ("logit_uniform", ')],
    },
    "an optimizer": {"tuner/nn/optimizers.py": [("", OPTIMIZER)]},
    "an initializer": {"tuner/nn/initializers.py": [("", INITIALIZER)]},
    "an encoder": {
        "tuner/data/encoders.py": [
            ("ENCODERS: dict", f"{ENCODER}ENCODERS: dict"),
            ('"drop": Encoder(),', '"drop": Encoder(),\n    "magnitude": MagnitudeEncoder(),'),
        ],
        "tuner/modeling/onnx_graph.py": [("", MAGNITUDE_GRAPH)],
    },
    "a figure": {
        "tuner/reporting/figures/longest.py": [("", FIGURE)],
        "tuner/reporting/figures/__init__.py": [
            ("\nif TYPE_CHECKING:", "\nfrom tuner.reporting.figures.longest import longest\n\nif TYPE_CHECKING:"),
            ('"The search": {', '"The search": {"longest": longest, '),
        ],
    },
    "a command": {
        "tuner/cli/hello_command.py": [("", COMMAND)],
        "tuner/cli/app.py": [("COMMANDS = {", 'COMMANDS = {\n    "hello": Entry(SET_UP, "Greet.", "hello"),')],
    },
}
"""What is added -> file -> (what stands there, what takes its place); an empty text is the end of the file."""

SEARCH = """\
[search]
trials = 12
metric = "first_class_error"
sampler = "other_random"
pruner = "percentile"
explore = 0.0"""

USED = {
    "[search]\ntrials = 4": SEARCH,
    "uniform = [0.7, 1.0]": "logit_uniform = [0.7, 0.99]",
    '["he", "xavier"]': '["halves"]',
    "[space]\n": '[space]\noptimizer = "sign"\n',
    "[network]\n": '[data.columns]\nwidth = "magnitude"\n\n[network]\n',
}
"""What the small study says to use them all."""


COMPARE = """\
import json, numpy, onnxruntime, pandas, tuner
from tuner.modeling import onnx_inputs

model, rows = tuner.load_model("small.tuner"), pandas.read_csv("small.csv")
rows.loc[0, "width"] = 1e6
exported = onnxruntime.InferenceSession("small.onnx").run(["probabilities"], onnx_inputs(model, rows))[0]
feature = model.encodings[0].columns[0].features[0]
encoded = model.encodings[0].transform(rows)[0, 0] * feature.scale + feature.mean
print(json.dumps([float(encoded), float(numpy.abs(exported - model.predict_proba(rows)).max())]))
"""
"""What the encoder makes of a million, and the largest difference between the model's answers and its graph's."""


def test_every_row_of_the_table_is_tried() -> None:
    """CONTRIBUTING names the files that the additions touch, at most two each."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (an? [a-z ]+) \| (.*) \|$", text, re.MULTILINE)
    named = {what: set(re.findall(r"`([^`]+)`", files)) for what, files in rows}
    assert named == {what: set(files) for what, files in ADDITIONS.items()}
    assert all(len(files) <= MOST_FILES for files in named.values())


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package that has one more of each, and a study that uses them."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "tuner", folder / "tuner")  # compiled as it is, but for what is changed
    for files in ADDITIONS.values():
        for name, changes in files.items():
            path = folder / name
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            for old, new in changes:
                assert old in text
                text = text.replace(old, new, 1) if old else text + new
            path.write_text(text, encoding="utf-8")
    study = SMALL_STUDY
    for old, new in USED.items():
        assert old in study
        study = study.replace(old, new)
    (folder / "small.toml").write_text(study, encoding="utf-8")
    (folder / "small.csv").write_text(small_table(), encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Standard output of the copy's command line."""
    return python(folder, "-m", "tuner", *arguments)


def python(folder: Path, *arguments: str) -> str:
    """Standard output of Python that imports the copy."""
    command = [sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": str(folder), "TUNER_CACHE": str(folder / ".cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_of_each_is_searched_with_and_reported(extended: Path) -> None:
    """Definition, sampler, pruner, trainer, database, report and page follow the tables."""
    found = json.loads(run(extended, "search", "small.toml", "--json", "--references", "none"))
    assert found["trials"]["complete"] + found["trials"]["pruned"] == 12
    assert 0.7 <= found["best"]["params"]["keep_prob"] <= 0.99
    assert found["best"]["params"]["optimizer"] == "sign"
    assert found["best"]["params"]["initializer"] == "halves"
    summary = json.loads(run(extended, "report", "small.toml", "--json"))
    assert 0 <= summary["best"]["first_class_error"]["value"] <= 1
    assert "The longest trial took" in (extended / "reports" / "small" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_encoder_encodes_is_described_saved_and_exported(extended: Path) -> None:
    """Settings, arrays, the printed table, the model file and its ONNX graph follow the table."""
    pytest.importorskip("onnx")
    columns = json.loads(run(extended, "data", "small.toml", "--json"))["columns"]
    assert [(column["kind"], column["encoding"]) for column in columns] == [
        ("magnitude", "normalized"),
        ("numeric", "normalized"),
    ]
    run(extended, "search", "small.toml", "--quiet")
    run(extended, "train", "small.toml", "--output", "small.tuner")
    run(extended, "export", "small.tuner", "--onnx", "small.onnx")
    compared = python(extended, "-c", COMPARE)
    encoded, difference = json.loads(compared)
    assert encoded == pytest.approx(np.log1p(1e6), rel=1e-5)
    assert difference < 1e-5


def test_editors_and_help_know_them(extended: Path) -> None:
    """The schema lists the new names, ``--help`` and completion the new command."""
    schema = run(extended, "schema")
    for name in ("first_class_error", "other_random", "percentile", "logit_uniform", "sign", "halves", "magnitude"):
        assert name in schema
    assert "hello" in run(extended, "--help")
    assert run(extended, "hello") == "hello\n"
