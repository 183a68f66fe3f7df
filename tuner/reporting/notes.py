"""Notes of a report: data checks, limits of the dev set, test-set evaluations."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tuner.analysis import ErrorEstimate
from tuner.commands import command_text
from tuner.formatting import count, join, rounded, times, value
from tuner.metrics import METRICS
from tuner.outcomes import FailureGroup, TrialState, failure_groups
from tuner.reporting.confirmation import confirmation_sentence
from tuner.reporting.data_checks import warnings
from tuner.reporting.findings import Findings, network_shape
from tuner.reporting.frames import dev_error
from tuner.reporting.layers import layers_sentence, zeros_sentence
from tuner.reporting.news import News
from tuner.storage import Counts, StudyRecord, UnclaimedTrial, unclaimed_text
from tuner.study import StudyDefinition

MOST_ROWS = 1_000_000  # a difference that takes more dev rows to see is none
FEW_UPDATES = 30
MOST_REASONS = 5
MOST_WARNINGS = 3  # at the top of the report; all of them are listed with the data checks


def failures_of(record: StudyRecord) -> list[FailureGroup]:
    """Return a study's failed trials by reason, the most frequent first."""
    return failure_groups({t.number: t.reason for t in record.trials if t.state == TrialState.FAILED})


def failure_sentence(record: StudyRecord) -> str:
    """Say how many trials failed, and why; empty if none did."""
    groups, counts = failures_of(record), record.count()
    if not groups:
        return ""
    shown = "; ".join(map(str, groups[:MOST_REASONS]))
    more = len(groups) - MOST_REASONS
    rest = f"; and {count(more, 'more reason')}" if more > 0 else ""
    return f"{_failed_of(counts)} failed: {shown}{rest}."


def mostly_failed(record: StudyRecord) -> str:
    """Say that at least half of the trials failed; empty if they did not."""
    counts = record.count()
    if not counts.failed or counts.failed < counts.finished:
        return ""
    return f"But {_failed_of(counts)} failed, which this says nothing about."


def _failed_of(counts: Counts) -> str:
    return f"{counts.failed:,} of {count(counts.failed + counts.finished, 'trial')}"


def data_warnings(record: StudyRecord) -> list[str]:
    """Return the first warnings of the data checks as sentences, and how many more there are."""
    texts = warnings(record)
    sentences = [f"Data checks warn: {text}" for text in texts[:MOST_WARNINGS]]
    more = len(texts) - len(sentences)
    return [*sentences, f"Data checks: {count(more, 'more warning')} in report.html."] if more > 0 else sentences


def find_notes(
    record: StudyRecord, definition: StudyDefinition, findings: Findings, news: News | None, of_trials: str = ""
) -> list[str]:
    """Return all notes that apply, as sentences; ``of_trials``: on the average of the best trials."""
    notes = [
        "" if news is None else news.sentence(),
        _progress(record),
        unrecorded_sentence(record.unrecorded, record.unclaimed),
        _trainer(definition, findings),
        _tied(findings),
        _resolution(record, findings),
        _kept(record, findings),
        _simplest_tied(findings),
        _seeds(record, findings),
        confirmation_sentence(findings.confirmed, record),
        _uncertainty(record, findings),
        _correction(definition, findings),
        _ensemble(record, definition, findings),
        of_trials,
        _few_updates(definition, findings),
        layers_sentence(findings.best),
        _zeros(record, definition, findings),
        _groups(record, findings),
    ]
    return [sentence for sentence in [*notes, *_test_evaluations(record, findings)] if sentence]


def _progress(record: StudyRecord) -> str:
    done, budget = record.count().finished, record.budget
    running = sum(trial.state == TrialState.RUNNING for trial in record.trials)
    if done >= budget and not running:
        return ""
    return f"The search is not finished: {done:,} of {count(budget, 'trial')} done" + (
        f", {running} running." if running else "."
    )


def unrecorded_sentence(unrecorded: int, unclaimed: Sequence[UnclaimedTrial]) -> str:
    """Say how many trials another program added, and which of them it still runs; empty if it added none."""
    if not unrecorded:
        return ""
    are, have = ("is", "it has") if unrecorded == 1 else ("are", "they have")
    return (
        f"{count(unrecorded, 'trial')} of another program, such as plain Optuna, {are} in this study: "
        f"{have} no errors by set and {are} left out (unrecorded)."
        + (f" {unclaimed_text(unclaimed).capitalize()}." if unclaimed else "")
    )


