"""Trainers of the user's own: what is recorded of them, what is refused, and who may run them."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import DEADLINE, small_table
from tests.running.conftest import Start, command, is_training, rows, states, wait_for, with_reference_models
from tuner.errors import DefinitionError, SearchError, UsageError
from tuner.reporting import build_report
from tuner.running import SearchRequest, run_search
from tuner.running.service import run_service
from tuner.study import parse_definition
from tuner.trainers import OwnNetwork
from tuner.workspace import PreparedStudy, StudyRequest, open_study, read_record
from tuner.workspace.administration import enqueue, merge, submit

STUDY = """\
name = "own"
[data]
source = "small.csv"
target = "kind"
[network]
trainer = "{module}:fit"
[training]
max_epochs = 6
[space]
shrink = {{ uniform = [0.0, 0.5] }}
depth = {{ choice = [1, 2, 3] }}
lambda = {{ log_uniform = [1e-3, 1.0] }}
[search]
trials = 4
"""

NEAREST_MEAN = """\
import numpy as np

def fit(params, data, seed, report):
    means = np.stack([data.train.X[data.train.y == k].mean(axis=0) for k in range(data.n_classes)])
    means = (1 - params["shrink"]) * means
    def labels(table):
        return ((table.X[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    train, dev = labels(data.train), labels(data.dev)
    for epoch in range(1, report.max_epochs + 1):
        report(epoch, (train != data.train.y).mean(), (dev != data.dev.y).mean())
    return train, dev
"""

FIRST_EXITS = """\
    import os
    if not os.path.exists("begun"):
        open("begun", "x").close()
        os._exit(0)
"""

Make = Callable[..., Path]


@pytest.fixture
def make(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Write ``studies/own.toml``, its data, and its trainer as a module of a name of its own."""
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    folder = workplace / "studies"
    folder.mkdir()
    (folder / "small.csv").write_text(small_table(), encoding="utf-8")
    made = 0

    def write(body: str = NEAREST_MEAN, changes: dict[str, str] | None = None) -> Path:
        nonlocal made
        made += 1
        module = f"own_trainer_{workplace.name.replace('-', '_')}_{made}"
        (folder / f"{module}.py").write_text(body, encoding="utf-8")
        text = STUDY.format(module=module)
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        (folder / "own.toml").write_text(text, encoding="utf-8")
        return folder / "tuner.db"

    return write


def opened(study: str = "own", *allowed: str, **request: Any) -> PreparedStudy:
    """A study ready to be searched by who named these trainers."""
    return with_reference_models(open_study(StudyRequest(study, allow_trainers=allowed, **request)))


def run_own(study: str = "own", **request: Any) -> Any:
    """Search a study with a trainer."""
    return run_search(opened(study), SearchRequest(**request))


def failure(make: Make, body: str) -> str:
    """Why the trials of such a trainer fail."""
    make(f"import numpy as np\ndef fit(params, data, seed, report):\n    {body}\n")
    with pytest.raises(SearchError, match="3 trials in a row failed") as error:
        run_own()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_trainer_is_searched_like_our_network(make: Make) -> None:
    """Errors, dev bits and epochs are recorded under free names, costs are NULL, and the report has all its parts."""
    database = make()
    assert run_own().run.complete + run_own().run.complete == 4
    record = read_record("own")
    for trial in record.trials:
        (network,) = trial.networks
        assert set(trial.params) == {"lambda", "shrink", "depth"}
        assert (trial.value, network.n_train, network.n_dev) == (network.dev_wrong / 30, 90, 30)
        assert network.dev_losses.sum() == network.dev_wrong
        assert network.curve["dev_error"].tolist() == [trial.value] * 6
        assert math.isnan(network.dev_cost)
        assert len(network.dev_fold_losses) == 0
    assert rows(database, "SELECT count(*) FROM tuner_epochs WHERE train_cost IS NULL AND dev_cost IS NULL") == [(24,)]
    report = build_report(record)
    assert report.trials[["shrink", "depth"]].notna().all().all()
    assert report.trials["dev_cost"].isna().all()
    assert any("not seen here" in note for note in report.notes)


def test_a_learning_curve_of_a_trainer_is_advised(make: Make) -> None:
    """Where variance is high; the function trains on subsets as it does on all rows."""
    make()
    run_own()
    record = read_record("own")
    spread = [dataclasses.replace(trial.networks[0], train_wrong=0) for trial in record.trials]
    for trial, network in zip(record.trials, spread, strict=True):
        trial.networks[:] = [network]
    first = build_report(record, material_gap=0.0001).actions[0]
    assert (first.action, first.command) == ("more_data", "tuner learning-curve own")


def test_the_report_of_a_trainer_is_written(make: Make, workplace: Path) -> None:
    """All five files, with empty cells and valid JSON where a cost would stand."""
    make()
    run_own(total=12)
    status, out, _ = command("report", "own", "--json")
    assert status == 0
    assert json.loads(out)["best"]["params"].keys() == {"lambda", "shrink", "depth"}
    folder = workplace / "reports" / "own"
    assert "nan" not in (folder / "epochs.csv").read_text(encoding="utf-8").lower()
    assert ">shrink<" in (folder / "report.html").read_text(encoding="utf-8")
    assert "choice of trial and epoch" not in (folder / "report.md").read_text(encoding="utf-8")


def test_a_trainer_is_called_once_a_fold_and_once_a_seed(make: Make) -> None:
    """With folds every row is dev once; with seeds each call has another seed and the same rows."""
    make(changes={'target = "kind"': 'target = "kind"\nfolds = 5'})
    run_own()
    record = read_record("own")
    assert all(sum(n.n_dev for n in trial.networks) == len(record.dev_y) == 120 for trial in record.trials)
    body = (
        "def fit(params, data, seed, report):\n"
        "    print('seed', seed)\n"
        "    return data.train.y, (data.dev.y + seed % 2) % 3\n"
    )
    make(body, {'"own"': '"seeds"', "max_epochs = 6": "max_epochs = 6\nseeds = 8"})
    run_own("studies/own.toml")
    trial = read_record("studies/own.toml").trials[0]
    assert len(trial.networks) == 8
    assert {network.dev_wrong for network in trial.networks} == {0, 30}


def test_hopeless_trials_are_pruned(make: Make) -> None:
    """``report`` raises at a rung; what was reported until then is the pruned trial's record."""
    body = (
        "def fit(params, data, seed, report):\n"
        "    error = 0.1 + 0.8 * params['shrink']\n"
        "    try:\n"
        "        for epoch in range(1, 26):\n"
        "            report(epoch, error, error)\n"
        "    except Exception:\n"
        "        pass\n"
        "    wrong = round(30 * error)\n"
        "    dev = data.dev.y.copy()\n"
        "    dev[:wrong] = (dev[:wrong] + 1) % 3\n"
        "    return data.train.y, dev\n"
    )
    make(body, {"max_epochs = 6": "max_epochs = 30", "trials = 4": "trials = 40\nexplore = 0.0\nsampler = 'random'"})
    result = run_own()
    assert result.run.pruned > 0
    assert result.run.complete + result.run.pruned == 40
    record = read_record("own")
    pruned = [trial for trial in record.trials if trial.state == "pruned"]
    assert all(0 < (trial.epochs or 0) < 25 and len(trial.networks[0].dev_losses) == 0 for trial in pruned)
    assert min(trial.value for trial in pruned if trial.value) >= min(t.value for t in record.trials if t.value)
    page = build_report(record).write("reports") / "report.html"
    assert "ended by the trainer" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return None", "returned NoneType, expected predictions of train, dev, as a tuple of 2 arrays of labels or"),
        ("return data.train.y", "returned ndarray, expected"),
        ("return data.train.y, data.dev.y, 1", "returned 3 things, expected"),
        ("return data.train.y, data.dev.y[1:]", r"dev labels of shape (29,), expected (30,) class indices from 0 to 2"),
        ("return data.train.y, 2 * np.eye(3)[data.dev.y]", "returned dev probabilities that sum to 2 at row 0"),
        ("return data.train.y, np.full(30, 3)", "returned dev labels with 3 at row 0"),
        ("return data.train.y, np.full(30, np.nan)", "returned dev labels with nan at row 0"),
        ("return data.train.y * 0.5, data.dev.y", "returned train labels with 0.5 at row"),
        ("return data.train.y, np.array(list('abc') * 10)", "dev labels like 'a', expected"),
        ("report(0, 0.1, 0.1)", "reported epoch 0, expected 1: epochs count from 1"),
        ("report(1, 0.1, 12.5)", "reported a dev error of 12.5 in epoch 1, expected the share that is wrong"),
        ("report(1, float('nan'), 0.5)", "reported a train error of nan"),
        ("raise KeyError('dropout')", "raised KeyError: 'dropout' ("),
        ("data.train.X[0] = 0", "raised ValueError: assignment destination is read-only"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
    ],
)
def test_what_a_trainer_does_wrong_is_told_in_one_line(make: Make, body: str, expected: str) -> None:
    """The trial fails with the function, what was found and what was expected; three in a row end the worker."""
    told = failure(make, body)
    assert ":fit " in told
    assert expected in told
    assert [trial.state for trial in read_record("own").trials] == ["failed"] * 3


def test_a_train_dev_set_is_answered_too(make: Make, workplace: Path) -> None:
    """Where dev rows have a file of their own, a third array of labels is expected, and data mismatch is measured."""
    (workplace / "studies" / "dev.csv").write_text(small_table(60), encoding="utf-8")
    changes = {
        'target = "kind"': 'target = "kind"\ndev = "dev.csv"',
        "trials = 4": 'trials = 2\nmetric = "balanced_error"',
    }
    make("def fit(params, data, seed, report):\n    return data.train.y, data.dev.y, data.train_dev.y * 0\n", changes)
    run_own()
    report = build_report(read_record("own"))
    train_dev = report.diagnosis.errors["train_dev"]
    assert train_dev is not None
    assert train_dev.value == pytest.approx(2 / 3)
    assert report.best is not None
    assert report.best.value == 0
    make("def fit(params, data, seed, report):\n    return data.train.y, data.dev.y\n", changes)
    with pytest.raises(SearchError, match="returned 2 things, expected predictions of train, dev, train_dev"):
        run_search(opened(name="another"), SearchRequest())


def test_labels_may_be_floats_or_lists(make: Make) -> None:
    """Integers are taken in any form that becomes an array."""
    make("def fit(params, data, seed, report):\n    return data.train.y.tolist(), data.dev.y.astype(float)\n")
    assert run_own().progress.best.dev_error == 0


def test_a_trainer_that_takes_too_long_fails(make: Make) -> None:
    """``trial_timeout`` ends one that never reports, at whatever it does in Python."""
    body = "import time\ndef fit(params, data, seed, report):\n    while True:\n        time.sleep(0.01)\n"
    make(body, {"trials = 4": "trials = 4\ntrial_timeout = 0.3"})
    with pytest.raises(SearchError, match=r"wall limit: longer than trial_timeout = 0.3 s"):
        run_own()


def test_ctrl_c_ends_a_trainer_that_never_reports(make: Make, start: Start) -> None:
    """SIGINT puts the trial back, exit status 130; what the trainer prints does not disturb --json."""
    body = "import time\ndef fit(params, data, seed, report):\n    print('noise')\n    time.sleep(0.5)\n" + " " * 4
    database = make(body + "while True:\n        time.sleep(0.01)\n")
    process = start("search", "own", "--references", "none", "--json")
    assert process.stderr is not None
    wait_for(lambda: process.stderr.readline() == "trial 0: noise\n")  # type: ignore[union-attr]
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, errors
    assert json.loads(out)["run"]["complete"] == 0
    assert states(database) == [(0, "WAITING")]


def test_a_signal_to_all_processes_loses_no_trial(make: Make, start: Start) -> None:
    """As a service manager stops them: the search, its workers, and the trainers' processes, at once."""
    database = make("import time\ndef fit(params, data, seed, report):\n    print('begun')\n    time.sleep(1000)\n")
    process = start("search", "own", "--references", "none", "--workers", 2)
    wait_for(lambda: is_training(database, 2))
    assert process.stderr is not None
    for _ in range(2):
        wait_for(lambda: "begun" in process.stderr.readline())  # type: ignore[union-attr]
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:
        one.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143, errors
    assert rows(database, "SELECT reason FROM tuner_claims") == [("re-queued",)] * 2
    assert states(database) == [(0, "WAITING"), (1, "WAITING")]


def test_the_database_alone_runs_no_code(make: Make, workplace: Path) -> None:
    """Without the TOML file a search is refused and says what to type; naming another trainer does not help."""
    make(NEAREST_MEAN + "open('ran', 'w').close()\n")
    submit(StudyRequest("own"), None)
    (workplace / "studies" / "own.toml").rename(workplace / "own.toml")
    assert not (workplace / "ran").exists()
    refused = r"custom trainer, own_trainer_\w+:fit, that only the database names.*--allow-trainer own_trainer_\w+:fit"
    for allowed in ((), ("os:system",)):
        with pytest.raises(UsageError, match=refused):
            opened("own", *allowed)
    status, _, errors = command("check", "own")
    assert status == 2
    assert "--allow-trainer" in errors
    assert not (workplace / "ran").exists()


def test_a_trainer_that_was_named_is_run_from_the_database(make: Make, workplace: Path) -> None:
    """It is looked for where Python looks and in the current folder, not in a folder that the database names."""
    make()
    submit(StudyRequest("own"), None)
    studies = workplace / "studies"
    (studies / "own.toml").unlink()
    (module,) = studies.glob("own_trainer_*.py")
    name = f"{module.stem}:fit"
    with pytest.raises(UsageError, match=f"no module '{module.stem}' is installed or in"):
        opened("own", name)
    module.rename(workplace / module.name)
    assert run_search(opened("own", name), SearchRequest()).run.complete == 4


def test_a_worker_leaves_trainers_it_was_not_allowed(make: Make, workplace: Path) -> None:
    """It drains the rest, saying so; one that was allowed runs them."""
    make()
    submit(StudyRequest("own"), None)
    (module,) = (workplace / "studies").glob("own_trainer_*.py")
    heard: list[str] = []
    with pytest.raises(SearchError, match=r"no open study can be run here; own: .*--allow-trainer"):
        run_service(None, forever=False, on_event=lambda event: heard.append(event.text))
    text = (workplace / "studies" / "own.toml").read_text(encoding="utf-8")
    text = text.replace(f'trainer = "{module.stem}:fit"', "hidden = [4]").replace('"own"', '"ours"')
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("shrink", "depth")))
    (workplace / "studies" / "ours.toml").write_text(text, encoding="utf-8")
    submit(StudyRequest("ours"), None)
    heard.clear()
    assert run_service(None, forever=False, on_event=lambda event: heard.append(event.text)).served == {"ours": 4}
    assert any(line.startswith("study own cannot be run here") for line in heard)
    module.rename(workplace / module.name)
    name = f"{module.stem}:fit"
    assert run_service(
        None, forever=False, on_event=lambda event: heard.append(event.text), allow_trainers=(name,)
    ).served == {"own": 4}


