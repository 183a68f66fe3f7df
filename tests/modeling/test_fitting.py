"""``study.train``: the trial bit for bit, over seeds, on all rows, as an ensemble."""

from __future__ import annotations

import io
import logging
import re
import sqlite3
import statistics
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.conftest import small_table
from tests.modeling.conftest import mixed_rows
from tuner.errors import ArgumentError, DataError, UsageError
from tuner.modeling import evaluate, fitting
from tuner.modeling.fitting import stretched
from tuner.nn import Hyperparameters, TrainedNetwork, TrainingRun, train
from tuner.outcomes import StopReason
from tuner.storage import TrialRecord
from tuner.workspace import StudyRequest, load_study_data, read_record


def best(study: str) -> TrialRecord:
    """The best trial as it is recorded."""
    found = read_record(study).best
    assert found is not None
    return found


def test_the_best_trial_is_repeated_to_the_bit(place: Path) -> None:
    """The same dev rows are wrong, the errors are the recorded ones, and the same call makes the same file."""
    study = tuner.load_study("mixed")
    model = study.train()
    trial = best("mixed")
    assert model.repetition is not None
    assert model.repetition.is_exact
    assert model.metadata.trial == trial.number
    assert model.errors["dev"]["value"] == trial.networks[0].dev_wrong / trial.networks[0].n_dev
    assert model.errors["train"]["value"] == trial.networks[0].train_wrong / trial.networks[0].n_train
    assert {error["of"] for name, error in model.errors.items() if name != "dev_corrected"} == {"this model"}
    assert model.save("a.tuner").read_bytes() == study.train().save("b.tuner").read_bytes()


