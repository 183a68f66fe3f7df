"""What to do next: a study's evidence for the recipe, and commands that can be typed as they stand."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.analysis import (
    Action,
    Diagnosis,
    Evidence,
    choice_states,
    count_duplicates,
    diverging_from,
    examples_to_decide,
    knob_states,
    recipe,
)
from tuner.paths import defined_studies
from tuner.reporting.capacity import fitted
from tuner.reporting.effects import in_space, searched_knobs
from tuner.reporting.findings import n_parameters
from tuner.reporting.sentences import GAP_NAMES, REFERENCE_NAMES
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import FREE, KNOBS

if TYPE_CHECKING:
    from tuner.reporting.numbers import Numbers

COMMANDS = frozenset({"data", "search", "report", "refine", "learning-curve", "train"})
"""The commands of the recipe that the command line has."""

LATE = 0.9  # of the epochs: a best epoch beyond was reached while the error still fell


def advise(report: Numbers) -> list[Action]:
    """Ranked actions, each with a command that works in the folder the report was made in, or none."""
    trainer = report.definition.network.trainer
    actions = [_typable(action) for action in recipe(evidence_of(report))]
    if not report.record.storage:
        return [dataclasses.replace(action, command="") for action in actions]
    if report.definition.data.source is None:
        return [_without_data(action) for action in actions]
    return actions if trainer is None else [_for_trainer(action, trainer) for action in actions]


def evidence_of(report: Numbers) -> Evidence:
    """Everything the recipe looks at, from the report's own numbers."""
    record, definition, best = report.record, report.definition, report.best
    diagnosis = report.diagnosis
    return Evidence(
        study=record.name,
        options=storage_option(record),
        taken=taken_names(record),
        data_warnings=tuple(report.warnings),
        judged_by=_judged_by(report),
        **_gaps(report),
        material_gap=diagnosis.material_gap,
        baseline_given=diagnosis.baseline_given,
        **_errors(diagnosis),
        **_reference_lines(report),
        n_train=record.sizes["train"],
        n_dev=len(record.dev_y),
        folds=definition.data.folds,
        can_fold=definition.data.dev is None and definition.data.time is None and definition.data.split_column is None,
        **_needed(diagnosis),
        images=definition.data.image is not None and definition.trainer_kind.augments,
        augmented=any(KNOBS.get(name, FREE).field is None for name in definition.space),
        trainer=definition.network.trainer,
        **_network(report),
        **fitted(report),
        monitor=definition.training.monitor,
        best_epoch=0 if best is None else best.best_epoch or 0,
        max_epochs=definition.training.max_epochs,
        still_falling=_still_falling(best, definition.training.max_epochs),
        **_search(report),
        **_knobs(report),
        **_curve(report),
    )


def _errors(diagnosis: Diagnosis) -> dict[str, Any]:
    """The train error and the corrected dev error with its interval, as far as they are known."""
    corrected, train = diagnosis.errors.get("dev_corrected"), diagnosis.errors.get("train")
    found = {} if train is None else {"train_error": train.value}
    if corrected is not None:
        found |= {"dev_error": corrected.value, "dev_low": corrected.low, "dev_high": corrected.high}
    return found


def _search(report: Numbers) -> dict[str, Any]:
    """How the search itself went."""
    record, best, judged, counts = report.record, report.best, report.findings.judged, report.record.count()
    return {
        "trials": len(judged),
        "budget": record.budget,
        "searched": len(report.definition.searched_space.searched),
        "since_best": _since(record, best),
        "diverged": counts["diverged"],
        "diverged_above": _diverged_above(record),
        "duplicates": count_duplicates([trial.params for trial in judged]),
        "pruned": counts["pruned"],
        "pruned_winners": _pruned_winners(record, best),
    }


def _gaps(report: Numbers) -> dict[str, Any]:
    names = {
        "bias": "avoidable_bias",
        "variance": "variance",
        "mismatch": "data_mismatch",
        "dev_overfit": "dev_overfit",
    }
    gaps = {short: report.diagnosis.gaps[name] for short, name in names.items() if name in report.diagnosis.gaps}
    levels = {short: gap.level for short, gap in gaps.items()}
    return levels | {f"{short}_value": gap.value for short, gap in gaps.items()}


def _needed(diagnosis: Diagnosis) -> dict[str, Any]:
    """How many examples would decide the gaps that are undecided."""
    found = {name: examples_to_decide(diagnosis, name) for name in diagnosis.gaps if name in diagnosis.undecided}
    variance = found.get("variance")
    return {
        "dev_needed": variance[1] if variance is not None and variance[0] == "dev" else None,
        "needed": tuple((GAP_NAMES[name], *(of or ("all", None))) for name, of in found.items()),
    }


def _reference_lines(report: Numbers) -> dict[str, Any]:
    """What simple models reach on dev; the commonest class there, and the one that the network mostly gets wrong."""
    lines = {name: report.diagnosis.references.get(name) for name in REFERENCE_NAMES}
    metric = report.definition.search.metric
    there = [row for row in report.findings.classes if row.estimate.n]
    if not there:
        return {**lines, "metric": metric}
    commonest = max(there, key=lambda row: row.estimate.n or 0)
    worst = max(there, key=lambda row: row.estimate.value)
    missed = (worst.name, worst.estimate.value) if worst is not commonest and worst.estimate.value > 0.5 else None
    return {**lines, "metric": metric, "commonest": commonest.name, "missed": missed}