def test_merging_and_warm_start_run_nothing(make: Make, workplace: Path) -> None:
    """A study that came by ``merge`` needs the permission too; ``--from`` takes trials, not the trainer."""
    make()
    run_own()
    (workplace / "studies" / "tuner.db").rename(workplace / "other.db")
    (workplace / "studies" / "own.toml").rename(workplace / "away.toml")
    merge("other.db", None)
    with pytest.raises(UsageError, match="--allow-trainer"):
        opened("own")
    text = (workplace / "away.toml").read_text(encoding="utf-8").replace("shrink = { uniform = [0.0, 0.5] }", "")
    lines = [line for line in text.splitlines() if not line.startswith(("trainer", "depth"))]
    (workplace / "studies" / "ours.toml").write_text("\n".join(lines).replace('"own"', '"ours"'), encoding="utf-8")
    study = opened("ours", from_study="own")
    assert isinstance(study.trainer, OwnNetwork)
    assert run_search(study, SearchRequest(trials=1)).run.complete == 1


def test_a_module_that_cannot_be_imported_is_refused_before_anything_is_made(make: Make, workplace: Path) -> None:
    """Its own error, a missing function, a missing module: one line each, and no database."""
    for body, expected in (
        ("import no_such_library", "no module 'no_such_library'"),
        ("1 / 0", "failed with ZeroDivisionError: division by zero"),
        ("def fti(): pass", r"no function 'fit' in .*did you mean 'fti'"),
        (
            "def fit(params, data): pass",
            r"a function of \(params, data, seed, report\), got \(params, data\)",
        ),
    ):
        database = make(body)
        with pytest.raises(UsageError, match=expected):
            opened()
        assert not database.exists()


