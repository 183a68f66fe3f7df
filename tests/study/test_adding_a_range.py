"""A new kind of range is one class and a line of ``SCALES``, and a word beside the hyperparameters it suits."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tuner"

LOGIT = '''class LogitUniform(Scale):
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


SCALES: dict'''

DEFINITION = """
name = "odds"
[data]
source = "odds.csv"
target = "y"
[network]
hidden = [4]
[training]
max_epochs = 2
[space]
keep_prob = { logit_uniform = [0.5, 0.99] }
[search]
trials = 14
"""


def run(folder: Path, *arguments: str) -> str:
    """Standard output of the copy's command line."""
    command = [sys.executable, "-m", "tuner", *arguments]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_range_is_searched_and_reported_after_a_change_of_two_files(tmp_path: Path) -> None:
    """Definition, schema, sampler, database and report follow the table."""
    shutil.copytree(PACKAGE, tmp_path / "tuner", ignore=shutil.ignore_patterns("__pycache__"))
    scales, specs = tmp_path / "tuner" / "scales.py", tmp_path / "tuner" / "study" / "knobs.py"
    text = scales.read_text(encoding="utf-8").replace("SCALES: dict", LOGIT, 1)
    scales.write_text(text.replace("(Uniform(), ", "(Uniform(), LogitUniform(), ", 1), encoding="utf-8")
    text = specs.read_text(encoding="utf-8")
    specs.write_text(text.replace("_SHARES = (", '_SHARES = ("logit_uniform", ', 1), encoding="utf-8")
    draw = random.Random(0)
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(300)]
    lines = ["a,b,y", *(f"{a},{b},{'yes' if a + b > 0 else 'no'}" for a, b in rows)]
    (tmp_path / "odds.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "odds.toml").write_text(DEFINITION, encoding="utf-8")
    found = json.loads(run(tmp_path, "search", "odds.toml", "--json"))
    assert found["trials"]["complete"] + found["trials"]["pruned"] == 14
    assert 0.5 <= found["best"]["params"]["keep_prob"] <= 0.99
    run(tmp_path, "report", "odds.toml")
    assert "keep_prob" in (tmp_path / "reports" / "odds" / "report.html").read_text(encoding="utf-8")
    keep_prob = json.loads(run(tmp_path, "schema"))["properties"]["space"]["properties"]["keep_prob"]
    assert "logit_uniform" in keep_prob["anyOf"][1]["properties"]
