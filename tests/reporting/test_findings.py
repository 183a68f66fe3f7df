"""From a stored study to arrays for the analysis."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from tests.reporting.building import make_evaluation, make_study
from tuner.metrics import BALANCED_ERROR
from tuner.reporting import build_report
from tuner.reporting.competition import dev_losses
from tuner.reporting.figures.importance import importance
from tuner.reporting.findings import n_parameters
from tuner.storage import Begun, StudyRecord, pack_losses
from tuner.study import parse_definition

SIMPLE = {"beat_majority", "compare_gradient_boosting", "compare_logistic_regression"}


def test_with_folds_the_bits_are_laid_end_to_end() -> None:
    """Each network judged its own stretch of the dev rows."""
    record = make_study(3, folds=4)
    wrong = dev_losses(record, record.trials[0])
    assert wrong.shape == (1000,)
    assert wrong.sum() == sum(network.dev_wrong for network in record.trials[0].networks)


def test_with_seeds_a_dev_example_is_wrong_in_shares() -> None:
    """Each network judged every dev row."""
    record = make_study(3, seeds=4)
    wrong = dev_losses(record, record.trials[0])
    assert wrong.shape == (400,)
    assert set(np.unique(wrong)) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    report = build_report(record)
    assert report.findings.seeds is not None
    assert any("over 4 seeds" in note for note in report.notes)


def test_the_corrected_error_allows_for_the_choice() -> None:
    """Picking the best of many on the same dev rows is optimistic."""
    errors = build_report(make_study(60)).summary["errors"]
    assert errors["dev_corrected"]["value"] > errors["dev"]["value"]


def test_the_same_study_gives_the_same_report() -> None:
    """The random splits of the correction descend from the study's seed."""
    record = make_study(30)
    assert build_report(record).summary == build_report(record).summary


def test_a_test_set_evaluation_is_reported() -> None:
    """Its error and the overfitting to dev are shown; a second evaluation gets a note."""
    record = make_study(30)
    best = build_report(record).best
    assert best is not None
    assert build_report(record).summary["errors"]["test"] is None
    look = make_evaluation(best.number)
    opened = build_report(dataclasses.replace(record, test_evaluations=[look]))
    assert opened.summary["errors"]["test"]["value"] == pytest.approx(0.075)
    assert "dev_overfit" in opened.summary["gaps"]
    assert "evaluated once" in opened.text()
    twice = build_report(dataclasses.replace(record, test_evaluations=[look, look]))
    assert any("evaluated twice" in note for note in twice.notes)


def test_another_trials_evaluation_is_not_the_best_trials_test_error() -> None:
    """The test error of the simplest tied trial says nothing about the best trial's gap."""
    look = make_evaluation(999)
    report = build_report(dataclasses.replace(make_study(30), test_evaluations=[look]))
    assert report.summary["errors"]["test"] is None
    assert any("Test error of the model of trial 999: 7.5%" in note for note in report.notes)
    assert "evaluated once, with another trial's model" in " ".join(report.text().split())
    assert "held out" not in report.text()


def test_reference_models_come_from_the_studys_facts() -> None:
    """Logistic regression is fitted once per study; the majority class is known without a fit."""
    plain = build_report(make_study(3)).summary["errors"]
    assert 0.5 < plain["majority"]["value"] < 0.75
    assert plain["logistic_regression"] is None
    facts = {"references": {"majority": 0.7, "logistic_regression": 0.09}}
    given = build_report(make_study(3, facts=facts)).summary["errors"]
    assert given["majority"] == {"value": 0.7}
    assert given["logistic_regression"] == {"value": 0.09}


def test_groups_count_for_less() -> None:
    """Rows that are wrong together are fewer independent ones."""
    record = make_study(12)
    grouped = dataclasses.replace(record, dev_groups=np.repeat(np.arange(40), 10))
    report = build_report(grouped)
    assert any("come in groups" in note for note in report.notes)
    plain, wide = (build_report(r).summary["errors"]["dev"] for r in (record, grouped))
    assert wide["high"] - wide["low"] >= plain["high"] - plain["low"]