def test_check_runs_a_trainer_for_a_moment(make: Make) -> None:
    """The trainer is ended after two epochs; one that never reports runs once, and its labels are checked."""
    make()
    status, out, _ = command("check", "own")
    assert status == 0
    assert "own_trainer_" in out
    assert "one epoch in" in out
    make("def fit(params, data, seed, report):\n    return data.train.y, data.dev.y\n")
    assert "its predictions are as they should be" in command("check", "own")[1]
    make("def fit(params, data, seed, report):\n    return 1\n")
    status, _, errors = command("check", "own")
    assert (status, errors.count("\n")) == (2, 1)
    assert "returned int, expected" in errors
    assert command("gradcheck", "own")[0] == 2


def test_enqueue_knows_the_names_of_the_study(make: Make) -> None:
    """A trial can be picked by hand; a name that the definition does not have is refused."""
    make()
    enqueue(StudyRequest("own"), {"shrink": 0.25, "depth": 2})
    with pytest.raises(UsageError, match=r"unknown hyperparameter 'shrnk'; did you mean 'shrink'"):
        enqueue(StudyRequest("own"), {"shrnk": 0.25})
    with pytest.raises(UsageError, match="depth = 9 is outside"):
        enqueue(StudyRequest("own"), {"depth": 9})
    run_own(trials=1)
    assert read_record("own").trials[0].params["shrink"] == 0.25