def _trainer(definition: StudyDefinition, findings: Findings) -> str:
    if definition.trainer_kind.has_dev_folds or findings.best is None:
        return ""
    return (
        f"The models are trained by {definition.network.trainer}. Choices that it makes on the dev rows within a "
        "trial, such as the epoch, are not seen here: dev (selection-corrected) only allows for the choice among "
        "trials and may be too low."
    )


def _tied(findings: Findings) -> str:
    members, judged = findings.tied_with_best, len(findings.judged)
    if judged < 2:
        return ""
    if len(members) == 1:
        return f"On these dev rows the best trial is better than each of the other {judged - 1:,} by more than chance."
    return (
        f"{len(members):,} of {count(judged, 'complete trial')} are statistically tied with the best on these dev "
        "rows: with 95% confidence the truly best trial is among them, but any one of them may be worse."
    )


def _resolution(record: StudyRecord, findings: Findings) -> str:
    resolution, unit = findings.resolution, record.unit
    if resolution is None:
        return ""
    least = f"{unit.gap(resolution.difference)}{unit.of_gaps}"
    detectable = f"This dev set can show differences between trials of about {least} or more"
    if resolution.examples is None:
        return f"{detectable}. The best and the second-best trial have the same error."
    if resolution.examples > MOST_ROWS:
        return f"{detectable}. The best and the second-best trial have nearly the same error."
    if resolution.examples > len(record.dev_y):
        rows = rounded(resolution.examples)
        return f"{detectable}. It would take about {rows} dev rows to separate the best two trials."
    return f"{detectable}."


def _kept(record: StudyRecord, findings: Findings) -> str:
    kept, best, begun = findings.kept, findings.best, record.facts.begun
    if kept is None or best is None or begun is None:
        return ""
    return (
        f"Trial {kept.number} repeats the best trial of study {begun.study}. Allowing for the choice among "
        f"{count(len(findings.judged), 'trial')}, trial {best.number} is not better, so that "
        f"{command_text('train', *record.words)} uses trial {kept.number}."
    )


def _simplest_tied(findings: Findings) -> str:
    simplest, best = findings.simplest_tied, findings.best
    if simplest is None or best is None or simplest.number == best.number:
        return ""
    unit = findings.diagnosis.unit
    differing = {name: of for name, of in simplest.params.items() if of != best.params.get(name)}
    shown = ", ".join(f"{name} {value(of)}" for name, of in differing.items())
    error = f"dev error {unit.text(dev_error(simplest))}"
    if findings.weighted is not None and simplest.value is not None:
        error = f"{findings.metric.label} {unit.text(simplest.value)}"
    return (
        f"The simplest tied trial (one-standard-error rule) is trial {simplest.number}, the simplest and most "
        f"regularized within one standard error of the best: {error}; {shown}."
    )


def _correction(definition: StudyDefinition, findings: Findings) -> str:
    if findings.replayed or not findings.metric.counts_wrong:
        return ""
    metric = definition.search.metric
    watch = f' With [training] monitor = "{metric}" it is.' if definition.training.monitor != metric else ""
    return (
        "The selection correction chooses the trial again on bootstrap samples of the dev rows, but not the epochs: "
        f"what early stopping watched is not recorded for parts of the dev set.{watch}"
    )


def _seeds(record: StudyRecord, findings: Findings) -> str:
    seeds, unit = findings.seeds, record.unit
    if seeds is None:
        return ""
    return (
        f"Mean dev {record.error_name} of these hyperparameters over {seeds.seeds} seeds: {unit.text(seeds.value)} "
        f"({unit.span(seeds.low, seeds.high)}; the interval covers examples and seeds)."
    )


def _uncertainty(record: StudyRecord, findings: Findings) -> str:
    """Say how much of the dev error's uncertainty comes from where."""
    parts, best = findings.uncertainty, findings.best
    if parts is None or best is None:
        return ""
    folds = record.dev_layout(best).has_folds
    networks = f"{len(best.networks):,} networks{' of the folds' if folds else ''}"
    gap, pp = record.unit.gap, record.unit.of_gaps
    of = [f"{gap(parts.rows)}{pp} from the dev rows"]
    if parts.training is not None:
        cause = "the training rows and the seed" if folds else "the seed"
        of.append(f"{gap(parts.training)}{pp} from {cause} ({networks})")
    if parts.choice is not None:
        of.append(f"{gap(parts.choice)}{pp} from which of the tied trials is taken")
    known = f"Standard deviations of one network's dev {record.error_name}: {join(of)}."
    if parts.seed is not None and findings.confirmed is not None:
        again = f"Those of a trial's, by {count(len(findings.confirmed.trials), 'trial')} trained again: "
        again += f"{gap(parts.seed)}{pp} from the seed"
        if parts.split is None:
            return f"{known} {again}. What another split would change is unknown."
        return f"{known} {again} and {gap(parts.split)}{pp} from the split."
    if folds:
        return known
    if parts.training is not None:
        return f"{known} What another split would change is unknown."
    return f"{known} What another split or another seed would change is unknown; folds show it, or seeds in the study."


