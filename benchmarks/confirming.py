"""Does it pay to train the best trials again: the true error beside that of as many trainings spent on more trials.

    python -m benchmarks.confirming split | folds [--seeds 12] [--rows 300] [--records FILE]

Four made tables of ``--rows`` rows, searched with 12 trials; the five best, if they are statistically tied, are trained
again with another seed, and with another seed and another split.  The truth is the error of the delivered model (one
network, or five of folds) on up to 5,000 other rows, with 12, 17 and 22 trials, and with the choice among the five by
their value and by each kind of training, or both.  A record per search is kept in ``--records``; searches that it holds
are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os

for library in ("OPENBLAS", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np

import tuner
from benchmarks.made_tables import MADE
from benchmarks.tables import changed, draw, true_error
from tuner.workspace import make_definition_file

TABLES = ("circles", "clusters", "hastie", "moons noise")
TRIALS, AGAIN = 12, 5
SHORT = {"training": {"max_epochs": 100, "patience": 15}}
OWN, SEED, SPLIT = 0, 1, 2
"""Values of a trial: of the search, with another seed, with another split, too."""
CHOICES = {"seed": (OWN, SEED), "split": (OWN, SPLIT), "both": (OWN, SEED, SPLIT)}


def lowest(study: tuner.Study) -> int:
    """Return the number of the trial with the lowest value, trained again or not."""
    frame = study.trials()
    complete = frame[(frame["state"] == "complete") & (frame["stop_reason"] != "diverged")]
    return int(complete.sort_values(["value", "number"])["number"].iloc[0])


def measure(name: str, seed: int, rows: int, *, folds: bool) -> dict[str, float]:
    """Search one draw of a table in an empty folder; return the true error of each way to spend the trainings."""
    X, y, X_true, y_true = draw(MADE[name], False, rows, seed)
    X.assign(target_=y).to_csv("table.csv", index=False)
    file, _ = make_definition_file(Path("table.csv"), "target_", {"task": "classification"})
    document = changed(file.read_text("utf-8"), {**SHORT, "search": {"seed": seed}})
    data = {key: of for key, of in document.pop("data").items() if key not in ("source", "target")}
    data |= {"seed": seed, "folds": data.get("folds") if folds else None}

    def search(trials: int, confirm: int = 0) -> tuner.Study:
        return tuner.search(
            X.assign(target_=y),
            target="target_",
            definition={**document, "data": {key: of for key, of in data.items() if of is not None}},
            references="none",
            progress=False,
            total=trials,
            confirm=confirm,
        )

    def truth(study: tuner.Study, number: int | None = None) -> float:
        return true_error("error", y_true, study.train(trial=number).predict(X_true))

    study = search(TRIALS)
    found = {"12 trials": truth(study, lowest(study))}
    confirmed = search(TRIALS, AGAIN).report().summary.get("confirmation")
    again = {} if confirmed is None else {trial["number"]: trial for trial in confirmed["trials"]}
    true_errors = {number: truth(study, number) for number in again}
    for choice, which in CHOICES.items():
        means = {
            number: np.mean([(trial["value"], *(each["value"] for each in trial["again"]))[k] for k in which])
            for number, trial in again.items()
        }
        found[choice] = true_errors[min(means, key=means.__getitem__)] if means else found["12 trials"]
    for more in (AGAIN, 2 * AGAIN):
        study = search(TRIALS + more)
        found[f"{TRIALS + more} trials"] = truth(study, lowest(study))
    return found


def main() -> None:
    """Measure what the records lack, and print each way beside the search of 12 trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=("split", "folds"))
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--records", type=Path, default=Path("confirming.jsonl"))
    asked = parser.parse_args()
    file = asked.records.resolve()
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    records = {tuple(key): found for key, found in map(json.loads, lines)}
    chosen = []
    for seed in range(asked.seeds):
        for name in TABLES:
            key = (asked.way, name, seed, asked.rows)
            if key not in records:
                with tempfile.TemporaryDirectory() as folder, chdir(folder):
                    os.environ["TUNER_CACHE"] = folder
                    records[key] = measure(name, seed, asked.rows, folds=asked.way == "folds")
                with file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps([key, records[key]]) + "\n")
            chosen.append(records[key])
    first = np.array([each["12 trials"] for each in chosen])
    for way in chosen[0]:
        errors = np.array([each[way] for each in chosen])
        more = errors - first
        error = more.std(ddof=1) / np.sqrt(len(more)) if len(more) > 1 else np.nan
        print(f"{way:10} {errors.mean():.2%}, {100 * more.mean():+.2f} ± {100 * error:.2f} pp")


if __name__ == "__main__":
    main()