def test_a_trainer_serves_several_processes(make: Make) -> None:
    """A trial whose trainer ends its process has failed; the others go on, and the budget is exact."""
    file = make(
        NEAREST_MEAN.replace("(params, data, seed, report):\n", "(params, data, seed, report):\n" + FIRST_EXITS)
    )
    result = run_own(workers=2, total=8)
    assert (result.run.complete, result.run.failed) == (8, 1)
    (reason,) = rows(file, "SELECT reason FROM tuner_claims WHERE reason IS NOT NULL")[0]
    assert reason.startswith("crashed: trainer own_trainer_")
    assert reason.endswith("ended its process with exit status 0, expected it to return")
    assert f"failed: 1 × {reason}" in result.lines()
    assert result.to_dict()["failures"] == [{"reason": reason, "trials": [result.failures[0].trials[0]]}]
    status, out, _ = command("trials", "own")
    assert (status, out.splitlines()[-1].startswith(f"failed: 1 × {reason[:40]}")) == (0, True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"shrink": "epochs"},
            "space.epochs: every trial records something under this name; choose another, like n_epochs",
        ),
        ({"shrink": '"to shrink"'}, "expected a name of letters, digits and '_'"),
        ({"trainer = ": "hidden = [4]\ntrainer = "}, "network.hidden: has no effect with a custom trainer"),
        ({"max_epochs = 6": "patience = 6"}, "training.patience: has no effect with a custom trainer"),
        ({":fit": ".fit"}, r"network.trainer: expected package.module:function, got"),
        ({"depth = { choice": "log2_shrink = 1\nsrhink = { choise"}, "unknown key 'space.srhink.choise'"),
        ({"[search]": '[search]\nmetric = "cost"'}, "search.metric: expected error or balanced_error"),
        ({"lambda = { log_uniform = [1e-3, 1.0] }": "lambda = -1"}, "space.lambda: expected a number ≥ 0, got -1"),
    ],
)
def test_a_definition_says_only_what_its_trainer_sees(change: dict[str, str], expected: str) -> None:
    """Names are free, our own keep their bounds, and what would have no effect is refused."""
    text = STUDY.format(module="somebody")
    for old, new in change.items():
        text = text.replace(old, new, 1)
    with pytest.raises(DefinitionError) as error:
        parse_definition(text, "own.toml")
    assert expected in str(error.value)


