"""Next steps: the study's state, its actions and their commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuner.analysis import (
    Action,
    DataState,
    HyperparameterEffects,
    HyperparameterState,
    SearchHealth,
    SegmentState,
    StudyState,
    ThresholdGain,
    can_fit,
    count_duplicates,
    diverging_from,
    hyperparameter_states,
    rank_actions,
    threshold_gain,
)
from tuner.data import Mismatch
from tuner.metrics import BALANCED_ERROR
from tuner.outcomes import TrialState
from tuner.reporting.best_trial import best_trial
from tuner.reporting.commands import command_of
from tuner.reporting.data_checks import share_in_doubt, warnings
from tuner.reporting.effects import acting, searched_hyperparameters
from tuner.reporting.findings import Findings
from tuner.reporting.label_noise import LabelNoise
from tuner.reporting.learning import Learning
from tuner.reporting.predictions import own_weights
from tuner.reporting.segments import Segments
from tuner.reporting.wrong_rows import WrongRows
from tuner.storage import StudyRecord
from tuner.study import IMBALANCED, StudyDefinition, spec_of

STRENGTHS = {True: 1, False: -1, None: 0}
"""Whether more of a hyperparameter is simpler -> whether more of it regularizes more."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """Actions that one command does; without a command one action."""

    actions: tuple[Action, ...]

    @property
    def command(self) -> str:
        """The command of all of them; empty if a person must act."""
        return self.actions[0].command

    @property
    def reasons(self) -> list[str]:
        """Why, with the expected gain of each."""
        return [f"{action.why} Expected gain: {action.gain}." if action.gain else action.why for action in self.actions]


def steps(actions: Sequence[Action]) -> list[NextStep]:
    """Group actions by their command, at the place of the first."""
    groups: dict[str, list[Action]] = {}
    for place, action in enumerate(actions):
        groups.setdefault(action.command or str(place), []).append(action)
    return [NextStep(tuple(group)) for group in groups.values()]


def advise(
    record: StudyRecord,
    definition: StudyDefinition,
    findings: Findings,
    effects: HyperparameterEffects | None,
    learning: Learning | None,
    wrong: WrongRows | None = None,
    noise: LabelNoise | None = None,
    mismatch: Mismatch | None = None,
) -> list[Action]:
    """Return the ranked actions, with commands that work in the current folder."""
    return [
        replace(action, command=command_of(action, record, definition, findings.diagnosis))
        for action in rank_actions(state_of(record, definition, findings, effects, learning, wrong, noise, mismatch))
    ]


def state_of(
    record: StudyRecord,
    definition: StudyDefinition,
    findings: Findings,
    effects: HyperparameterEffects | None,
    learning: Learning | None,
    wrong: WrongRows | None = None,
    noise: LabelNoise | None = None,
    mismatch: Mismatch | None = None,
) -> StudyState:
    """Return the state that actions are chosen by."""
    measured = learning is not None and learning.is_best and learning.curve is not None and learning.curve.enough_sizes
    data = _data(record, definition)
    return StudyState(
        diagnosis=findings.diagnosis,
        data=data,
        search=_search_health(record, definition, findings),
        best=best_trial(record, definition, findings),
        classes=tuple(row for row in findings.classes if row.estimate.n),
        metric=record.metric,
        hyperparameters=_states(definition, findings, effects),
        curve=learning.curve if learning is not None and measured else None,
        suspects=0 if wrong is None or (noise is not None and noise.share.low <= 0) else wrong.suspects or 0,
        segment=None if wrong is None or wrong.segments is None else _segment(wrong.segments),
        differing=() if mismatch is None else mismatch.columns,
        trainer=definition.network.trainer or "",
        has_size=definition.trainer_kind.has_size,
        can_train_again=definition.trainer_kind.can_train_again,
        threshold=_threshold_gain(record, findings),
        can_measure_curve=can_fit(data.n_train_of_a_network, len(record.class_names)),
    )


def _threshold_gain(record: StudyRecord, findings: Findings) -> ThresholdGain | None:
    """Return what a threshold would bring, if the balanced error counts or a class is rare."""
    best = findings.best
    predictions = None if best is None else best.predictions
    if predictions is None or predictions.probabilities is None or predictions.probabilities.shape[1] != 2:
        return None
    counts = np.bincount(record.dev_y, minlength=2)
    if record.metric != BALANCED_ERROR and counts.min() > IMBALANCED * counts.sum():
        return None
    p = predictions.probabilities.reshape(-1, len(record.dev_y), 2).mean(axis=0)
    weights, names = own_weights(record), record.class_names
    return threshold_gain(p, record.dev_y, record.dev_fold, names, weights=weights, groups=record.dev_groups)


def _segment(segments: Segments) -> SegmentState | None:
    if not segments.higher:
        return None
    first = segments.higher[0]
    level = None if first.variance is None else first.variance.level
    of = segments.error, segments.unit, segments.material_gap
    return SegmentState(first.label, first.n_train, first.of_rows, first.of_error, first.gain[0], level, *of)


def _data(record: StudyRecord, definition: StudyDefinition) -> DataState:
    data = definition.data
    return DataState(
        n_train=record.sizes["train"],
        n_dev=len(record.dev_y),
        folds=data.folds,
        can_fold=data.dev is None and data.time is None and data.split_column is None,
        images=data.image is not None and definition.trainer_kind.augments,
        augmented=any(spec_of(name).field is None for name in definition.space),
        warnings=tuple(warnings(record)),
        warnings_about=share_in_doubt(record),
        n_classes=max(len(record.class_names), 1),
    )


def _search_health(record: StudyRecord, definition: StudyDefinition, findings: Findings) -> SearchHealth:
    best, counts = findings.best, record.count()
    pruned = [trial.value for trial in record.trials if trial.state == TrialState.PRUNED and trial.value is not None]
    return SearchHealth(
        trials=len(findings.judged),
        pruned=counts.pruned,
        diverged=counts.diverged,
        budget=record.budget,
        searched=len(definition.searched_space.searched),
        since_best=0
        if best is None or best.finished is None
        else sum(trial.finished is not None and trial.finished > best.finished for trial in record.trials),
        diverged_above=_diverged_above(record),
        duplicates=count_duplicates([trial.params for trial in findings.judged]),
        pruned_winners=0 if best is None or best.value is None else sum(value < best.value for value in pruned),
    )


def _diverged_above(record: StudyRecord) -> float | None:
    tried = [trial for trial in record.trials if trial.stop_reason and isinstance(trial.params.get("alpha"), float)]
    return diverging_from([trial.params["alpha"] for trial in tried], np.array([trial.has_diverged for trial in tried]))


def _states(
    definition: StudyDefinition, findings: Findings, effects: HyperparameterEffects | None
) -> tuple[HyperparameterState, ...]:
    trials = findings.inside
    if findings.best not in trials:
        return ()
    return hyperparameter_states(
        searched_hyperparameters(definition),
        acting(definition, trials),
        np.array([trial.value for trial in trials], float),
        np.array([trial.exploring for trial in trials]),
        trials.index(findings.best),
        effects=effects,
        strengths={name: STRENGTHS[spec_of(name).higher_is_simpler] for name in definition.searched_space.searched},
    )
