"""What else a reader has to know: what makes numbers doubtful, what the dev set cannot tell, looks at the test set."""

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

MOST_WARNINGS = 3  # that stand at the top; all of them stand with the other findings of the checks


def data_warnings(record: StudyRecord) -> list[str]:
    """What makes every number doubtful, as sentences; of many findings the first ones, and how many more there are."""
    found = warnings(record)
    told = [f"The checks of the data warn: {text}" for text in found[:MOST_WARNINGS]]
    more = len(found) - len(told)
    return [*told, f"{count(more, 'more warning')} of the kind stand in the report's last part."] if more > 0 else told


def find_notes(record: StudyRecord, definition: StudyDefinition, findings: Findings, news: News | None) -> list[str]:
    """All remarks that apply, as sentences."""
    told = [
        "" if news is None else news.sentence(),
        *_simple_models(findings),
        _progress(record),
        _trainer(definition, findings),
        _alike(findings),
        _resolution(record, findings),
        _simplest_tied(findings),
        _seeds(findings),
        layers_sentence(findings.best),
        _groups(record, findings),
    ]
    return [sentence for sentence in [*told, *_test_evaluations(record, findings)] if sentence]


def _simple_models(findings: Findings) -> list[str]:
    """Where the commonest class or gradient boosting does as well as the network, or better."""
    corrected, lines = findings.diagnosis.errors.get("dev_corrected"), findings.diagnosis.references
    majority, boosting = lines.get("majority"), lines.get("gradient_boosting")
    if corrected is None or findings.weighted is not None:
        return []
    told = []
    if majority is not None and corrected.high >= majority:
        told.append(
            "The network is not clearly better than always answering the commonest class, wrong on "
            f"{percent(majority)}."
        )
    if boosting is not None and boosting < min(corrected.low, corrected.value - findings.diagnosis.material_gap):
        told.append(f"Gradient boosting, wrong on {percent(boosting)}, is clearly better than the network.")
    return told


def _progress(record: StudyRecord) -> str:
    done, budget = record.count().finished, record.budget
    running = sum(trial.state == TrialState.RUNNING for trial in record.trials)
    if done >= budget and not running:
        return ""
    return f"The search is not finished: {done:,} of {count(budget, 'trial')} done" + (
        f", {running} running." if running else "."
    )


def _trainer(definition: StudyDefinition, findings: Findings) -> str:
    if definition.trainer_kind.has_dev_folds or findings.best is None:
        return ""
    return (
        f"The models are trained by {definition.network.trainer}. What it chose on the dev rows within a trial, "
        "such as the epoch, is not seen here: the corrected dev error allows for the choice among trials alone, and "
        "may be too low."
    )


def _alike(findings: Findings) -> str:
    members, judged = findings.tied_with_best, len(findings.judged)
    if judged < 2:
        return ""
    if len(members) == 1:
        return f"The best trial beats each of the other {judged - 1:,} by more than chance on these dev rows."
    return (
        f"{len(members):,} of {count(judged, 'complete trial')} are not distinguishable from the best on these dev "
        "rows: with 95% confidence the truly best is among them, but any single one of them may be worse."
    )


def _resolution(record: StudyRecord, findings: Findings) -> str:
    found = findings.resolution
    if found is None:
        return ""
    told = f"This dev set shows differences between trials of about {points(found.difference)} pp and more"
    if found.examples is None:
        return f"{told}; best and runner-up have the same error, and no number of examples is known to separate them."
    if found.examples > len(record.dev_y):
        return f"{told}; to see best and runner-up apart would take about {rounded(found.examples)} dev rows."
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
    return (
        f"The simplest tied trial (one-standard-error rule) is trial {simplest.number}: the simplest and most "
        f"regularized within one standard error of the best ({error}; {shown})."
    )


def _seeds(findings: Findings) -> str:
    seeds = findings.seeds
    if seeds is None:
        return ""
    return (
        f"These hyperparameters, over {seeds.seeds} seeds: dev error {percent(seeds.value)} "
        f"({span(seeds.low, seeds.high)}, examples and seeds together)."
    )


def _groups(record: StudyRecord, findings: Findings) -> str:
    dev = findings.diagnosis.errors.get("dev")
    if record.dev_groups is None or dev is None or dev.n_effective is None:
        return ""
    return (
        f"Dev rows come in groups that are wrong together: {count(len(record.dev_y), 'row')} count as "
        f"{dev.n_effective:,.0f} independent ones."
    )


def _test_evaluations(record: StudyRecord, findings: Findings) -> list[str]:
    looks, best = record.test_evaluations, findings.best
    told = []
    if len(looks) > 1:
        told.append(
            f"The test set was opened {times(len(looks))}: an error that was looked at more than once may have guided "
            "choices, and is no longer a clean one."
        )
    others = [look for look in looks if best is None or look.trial_number != best.number]
    for look in others[-1:]:
        error = ErrorEstimate.measured(look.wrong, look.n)
        trial = "" if look.trial_number is None else f" of trial {look.trial_number}"
        told.append(f"Test error of the model{trial}: {percent(error.value)} ({span(error.low, error.high)}).")
    return told