def test_names_are_strict_without_a_trainer() -> None:
    """A free name is a misspelt one where our own network is searched."""
    text = STUDY.format(module="somebody").replace('trainer = "somebody:fit"', "").replace("shrink", "lambd")
    with pytest.raises(DefinitionError, match=r"unknown key 'lambd'; did you mean 'lambda'"):
        parse_definition(text, "own.toml")


def test_our_network_is_never_trained_in_a_trainers_place(make: Make) -> None:
    """A task whose trainer was not permitted cannot be made."""
    make()
    study = open_study(StudyRequest("own"))
    with pytest.raises(UsageError, match="expected one that was permitted"):
        run_search(study, SearchRequest())


def test_an_array_of_the_data_is_what_the_network_would_see(make: Make) -> None:
    """X is float32 and normalized, y holds class indices, rows the places in the file."""
    body = (
        "import numpy as np\n"
        "def fit(params, data, seed, report):\n"
        "    assert data.train.X.dtype == np.float32 and abs(data.train.X.mean()) < 1e-3\n"
        "    assert data.class_names == ('a', 'b', 'c') and data.feature_names == ('width', 'height')\n"
        "    assert data.train_dev is None and (data.train.y == data.train.rows % 3).all()\n"
        "    return data.train.y, data.dev.y\n"
    )
    make(body)
    assert run_own().progress.best.dev_error == 0