def test_what_takes_a_while_is_said_before(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Which trials are trained again, and how long they took; nothing of trials that took no time."""
    caplog.set_level(logging.INFO, "tuner.modeling")
    study = tuner.load_study("mixed")
    study.train(trial=1)
    assert not caplog.messages
    monkeypatch.setattr(fitting, "LONG", 0.0)
    study.train(trial=1, seeds=2)
    study.train(ensemble_of=2)
    one, several = caplog.messages
    assert re.fullmatch(r"training trial 1 again, which took \d\.\d s in the search, with 2 seeds", one)
    assert re.fullmatch(r"training trials \d+ and \d+ again, which together took \d\.\d s in the search", several)


def test_any_trial_can_be_had(place: Path) -> None:
    """By its number, or as the simplest tied trial; one that is not there is refused."""
    study = tuner.load_study("mixed")
    worst = max(read_record("mixed").trials, key=lambda trial: trial.value or 0)
    assert study.train(trial=worst.number).metadata.trial == worst.number
    tied = study.report().findings.simplest_tied
    assert tied is not None
    assert study.train(one_se=True).metadata.trial == tied.number
    with pytest.raises(UsageError, match="no trial 99; it has 0 to 3"):
        study.train(trial=99)
    with pytest.raises(ArgumentError, match="mutually exclusive"):
        study.train(trial=0, one_se=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE tuner_trials SET stop_reason = 'diverged' WHERE trial_id = 1", "trial 0 diverged"),
        ("UPDATE trials SET state = 'FAIL' WHERE number = 0", "trial 0 is failed; expected a complete"),
    ],
)
def test_a_trial_without_a_network_is_refused(place: Path, change: str, message: str) -> None:
    """A diverged or failed trial has nothing to train again."""
    with closing(sqlite3.connect(place / "studies" / "tuner.db")) as connection, connection:
        connection.execute(change)
    with pytest.raises(UsageError, match=message):
        tuner.load_study("mixed").train(trial=0)


def test_a_record_that_is_not_repeated_is_told(place: Path) -> None:
    """Where the stored bits differ (another machine or version), the model says so and carries what it counted now."""
    with closing(sqlite3.connect(place / "studies" / "tuner.db")) as connection, connection:
        connection.execute("UPDATE tuner_networks SET dev_cost = dev_cost + 1e-9")
    model = tuner.load_study("mixed").train()
    assert model.repetition is not None
    assert not model.repetition.is_exact
    assert "dev cost" in model.repetition.differences[0]
    assert model.metadata.repeated is False


def test_several_seeds_show_the_spread(place: Path) -> None:
    """The trial's own seed comes first, and is what is saved; an ensemble keeps all."""
    study = tuner.load_study("mixed")
    alone, seeds = study.train(), study.train(seeds=3)
    assert seeds.repetition is not None
    assert seeds.repetition.spread is not None
    assert len(seeds.repetition.dev_errors) == 3
    assert seeds.repetition.dev_errors[0] == best("mixed").value
    assert seeds.repetition.spread.value == pytest.approx(np.mean(seeds.repetition.dev_errors))
    assert np.array_equal(seeds.networks[0].theta, alone.networks[0].theta)
    ensemble = study.train(seeds=3, ensemble=True)
    rows = mixed_rows(40, seed=2)
    inputs = ensemble.encodings[0].transform(rows)
    each = [network.predict_proba(inputs) for network in ensemble.networks]
    np.testing.assert_allclose(ensemble.predict_proba(rows), np.mean(each, axis=0), atol=1e-6)
    assert len(ensemble.networks) == 3
    assert ensemble.metadata.kind == "ensemble"


def test_a_model_of_the_best_trial_carries_the_corrected_dev_error(place: Path) -> None:
    """The report's, whatever is made of the trial; another trial was not chosen, and has none."""
    study = tuner.load_study("mixed")
    corrected = study.report().summary["errors"]["dev_corrected"]
    for on in ("train", "train+dev"):
        found = study.train(on=on).errors["dev_corrected"]
        assert {name: found[name] for name in corrected} == corrected
        assert found["of"].startswith(f"trial {best('mixed').number},")
        assert found["of"].endswith("allowing for the choice of trial and epoch")
    other = next(trial.number for trial in read_record("mixed").trials if trial.number != best("mixed").number)
    assert "dev_corrected" not in study.train(trial=other).errors


def test_on_train_and_dev_the_updates_are_those_of_the_best_epoch(place: Path) -> None:
    """All rows outside the test set, no early stopping, and errors that say whose they are."""
    model = tuner.load_study("mixed").train(on="train+dev")
    trial, record = best("mixed"), read_record("mixed")
    assert model.metadata.updates == [trial.networks[0].updates]
    assert model.metadata.n_rows == record.sizes["train"] + record.sizes["dev"]
    assert model.metadata.kind == "final"
    assert model.errors["dev"]["of"] == f"trial {trial.number}"
    assert model.errors["train+dev"]["of"].startswith("this model")
    assert model.errors["train+dev"]["n"] == model.metadata.n_rows


def test_on_all_rows_there_is_no_test_error(place: Path) -> None:
    """The test rows are training examples, too, so that they cannot show what the network does on new ones."""
    study = tuner.load_study("mixed")
    model, record = study.train(on="all"), read_record("mixed")
    assert model.metadata.n_rows == record.sizes["train"] + record.sizes["dev"] + record.sizes["test"]
    assert "those of the test set included" in model.metadata.described()
    [judged] = evaluate(model, load_study_data(StudyRequest("mixed"))[1])
    assert (judged.name, judged.error.value) == ("all", model.errors["all"]["value"])
    with pytest.raises(UsageError, match="the test rows are training examples of this model"):
        evaluate(model, load_study_data(StudyRequest("mixed"))[1], test=True)


@pytest.mark.parametrize("how", [{"single": True}, {"on": "train+dev"}], ids=str)
def test_a_single_network_of_folds_is_fitted_afresh(place: Path, how: dict[str, Any]) -> None:
    """On all rows outside the test set, for the median number of updates at the folds' best epochs."""
    model = tuner.load_study("folded").train(**how)
    trial = best("folded")
    assert len(model.networks) == 1
    assert model.metadata.updates == [round(statistics.median(network.updates for network in trial.networks))]
    assert model.metadata.n_rows == read_record("folded").sizes["dev"]
    assert model.errors["dev"]["value"] == trial.value
    assert model.errors["dev"]["of"] == f"trial {trial.number} (3 folds)"


def test_a_refit_that_trained_badly_by_chance_is_dropped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many networks are trained as the trial has, and the one with the lowest train cost is kept; none diverged."""
    trained: list[TrainedNetwork] = []

    def recorded(*arguments: Any, **options: Any) -> TrainingRun:
        run = train(*arguments, **options)
        diverged = replace(run.networks[1], stop_reason=StopReason.DIVERGED, train_cost=0.0)
        trained.extend([run.networks[0], diverged, replace(run.networks[2], train_cost=1e-3)])
        return replace(run, networks=trained)

    monkeypatch.setattr("tuner.modeling.fitting.train", recorded)
    model = tuner.load_study("folded").train(single=True)
    assert len(trained) == 3
    assert not np.array_equal(trained[0].theta, trained[2].theta)
    assert np.array_equal(model.networks[0].theta, trained[2].theta)


def test_with_folds_the_model_is_the_ensemble_of_their_networks(place: Path) -> None:
    """Each with its own encoding; the dev errors say that they are of each network on rows it did not see."""
    study = tuner.load_study("folded")
    model = study.train()
    assert model.repetition is not None
    assert model.repetition.is_exact
    assert len(model.networks) == len(model.encodings) == 3
    assert model.errors["dev"]["value"] == best("folded").value
    for name in ("dev", "dev_corrected"):
        assert model.errors[name]["of"].startswith("the networks of the folds, each on rows it did not see")
        assert "their ensemble is usually somewhat better" in model.errors[name]["of"]
    rows = mixed_rows(40, seed=2)
    pairs = zip(model.networks, model.encodings, strict=True)
    each = [network.predict_proba(encoding.transform(rows)) for network, encoding in pairs]
    np.testing.assert_allclose(model.predict_proba(rows), np.mean(each, axis=0), atol=1e-6)
    again = study.train(ensemble=True)
    assert model.save("a.tuner").read_bytes() == again.save("b.tuner").read_bytes()
    with pytest.raises(UsageError, match="mutually exclusive"):
        study.train(ensemble=True, on="train+dev")
    with pytest.raises(UsageError, match="mutually exclusive"):
        study.train(ensemble=True, single=True)


def test_seeds_of_folds_repeat_the_whole_trial(place: Path) -> None:
    """The spread is that of the errors over all folds; the first is the trial's own, and its networks are kept."""
    study = tuner.load_study("folded")
    model = study.train(seeds=2)
    assert model.repetition is not None
    assert model.repetition.is_exact
    assert len(model.repetition.dev_errors) == 2
    assert model.repetition.dev_errors[0] == best("folded").value
    assert model.errors["dev"]["value"] == best("folded").value
    for network, alone in zip(model.networks, study.train().networks, strict=True):
        assert np.array_equal(network.theta, alone.theta)
    single = study.train(seeds=2, single=True)
    assert len(single.networks) == 1
    assert single.repetition is not None
    assert single.repetition.dev_errors == model.repetition.dev_errors


def test_the_model_of_a_study_with_seeds_is_the_ensemble_of_their_networks(place: Path) -> None:
    """Its dev error is measured directly, the corrected one is a mean over networks, and a single one is the first."""
    path = place / "studies" / "mixed.toml"
    text = path.read_text(encoding="utf-8").replace('name = "mixed"', 'name = "seeded"')
    path.with_name("seeded.toml").write_text(
        text.replace("max_epochs = 5", "max_epochs = 5\nseeds = 3"), encoding="utf-8"
    )
    study = tuner.search("seeded", trials=2)
    model = study.train()
    assert (model.metadata.kind, len(model.networks)) == ("ensemble", 3)
    assert model.repetition is not None
    assert model.repetition.is_exact
    dataset = load_study_data(StudyRequest("seeded"))[1]
    dev = {one.name: one for one in evaluate(model, dataset)}["dev"]
    assert model.errors["dev"]["value"] == dev.error.value
    assert model.errors["dev"]["of"] == "this model"
    assert model.errors["dev_corrected"]["of"].startswith("the networks of the seeds, on average (their ensemble is")
    single = study.train(single=True)
    assert len(single.networks) == 1
    assert np.array_equal(single.networks[0].theta, model.networks[0].theta)
    assert len(study.train(seeds=4).networks) == 3
    assert len(study.train(seeds=4, ensemble=True).networks) == 4


def test_other_data_are_refused(place: Path) -> None:
    """The file was edited since the search: no trial of it can be repeated."""
    mixed_rows(241).to_csv(place / "studies" / "mixed.csv", index=False)
    with pytest.raises(DataError, match="changed since study 'mixed' was searched"):
        tuner.load_study("mixed").train()


def test_an_edited_definition_does_not_change_the_trial(place: Path) -> None:
    """A trial belongs to the definition it was searched with, which the database keeps."""
    path = place / "studies" / "mixed.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("hidden = [6]", "hidden = [7]"), encoding="utf-8")
    model = tuner.load_study("mixed").train()
    assert model.repetition is not None
    assert model.repetition.is_exact


def test_a_study_of_a_data_frame_is_trained_where_its_rows_are(workplace: Path) -> None:
    """The Study that the search returned has them; one that was only loaded says where they are to be had."""
    frame = pd.read_csv(io.StringIO(small_table()))
    study = tuner.search(frame, target="kind", trials=1)
    model = study.train()
    assert set(model.predict(frame)) <= {"a", "b", "c"}
    assert model.score(frame, frame["kind"]) > 0.4
    with pytest.raises(UsageError, match="searched on data in memory"):
        tuner.load_study(study.name).train()


def test_a_study_of_arrays_takes_arrays(workplace: Path) -> None:
    """Classes come back as the numbers that they were, and rows by the order of their columns."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3 + 5
    X = rng.normal(size=(150, 2)) + np.eye(2)[np.clip(y - 5, 0, 1)] * 3
    model = tuner.search(X, target=y, trials=1).train()
    assert model.classes_.tolist() == [5, 6, 7]
    assert set(model.predict(X)) <= {5, 6, 7}
    assert model.score(X, y) == np.mean(model.predict(X) == y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, atol=1e-5)
    with pytest.raises(ArgumentError, match=r"X: expected shape \(n, 2\)"):
        model.predict(X[:, :1])
    with pytest.raises(ArgumentError, match="expected 150 labels, one per row of X, got 149"):
        model.score(X, y[1:])


def test_a_schedule_is_stretched_to_larger_epochs() -> None:
    """With twice the updates an epoch, everything counted in epochs takes half as many."""
    given = Hyperparameters(
        batch_size=32, schedule="exponential", decay_rate=0.1, warmup_epochs=4, decay_epochs=10, decay_start=2
    )
    found, epochs = stretched(given, 100, before=320, now=640, updates=200)
    assert (found.decay_rate, found.warmup_epochs, found.decay_epochs, epochs) == (0.2, 2, 5, 50)
    assert found.decay_start == 1
    plain = Hyperparameters(batch_size=32)
    assert stretched(plain, 100, before=320, now=640, updates=205) == (plain, 11)
