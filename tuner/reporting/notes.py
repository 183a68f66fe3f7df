"""Notes beside the verdict: warnings about the data, what the dev set cannot show, test-set evaluations."""

from __future__ import annotations

from tuner.analysis import ErrorEstimate
from tuner.formatting import count, percent, points, rounded, span, times, value
from tuner.outcomes import TrialState
from tuner.reporting.data_checks import warnings
from tuner.reporting.findings import Findings
from tuner.reporting.frames import dev_error
from tuner.reporting.layers import layers_sentence
from tuner.reporting.news import News
from tuner.storage import StudyRecord
from tuner.study import StudyDefinition

MOST_WARNINGS = 3  # shown at the top; the data checks list all of them


def data_warnings(record: StudyRecord) -> list[str]:
    """List the data checks' warnings, which make every number doubtful: the first ones, and how many more there are."""
    found = warnings(record)
    told = [f"Data check: {text}" for text in found[:MOST_WARNINGS]]
    more = len(found) - len(told)
    return [*told, f"The last section of the report lists {count(more, 'more warning')}."] if more > 0 else told


def notes(record: StudyRecord, definition: StudyDefinition, findings: Findings, news: News | None) -> list[str]:
    """All notes that apply, as sentences."""
    told = [
        "" if news is None else news.sentence(),
        *_simple_models(findings),
        _progress(record),
        _trainer(definition, findings),
        _tied(findings),
        _resolution(record, findings),
        _simplest_tied(findings),
        _seeds(findings),
        layers_sentence(findings.best),
        _groups(record, findings),
    ]
    return [sentence for sentence in [*told, *_test_evaluations(record, findings)] if sentence]


def _simple_models(findings: Findings) -> list[str]:
    """Reference models that do as well as the network, or better."""
    corrected, lines = findings.diagnosis.errors.get("dev_corrected"), findings.diagnosis.references
    majority, boosting = lines.get("majority"), lines.get("gradient_boosting")
    if corrected is None or findings.weighted is not None:
        return []
    told = []
    if majority is not None and corrected.high >= majority:
        told.append(
            "The network is not clearly better than always predicting the majority class, which is wrong on "
            f"{percent(majority)}."
        )
    if boosting is not None and boosting < min(corrected.low, corrected.value - findings.diagnosis.material_gap):
        told.append(f"Gradient boosting is clearly better than the network: it is wrong on {percent(boosting)}.")
    return told


def _progress(record: StudyRecord) -> str:
    done, budget = record.count().finished, record.budget
    running = sum(trial.state == TrialState.RUNNING for trial in record.trials)
    if done >= budget and not running:
        return ""
    return f"The search is not complete: {done:,} of {count(max(done, budget), 'trial')} are done" + (
        f", {running} running." if running else "."
    )


def _trainer(definition: StudyDefinition, findings: Findings) -> str:
    if definition.trainer_kind.has_dev_folds or findings.best is None:
        return ""
    return (
        f"The custom trainer {definition.network.trainer} trains the models. The correction covers the choice among "
        "trials, not what the trainer chose on the dev rows within a trial, such as the epoch. The selection-corrected "
        "dev error may be too low."
    )


def _tied(findings: Findings) -> str:
    members, judged = findings.tied_with_best, len(findings.judged)
    if judged < 2:
        return ""
    if len(members) == 1:
        return f"On these dev rows the best trial is better than each of the other {judged - 1:,} by more than chance."
    return (
        f"{len(members):,} of {count(judged, 'complete trial')} are statistically tied with the best on these dev "
        "rows: with 95% confidence the truly best trial is one of them."
    )


def _resolution(record: StudyRecord, findings: Findings) -> str:
    found = findings.resolution
    if found is None:
        return ""
    told = f"This dev set can show differences between trials of about {points(found.difference)} pp or more"
    if found.examples is None:
        return f"{told}. The best trial and the runner-up have the same error."
    if found.examples > len(record.dev_y):
        return f"{told}. To separate the best trial from the runner-up takes about {rounded(found.examples)} dev rows."
    return f"{told}."


def _simplest_tied(findings: Findings) -> str:
    simplest, best = findings.simplest_tied, findings.best
    if simplest is None or best is None or simplest.number == best.number:
        return ""
    differing = {name: of for name, of in simplest.params.items() if of != best.params.get(name)}
    shown = ", ".join(f"{name} {value(of)}" for name, of in differing.items())
    error = f"dev error {percent(dev_error(simplest))}"
    if findings.weighted is not None and simplest.value is not None:
        error = f"{findings.metric.label} {percent(simplest.value)}"
    return f"The simplest tied trial (one-standard-error rule) is trial {simplest.number}: {error}; {shown}."


def _seeds(findings: Findings) -> str:
    seeds = findings.seeds
    if seeds is None:
        return ""
    return (
        f"Over {seeds.seeds} seeds these hyperparameters have a dev error of {percent(seeds.value)} "
        f"({span(seeds.low, seeds.high)}; the interval covers examples and seeds)."
    )


def _groups(record: StudyRecord, findings: Findings) -> str:
    dev = findings.diagnosis.errors.get("dev")
    if record.dev_groups is None or dev is None or dev.n_effective is None:
        return ""
    rows = count(len(record.dev_y), "row")
    return f"The dev rows come in groups: {rows} count as {dev.n_effective:,.0f} independent ones."


def _test_evaluations(record: StudyRecord, findings: Findings) -> list[str]:
    evaluations, best = record.test_evaluations, findings.best
    told = []
    if len(evaluations) > 1:
        told.append(
            f"The test set was evaluated {times(len(evaluations))}. Its error may have guided choices, so it is no "
            "longer an unbiased estimate."
        )
    others = [one for one in evaluations if best is None or one.trial_number != best.number]
    for one in others[-1:]:
        error = ErrorEstimate.measured(one.wrong, one.n)
        trial = "" if one.trial_number is None else f" of trial {one.trial_number}"
        told.append(f"Test error of the model{trial}: {percent(error.value)} ({span(error.low, error.high)}).")
    return told