def _network(report: Numbers) -> dict[str, Any]:
    """The best trial's layers, and whether no larger network was searched."""
    if report.best is None or not report.definition.trainer_kind.has_size:
        return {}
    definition = report.definition
    hidden = report.best.params.get("hidden")
    searched = definition.searched_space.searched.get("hidden")
    choices = [hidden] if searched is None else [*searched.bounds]
    sizes = n_parameters(report.record, definition, [hidden, *choices])
    return {"hidden": hidden, "hidden_is_largest": bool(sizes[0] >= max(sizes))}


def _still_falling(best: TrialRecord | None, max_epochs: int) -> bool:
    """Whether most of the best trial's networks ran out of epochs while their dev error still fell."""
    if best is None:
        return False
    late = [n.stop_reason == "max_epochs" and n.best_epoch >= LATE * max_epochs for n in best.networks]
    return 2 * sum(late) > len(late)


def _since(record: StudyRecord, best: TrialRecord | None) -> int:
    """Trials that ended after the best one."""
    if best is None or best.finished is None:
        return 0
    return sum(trial.finished is not None and trial.finished > best.finished for trial in record.trials)


def _diverged_above(record: StudyRecord) -> float | None:
    tried = [trial for trial in record.trials if trial.stop_reason and isinstance(trial.params.get("alpha"), float)]
    return diverging_from(
        [trial.params["alpha"] for trial in tried], np.array([trial.stop_reason == "diverged" for trial in tried])
    )


def _pruned_winners(record: StudyRecord, best: TrialRecord | None) -> int:
    """Pruned trials that were already better than the best when they were stopped."""
    if best is None or best.value is None:
        return 0
    pruned = [trial.value for trial in record.trials if trial.state == "pruned" and trial.value is not None]
    return sum(value < best.value for value in pruned)


def _knobs(report: Numbers) -> dict[str, Any]:
    """Where the search stands in every range and every choice."""
    knobs = searched_knobs(report.definition)
    trials = in_space(report.definition, report.findings.judged)
    if report.best not in trials:
        return {}
    signs = {True: 1, False: -1, None: 0}
    params = [trial.params for trial in trials]
    values = np.array([trial.value for trial in trials], float)
    best = trials.index(report.best)
    strengths = {name: signs[knob.higher_is_simpler] for name, knob in KNOBS.items()}
    return {
        "knobs": knob_states(knobs, params, values, best, effects=report.pulls, strengths=strengths),
        "choices": choice_states(knobs, params, values, best),
    }


def taken_names(record: StudyRecord) -> frozenset[str]:
    """Names that a new study cannot have: of the definitions here, and of the studies beside this one."""
    return frozenset([*defined_studies(), *record.beside])


def report_command(record: StudyRecord) -> str:
    """The command that writes a study's page, from the current folder."""
    return f"tuner report {record.name} {storage_option(record)}".rstrip()


def _curve(report: Numbers) -> dict[str, Any]:
    """What the best trial's learning curve says; nothing where it has too few sizes to say anything."""
    found = report.learning
    if found is None or found.curve is None or not found.is_best or not found.curve.enough_sizes:
        return {}
    curve = found.curve
    return {
        "curve_today": curve.today,
        "curve_estimate": curve.estimate,
        "curve_twice": curve.twice.value,
        "curve_low": curve.twice.low,
        "curve_high": curve.twice.high,
        "curve_helps": curve.helps,
    }


def _judged_by(report: Numbers) -> str:
    """Options of a command that is to judge as this report does, where it does not judge as the definition says."""
    said, judged = report.definition.diagnosis, report.diagnosis
    options = []
    baseline = judged.errors["baseline"]
    if judged.baseline_given and baseline is not None and not is_said(said.baseline_error, baseline.value):
        options.append(f"--baseline {baseline.value:.6g}")
    if judged.material_gap != said.material_gap:
        options.append(f"--material-gap {judged.material_gap:.6g}")
    return " ".join(options)


def is_said(baseline: Any, value: float) -> bool:
    """Whether the definition's baseline is this error."""
    if isinstance(baseline, dict):
        return bool(baseline["wrong"] / baseline["of"] == value)
    return bool(baseline == value)


def storage_option(record: StudyRecord) -> str:
    """``--storage URL`` where the study does not lie in the current folder's own database."""
    default = Path("studies/tuner.db").resolve()
    if Path(record.storage.removeprefix("sqlite:///").split("?")[0]).resolve() == default:
        return ""
    return '--storage "$TUNER_STORAGE"' if "***" in record.storage else f"--storage {shlex.quote(record.storage)}"


def _for_trainer(action: Action, trainer: str) -> Action:
    """The action of a study with a trainer of the user's own, which what runs it by the study's name has to allow."""
    first, *then = action.command.split(" && ")
    if first.startswith(("tuner search ", "tuner refine ")):
        return dataclasses.replace(action, command=" && ".join([f"{first} --allow-trainer {trainer}", *then]))
    return action


def _without_data(action: Action) -> Action:
    """The action of a study of rows in memory, which another process can only report on."""
    return action if action.command.startswith("tuner report ") else dataclasses.replace(action, command="")


def _typable(action: Action) -> Action:
    """The action without a command that is not there yet."""
    words = action.command.split()
    return action if not words or words[1] in COMMANDS else dataclasses.replace(action, command="")