def test_an_unfinished_study_says_so() -> None:
    """Trials that run and a budget that is not used up."""
    record = make_study(12)
    running = dataclasses.replace(record.trials[3], state="running", networks=[], value=None, finished=None)
    trials = [*record.trials[:3], running, *record.trials[4:]]
    report = build_report(dataclasses.replace(record, trials=trials, budget=100))
    assert report.notes[0] == "The search is not finished: 11 of 100 trials done, 1 running."


def test_importance_prefers_trials_drawn_at_random() -> None:
    """With enough of them the sampler's own choices are left out."""
    record = make_study(60)
    few = build_report(record).importances
    assert few is not None
    assert not few.of_the_space
    trials = [dataclasses.replace(trial, exploring=trial.number < 30) for trial in record.trials]
    many = build_report(dataclasses.replace(record, trials=trials)).importances
    assert many is not None
    assert many.of_the_space
    assert many.trials < 30
    assert sum(many.shares.values()) == pytest.approx(1)


def test_a_share_that_may_be_chance_is_said_to_be() -> None:
    """Twenty-five exploring trials whose value depends on alpha alone: it comes first, and no other is certain."""
    certain, first = [], []
    for seed in range(10):
        record = make_study(25, seed=seed)
        for place, trial in enumerate(record.trials):
            value = abs(np.log10(trial.params["alpha"]) + 1) / 10
            record.trials[place] = dataclasses.replace(trial, value=value, state="complete", exploring=True)
        report = build_report(record)
        importances = report.importances
        assert importances is not None
        certain.append("alpha" in importances.certain)
        first.append(next(iter(importances.shares)) == "alpha")
        figure = importance(report)
        assert figure is not None
        assert "alpha certainly matters" in figure.sentence or importances.certain != {"alpha"}
        assert ("faint" in figure.svg) is (len(importances.certain) < len(importances.shares))
    assert sum(certain) >= 9
    assert sum(first) >= 9


def test_without_an_effect_no_hyperparameter_is_said_to_matter() -> None:
    """Values that depend on nothing."""
    record = make_study(25)
    values = np.random.default_rng(0).random(25)
    record.trials[:] = [
        dataclasses.replace(trial, value=value, state="complete", exploring=True)
        for trial, value in zip(record.trials, values, strict=True)
    ]
    figure = importance(build_report(record))
    assert figure is not None
    assert "No hyperparameter certainly matters" in figure.sentence


def test_lambda_raises_bias_and_lowers_variance() -> None:
    """The made studies are built so; the page's own figure must show it."""
    effects = build_report(make_study(80, n_dev=2000, bias=0.05, variance=0.1)).effects
    assert effects is not None
    row = next(effect for effect in effects.effects if effect.hyperparameter == "lambda")
    assert row.train.value > 0
    assert row.gap.value < 0


def test_trials_outside_the_searched_ranges_are_left_out_of_the_hyperparameters() -> None:
    """Hand-picked trials, or ones from before ``--allow-changed``, have values that the ranges do not hold."""
    record = make_study(40)
    strange = dataclasses.replace(record.trials[5], params={**record.trials[5].params, "initializer": "zeros"})
    record.trials[5] = strange
    report = build_report(record)
    assert report.effects is not None
    assert report.effects.trials == len(report.findings.judged) - 1
    assert report.importances is not None


def rare_class_study() -> StudyRecord:
    """Three trials chosen by the balanced error: two find the rare class, the most regularized one never does."""
    record = make_study(3, metric="balanced_error", n_dev=400, class_names=("common", "rare"))
    y = (np.arange(400) < 20).astype(int)
    rows = np.arange(400)
    wrongs = [(rows < 6) | (rows >= 370), ((rows > 1) & (rows < 9)) | (rows >= 370), y == 1]
    trials = [
        dataclasses.replace(
            trial,
            value=float(BALANCED_ERROR.weighted(wrong, y).mean()),
            params=trial.params | {"lambda": 10.0**place, "keep_prob": 0.9 - place / 10},
            networks=[dataclasses.replace(trial.networks[0], dev_bits=pack_losses(wrong), dev_wrong=int(wrong.sum()))],
        )
        for place, (trial, wrong) in enumerate(zip(record.trials, wrongs, strict=True))
    ]
    return dataclasses.replace(record, dev_y=y, trials=trials)


