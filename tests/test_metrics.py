"""The table of metrics: what each makes of rows' losses, and that an entry is all that a new one takes."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import tuner
from tests.conftest import SMALL_STUDY, small_table
from tuner.dev_layout import DevLayout
from tuner.metrics import METRICS, Measured, Metric, cross_entropies, effective_rows, relative

ADDED = '''
def rare_counts_triple(counts: Array) -> Array:
    """The rarest class counts three times as much as any other."""
    return np.where(counts == counts[counts > 0].min(), 3.0, 1.0) * (counts > 0)


METRICS["rare_error"] = Metric(
    name="rare_error", label="rare error", meaning="error with its weight on the rarest class", worst=1.0,
    class_weights=rare_counts_triple,
)
METRICS["surprise"] = Metric(
    name="surprise", label="surprise", worst=1e6, losses=cross_entropies, from_labels=False
)
'''

Y = np.array([0, 0, 0, 1])


@pytest.mark.parametrize("name", METRICS)
def test_an_entry_says_all_that_is_asked_of_it(name: str) -> None:
    """Its own name, and a finite worst value above that of the worst network's rows."""
    metric, n = METRICS[name], len(Y)
    wrong = np.ones(n, dtype=bool) if metric.of_rows is None else np.full(n, metric.worst)
    worst = Measured(1e6, 1.0, wrong, np.full(n, 1e6))
    assert metric.name == name
    assert metric.of(worst, Y) == metric.value(DevLayout.planned([n], 1), [worst], Y) == metric.worst
    assert np.isfinite(metric.worst)


def test_weighted_losses_have_the_metric_for_a_mean() -> None:
    """One of three rows of a class and the only one of another: 2/3 balanced, 1/2 plain."""
    losses = np.array([1, 0, 0, 1], dtype=bool)
    expected = {"error": 1 / 2, "balanced_error": 2 / 3}
    for name, value in expected.items():
        assert METRICS[name].mean(losses, Y) == pytest.approx(value)
        assert METRICS[name].weighted(losses, Y).mean() == pytest.approx(value)


def test_rows_count_by_their_weights() -> None:
    """As scikit-learn weights them: the error Σ w·wrong / Σ w, and the balanced error within each class."""
    rng = np.random.default_rng(0)
    y, said, weights = rng.integers(0, 3, 60), rng.integers(0, 3, 60), rng.lognormal(size=60)
    measured = Measured(0, 0, y != said, np.zeros(60))
    for name, accuracy in (("error", accuracy_score), ("balanced_error", balanced_accuracy_score)):
        metric, own = METRICS[name], relative(weights)
        value = metric.of(measured, y, own)
        assert value == pytest.approx(1 - accuracy(y, said, sample_weight=weights), abs=1e-9)
        halves = [Measured(0, 0, part, np.zeros(30)) for part in np.split(y != said, 2)]
        assert metric.value(DevLayout((30, 30), 60), halves, y, own) == pytest.approx(value)
        assert metric.weighted(measured.wrong * own, y, own).mean() == pytest.approx(value)
        in_errors = metric.row_weights(y, weights)
        assert (measured.wrong * in_errors).mean() == pytest.approx(value)
        assert metric.on_rows_of(metric).mean(measured.wrong * in_errors, y) == pytest.approx(value)
        assert pickle.loads(pickle.dumps(metric)) == metric
        assert METRICS["error"].on_rows_of(metric).is_shown_by(metric.on_rows_of(metric))
    assert effective_rows(np.array([1, 1, 2])) == pytest.approx(16 / 6)


def test_real_losses_are_averaged_over_networks() -> None:
    """Of folds over all rows, of seeds over each network's own mean."""
    surprise = Metric(name="surprise", label="surprise", worst=1e6, losses=cross_entropies)
    halves = [Measured(0, 0, np.zeros(2, dtype=bool), np.array(own)) for own in ([0.5, 1.5], [2.0, 4.0])]
    assert surprise.value(DevLayout((2, 2), 4), halves, Y) == 2
    assert surprise.value(DevLayout((2, 2), 2), halves, Y[:2]) == 2


CASES = {
    "counts-holdout": ("rare_error", ""),
    "counts-folds": ("rare_error", "folds = 3\n"),
    "losses-folds": ("surprise", "folds = 3\n"),
    "losses-seeds": ("surprise", "seeds = 2\n"),
}
"""Metric and lines of the study file."""
SCRIPT = """
import json, sys, numpy as np, tuner
from tuner.metrics import METRICS
from tuner.reporting.comparing import pair
for case in sys.argv[1:]:
    study = tuner.search(f"{case}.toml", references="none")
    report = study.report()
    record, metric = report.record, METRICS[report.record.metric.name]
    best = record.best
    losses = record.dev_layout(best).sets([network.dev_losses for network in best.networks])
    weights = record.dev_layout(best).split(metric.weighted(np.ones(len(record.dev_y)), record.dev_y))
    print(json.dumps({
        "value": best.value,
        "mean": float(np.mean([metric.mean(of, record.dev_y) for of in losses])),
        "at_best": [float(n.dev_fold_losses[n.best_epoch - 1].sum()) for n in best.networks],
        "sums": [float(n.dev_losses @ own) for n, own in zip(best.networks, weights)],
        "kinds": sorted({str(n.dev_losses.dtype) for n in best.networks}),
        "summary": report.summary["best"], "sentences": report.sentences,
        "repeated": study.train(ensemble=True).repetition.differences,
        "paired": pair(report, report) is not None,
        "kept": study.train(on="train+dev").errors["dev"]["value"],
    }))
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the package with two more entries in the one table finds, case by case."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(Path(tuner.__file__).parent, folder / "tuner")  # compiled as it is, but for the one table
    with (folder / "tuner" / "metrics.py").open("a", encoding="utf-8") as table:
        table.write(ADDED)
    (folder / "small.csv").write_text(small_table(), encoding="utf-8")
    for case, (name, layout) in CASES.items():
        text = SMALL_STUDY.replace('"small"', f'"{case}"').replace("[search]\n", f'[search]\nmetric = "{name}"\n')
        section = "[data]\n" if layout.startswith("folds") else "[training]\n"
        text = text.replace("[training]\n", f'[training]\nmonitor = "{name}"\n').replace(section, section + layout)
        (folder / f"{case}.toml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *CASES],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip(CASES, lines, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_new_metric_is_searched_stopped_by_and_reported(case: str, searched: dict[str, Any]) -> None:
    """Its value is the mean of the losses that are kept of each dev row; the report tells of it."""
    name, found = CASES[case][0], searched[case]
    assert found["value"] == pytest.approx(found["mean"], rel=1e-5)
    assert found["at_best"] == pytest.approx(found["sums"], rel=1e-5)
    assert found["kinds"] == ["float32"]
    assert found["summary"]["dev_error"] < 0.5
    assert found["kept"] == pytest.approx(found["summary"]["dev_error"])
    assert found["repeated"] == []
    assert found["paired"] == (name == "rare_error")
    if name == "rare_error":
        assert found["summary"]["rare_error"]["value"] == pytest.approx(found["value"])
        assert any("Every error here is the rare error" in sentence for sentence in found["sentences"])