def _ensemble(record: StudyRecord, definition: StudyDefinition, findings: Findings) -> str:
    """Say whose the dev error is where a trial has several networks, and how their ensemble compares."""
    best = findings.best
    if best is None or len(best.networks) < 2 or not definition.trainer_kind.can_train_again:
        return ""
    has_folds = record.dev_layout(best).has_folds
    whose = "of the folds, each on rows it did not see" if has_folds else "of the seeds, on average"
    sentence = (
        f"The dev {record.error_name} is that of the networks {whose}. Their ensemble, which tuner train saves as the "
        "model, is usually somewhat better."
    )
    if any(evaluation.trial_number == best.number for evaluation in record.test_evaluations):
        sentence += (
            " The test error is that of the evaluated model: if this is the ensemble, overfitting to dev (test − dev) "
            "is larger than shown, by what averaging gains."
        )
    return sentence


def few_updates_sentence(whose: str, updates: Sequence[int], definition: StudyDefinition) -> str:
    """Say if networks are hardly trained: with few dev rows they may look perfect by chance; empty if they are.

    ``updates``: of each network, 0 where they are unknown.
    """
    known = [number for number in updates if number]
    if not known or statistics.median(known) >= FEW_UPDATES:
        return ""
    monitor = METRICS[definition.training.monitor]
    watch = "" if monitor.less_noisy is None else f', with [training] monitor = "{monitor.less_noisy}"'
    return (
        f"{whose} had only {count(round(statistics.median(known)), 'update')} of their weights: "
        f"that they are good may be luck. Train longer{watch} or with a smaller batch_size."
    )


def _few_updates(definition: StudyDefinition, findings: Findings) -> str:
    updates = [] if findings.best is None else [network.updates for network in findings.best.networks]
    return few_updates_sentence("The best trial's networks", updates, definition)


def _zeros(record: StudyRecord, definition: StudyDefinition, findings: Findings) -> str:
    best = findings.best
    if best is None or not record.facts.exact_zeros:
        return ""
    shape = network_shape(record, definition, best.params.get("hidden"), best.params.get("numeric"))
    return zeros_sentence(best, shape)


def _groups(record: StudyRecord, findings: Findings) -> str:
    dev = findings.diagnosis.errors.get("dev")
    if dev is None or dev.n_effective is None or findings.diagnosis.unit.loss is not None:
        return ""
    have = [
        "come in groups whose errors are correlated" if record.dev_groups is not None else "",
        "have weights" if record.dev_weights is not None and record.dev_strata is None else "",
        "weigh so much that all classes count the same" if record.dev_strata is not None else "",
    ]
    rows = f"{dev.n_effective:,.0f} independent rows" + (" of one weight" if record.dev_weights is not None else "")
    return f"Dev rows {join(list(filter(None, have)))}: {count(len(record.dev_y), 'row')} count as {rows}."


def _test_evaluations(record: StudyRecord, findings: Findings) -> list[str]:
    evaluations, best, unit = record.test_evaluations, findings.best, record.unit
    sentences = []
    if len(evaluations) > 1:
        sentences.append(
            f"The test set was evaluated {times(len(evaluations))}: errors that were seen may have guided choices, so "
            "the test error may be too low."
        )
    others = [one for one in evaluations if best is None or one.trial_number != best.number]
    for one in others[-1:]:
        trial = "" if one.trial_number is None else f" of trial {one.trial_number}"
        if not unit.is_share:
            sentences.append(f"Test {unit.name} of the model{trial}: {unit.text(unit.error(one.wrong / one.n))}.")
            continue
        error = ErrorEstimate.measured(one.wrong, one.n, one.n_effective, most=unit.most)
        sentences.append(
            f"Test error of the model{trial}: {unit.text(error.value)} ({unit.span(error.low, error.high)})."
        )
    return sentences