def test_a_search_for_the_balanced_error_is_reported_by_it() -> None:
    """Always predicting the majority class has the lowest plain error here, and is neither best nor simplest tied."""
    report = build_report(rare_class_study())
    assert report.best is not None
    assert report.best.number == 0
    found = report.summary["best"]["balanced_error"]
    assert found["value"] == pytest.approx(report.best.value)
    assert found["low"] < found["value"] < found["high"]
    corrected = report.summary["best"]["balanced_error_corrected"]
    assert corrected["low"] < corrected["value"] < corrected["high"]
    assert corrected["value"] > found["value"]
    assert f"Selection-corrected: {100 * corrected['value']:.1f}%" in " ".join(report.text().split())
    assert any("but not the epochs" in note for note in report.notes)
    assert "minimized the balanced error" in report.text()
    assert "always predicting one class gives 50.0%" in " ".join(report.text().split())
    assert report.findings.simplest_tied is not None
    assert report.findings.simplest_tied.number == 1
    assert any(f"balanced error {100 * report.findings.simplest_tied.value:.1f}%" in note for note in report.notes)
    assert report.findings.tied_with_best == (0, 1)


def test_the_balanced_error_allows_for_its_epochs_where_it_stopped_by_it() -> None:
    """Of 30 epochs whose balanced errors differ by chance the best was chosen; the plain sums of 0.2 do not show it."""
    rng = np.random.default_rng(5)
    record = rare_class_study()
    weights = BALANCED_ERROR.weighted(np.ones(400), record.dev_y)
    trials, before = [], []
    for trial in record.trials:
        epochs = rng.random((30, 400)) < 0.3
        sums, plain = (
            np.array([np.bincount(record.dev_fold, weights=wrong * of, minlength=20) for wrong in epochs])
            for of in (weights, np.ones(400))
        )
        best = int((epochs @ weights).argmin())
        network = dataclasses.replace(
            trial.networks[0], dev_bits=pack_losses(epochs[best]), dev_fold_losses=sums, best_epoch=best + 1, epochs=30
        )
        value = float((epochs[best] * weights).mean())
        trials.append(dataclasses.replace(trial, value=value, networks=[network]))
        before.append(dataclasses.replace(trials[-1], networks=[dataclasses.replace(network, dev_fold_losses=plain)]))
    watched = record.definition.replace("[training]", '[training]\nmonitor = "balanced_error"')
    record = dataclasses.replace(record, definition=watched)
    stopped_by_it, plain_sums = (build_report(dataclasses.replace(record, trials=of)) for of in (trials, before))
    seen, unseen = (report.findings.weighted_corrected for report in (stopped_by_it, plain_sums))
    assert seen is not None
    assert unseen is not None
    assert unseen.value < 0.25
    assert seen.value > 0.27
    for report, said in ((stopped_by_it, False), (plain_sums, True)):
        assert any("but not the epochs" in note for note in report.notes) == said
        assert not any("With [training] monitor" in note for note in report.notes)


@pytest.mark.parametrize("folds", [0, 4])
def test_every_error_of_a_new_study_is_its_balanced_error(folds: int) -> None:
    """Errors, gaps, verdict, tied trials and reference models; the words and the JSON say so."""
    found = rare_class_study()
    weights = BALANCED_ERROR.row_weights(found.dev_y)
    assert weights is not None
    trials = []
    for trial in found.trials:
        (network,) = trial.networks
        losses = np.array_split(network.dev_losses * weights, folds or 1)
        epochs = dataclasses.replace(
            network, dev_fold_losses=np.bincount(found.dev_fold, network.dev_losses * weights)[None]
        )
        of_folds = [
            dataclasses.replace(
                epochs, n_dev=len(of), dev_bits=pack_losses(of), dev_wrong=float(of.sum()), train_wrong=50.0
            )
            for of in losses
        ]
        trials.append(dataclasses.replace(trial, networks=of_folds))
    facts = dataclasses.replace(found.facts, weighs_classes=True, references={"gradient_boosting": 0.1})
    report = build_report(dataclasses.replace(found, trials=trials, facts=facts, dev_weights=weights))
    assert report.best is not None
    dev, corrected = report.diagnosis.errors["dev"], report.diagnosis.errors["dev_corrected"]
    assert dev is not None
    assert corrected is not None
    assert dev.value == pytest.approx(report.best.value)
    assert dev.value < corrected.value < corrected.high
    assert dev.n_effective is not None
    assert dev.n_effective < 200
    assert report.findings.tied_with_best == (0, 1)
    assert report.diagnosis.references["majority"] == pytest.approx(0.5)
    assert report.sentences[0].startswith("Gradient boosting is clearly better")
    assert (report.summary["metric"], report.error_name) == ("balanced_error", "balanced error")
    assert report.summary["best"]["balanced_error_corrected"]["value"] == pytest.approx(corrected.value)
    text = " ".join(report.text().split())
    assert "The best trial has 9.0% of all dev rows wrong" in text
    assert "all classes count the same" in text
    assert "minimized the" not in text
    assert "not the epochs" not in text


def test_plain_errors_are_not_compared_with_the_balanced_error() -> None:
    """The majority class and gradient boosting have less plain error than a network that finds the rare class."""
    record = rare_class_study()
    lines = {"logistic_regression": 0.03, "gradient_boosting": 0.02}
    record = dataclasses.replace(record, facts=dataclasses.replace(record.facts, references=lines))
    balanced = build_report(record)
    assert not [action for action in balanced.actions if action.action in SIMPLE]
    assert "than the network" not in balanced.sentences[0]
    by_error = record.definition.replace("balanced_error", "error")
    plain = build_report(dataclasses.replace(record, definition=by_error, identity={"search.metric": "error"}))
    assert [action for action in plain.actions if action.action in SIMPLE]
    assert "balanced_error" not in plain.summary["best"]


def test_the_mean_over_seeds_allows_for_the_epochs() -> None:
    """Each seed's epoch was chosen on dev; by the cost it was not chosen by its error, and nothing is replayed."""
    record = make_study(12, seeds=3, n_dev=120, epochs=30)
    report = build_report(record)
    by_cost = build_report(dataclasses.replace(record, definition=monitored(record, "cost")))
    assert report.best is not None
    measured = np.mean([network.dev_wrong / network.n_dev for network in report.best.networks])
    assert report.findings.seeds.value > measured + 0.002
    assert by_cost.findings.seeds.value == pytest.approx(measured)
    assert not any("but not the epochs" in note for note in report.notes)
    assert any('not recorded for parts of the dev set. With [training] monitor = "error" it is.' in note
               for note in by_cost.notes)  # fmt: skip


def monitored(record: StudyRecord, metric: str) -> str:
    """The study's definition with early stopping by another metric."""
    return record.definition.replace("[training]", f'[training]\nmonitor = "{metric}"')


def begun(record: StudyRecord, wrong: Sequence[int]) -> StudyRecord:
    """A study that began with another's trials, each with so many of the first dev rows wrong, at every epoch alike."""
    trials = []
    for trial, count in zip(record.trials, wrong, strict=True):
        bits = np.arange(len(record.dev_y)) < count
        folds = np.bincount(record.dev_fold, weights=bits, minlength=20)
        network = trial.networks[0]
        losses = np.tile(folds.astype(np.int64), (len(network.dev_fold_losses), 1))
        network = dataclasses.replace(network, dev_bits=pack_losses(bits), dev_wrong=count, dev_fold_losses=losses)
        trials.append(dataclasses.replace(trial, value=count / len(bits), networks=[network], state="complete"))
    facts = dataclasses.replace(record.facts, begun=Begun("old", 5))
    return dataclasses.replace(record, trials=trials, facts=facts)


@pytest.mark.parametrize("wrong", [(60, 20, 70), (20, 60, 70)])
def test_the_best_trial_is_used_if_it_is_better_or_first(wrong: Sequence[int]) -> None:
    """Far better than the best of the study before, or that very trial."""
    assert build_report(begun(make_study(3), wrong)).findings.kept is None


def test_the_best_of_the_study_before_is_kept_unless_the_new_choice_is_better() -> None:
    """Thirty new trials of the same error: the luckiest of them is no reason to change."""
    rng = np.random.default_rng(0)
    record = begun(make_study(31), [60] * 31)
    for trial in record.trials[1:]:
        bits = rng.random(len(record.dev_y)) < 0.15
        network = dataclasses.replace(trial.networks[0], dev_bits=pack_losses(bits), dev_wrong=int(bits.sum()))
        losses = np.bincount(record.dev_fold, weights=bits, minlength=20).astype(np.int64)
        network = dataclasses.replace(network, dev_fold_losses=np.tile(losses, (len(network.dev_fold_losses), 1)))
        record.trials[trial.number] = dataclasses.replace(trial, value=float(bits.mean()), networks=[network])
    found = build_report(record).findings
    assert found.best is not None
    assert found.best.number > 0
    assert found.best.value < record.trials[0].value
    assert found.kept is record.trials[0]
    assert any("tuner train made uses trial 0." in note for note in build_report(record).notes)
    assert build_report(dataclasses.replace(record, facts=make_study(1).facts)).findings.kept is None
    trials = tuple(build_report(dataclasses.replace(record, earlier=tuple(record.trials[1:]))).findings.judged)
    assert trials == tuple(record.trials)


def test_the_correction_counts_the_trials_that_a_study_began_with() -> None:
    """The best of one trial that repeats the luckiest of thirty equal ones is no less lucky."""
    rng = np.random.default_rng(0)
    record = make_study(30, n_dev=300)
    bits = rng.random((30, 300)) < 0.2
    trials = [
        dataclasses.replace(
            trial,
            value=float(wrong.mean()),
            networks=[
                dataclasses.replace(
                    trial.networks[0],
                    dev_bits=pack_losses(wrong),
                    dev_wrong=int(wrong.sum()),
                    dev_fold_losses=np.bincount(record.dev_fold, weights=wrong, minlength=20).astype(np.int64)[None],
                )
            ],
        )
        for trial, wrong in zip(record.trials, bits, strict=True)
    ]
    best = min(trials, key=lambda trial: trial.value)
    alone = dataclasses.replace(record, trials=[best])
    after = dataclasses.replace(alone, earlier=tuple(trials))
    assert build_report(alone).corrected is None
    corrected = build_report(after).corrected
    assert corrected is not None
    assert corrected.value > best.value + 0.02
    assert build_report(after).findings.tied_with_best == (best.number,)


def test_the_size_of_a_network_has_what_makes_its_periodic_inputs() -> None:
    """By the form of its trial's numbers: 48 frequencies and phases, and 16 units of the waves, of each column."""
    facts = {"n_features": 8, "form_features": {"piecewise_linear": 83}, "form_periodic": {"periodic": 5}}
    record = make_study(n_trials=1, facts=facts)
    definition = parse_definition(record.definition, "made")
    forms = ("standardize", "piecewise_linear", "periodic")
    sizes = n_parameters(record, definition, [{"hidden": "10", "numeric": form} for form in forms])
    of_output, of_columns = 11 * len(record.class_names), 5 * (2 * 48 + 49 * 16)
    assert sizes.tolist() == [9 * 10 + of_output, 84 * 10 + of_output, of_columns + (9 + 5 * 16) * 10 + of_output]
