"""Actions about the search: more trials, other ranges, no more trials."""

from __future__ import annotations

import math
from typing import Any

from tuner.analysis.actions.action import Action, Gain, Verb
from tuner.analysis.actions.ranges import gain_of
from tuner.analysis.actions.state import StudyState
from tuner.analysis.next_ranges import beyond, fall, narrowed
from tuner.analysis.other_models import other_model
from tuner.formatting import count, join, number, share
from tuner.metrics import BALANCED_ERROR

PRESSED = 0.5  # share of the ten best trials in the outermost tenth of a range, beyond which it is widened
GAPS = ("avoidable_bias", "variance")


def run_search(state: StudyState) -> Action | None:
    """No trial is complete yet, and none diverged."""
    if state.search.trials or state.search.diverged:
        return None
    why = "No trial is complete yet, so there is nothing to diagnose."
    return Action(why=why, verb=Verb.SEARCH)


def evaluate_once(state: StudyState) -> Action | None:
    """Both gaps are low: train the best trial's network and evaluate it on the test set."""
    if not state.is_low(*GAPS) or state.is_high("data_mismatch", "dev_overfit"):
        return None
    return Action(
        why=(
            "Once the warnings of the data checks are settled, and if both gaps are then still below the threshold"
            if state.data.warnings
            else "Both gaps are below the threshold"
        )
        + ": train the best trial's network and evaluate it once on the test set.",
        verb=Verb.TRAIN if state.can_train_again else None,
        evidence={gap: state.size(gap) for gap in GAPS},
    )


def choose_threshold(state: StudyState) -> Action | None:
    """A threshold other than 0.5 certainly lowers the balanced error."""
    gained = state.threshold
    if gained is None or gained.low <= 0 or not state.can_train_again or state.unit.loss is not None:
        return None
    is_metric, unit = state.metric == BALANCED_ERROR, state.unit
    balanced = f"the balanced error from {unit.text(gained.before)} to {unit.text(gained.after)}"
    price = f", and moves the error from {unit.text(gained.error_before)} to {unit.text(gained.error_after)}"
    return Action(
        why=f"A threshold for class {gained.name!r}, chosen on other dev rows, lowers {balanced} on those that did not "
        + ("choose it." if is_metric else f"choose it{price}: use it if every class matters as much."),
        verb=Verb.TRAIN,
        options={"threshold-for": BALANCED_ERROR.name},
        evidence={"balanced_error": gained.before, "with_threshold": gained.after},
        gain=Gain(gained.low, gained.high) if is_metric else None,
    )


def fewer_diverged(state: StudyState) -> Action | None:
    """Too many trials diverged."""
    search, above = state.search, state.search.diverged_above
    if not search.diverges_often:
        return None
    alpha = next((one for one in state.open_ranges if one.name == "alpha"), None)
    where = "" if above is None else f", most of them with alpha above {number(above)}"
    changes: dict[str, Any] = {}
    if alpha is not None and above is not None and alpha.low < above < alpha.high:
        changes["space.alpha"] = {alpha.kind: [alpha.low, float(number(above))]}
    return Action(
        why=f"{search.diverged:,} of {search.trials + search.diverged:,} trials diverged{where}. Try smaller learning "
        "rates or a warm-up.",
        verb=Verb.REFINE if changes else None,
        evidence={"diverged": search.diverged, "alpha_above": above},
        changes=changes,
        reasons=dict.fromkeys(changes, "most trials above it diverged"),
    )


def widen_range(state: StudyState) -> Action | None:
    """The best trials are at the end of a range, toward which dev error certainly falls."""
    changes, reasons, widened, evidence, falls = {}, {}, [], {}, []
    for one in state.open_ranges:
        bounds = [one.low, one.high]
        for pressed, upper in ((one.near_low, False), (one.near_high, True)):
            end, lower = beyond(one, upper=upper), fall(one, upper=upper)
            if pressed >= PRESSED and end is not None and lower is not None:
                falls.append(lower)
                bounds[upper] = end
                key = f"space.{one.name}"
                changes[key] = {one.kind: bounds}
                which = "last" if upper else "first"
                reasons[key] = f"wider: {share(pressed)} of the best trials are in its {which} tenth"
                widened.append(f"{one.name} {'up' if upper else 'down'} to {number(end)}")
                evidence[one.name] = {"best": one.best, "low": one.low, "high": one.high}
    if not changes:
        return None
    return Action(
        why="Dev error falls toward the end of a range, and better trials may be beyond it. Widen "
        f"{' and '.join(widened)}.",
        verb=Verb.REFINE,
        evidence=evidence,
        gain=gain_of(falls),
        changes=changes,
        reasons=reasons,
    )


def narrow_range(state: StudyState) -> Action | None:
    """Coarse to fine: good trials are in a part of a range, or never at a choice."""
    if "space.hidden" in state.changed or state.is_low(*GAPS):
        return None  # another network may need another learning rate; with low gaps there is nothing to refine
    changes: dict[str, Any] = {}
    for one in state.open_ranges:
        settled = not one.strength or not state.is_high(*GAPS)
        closer = narrowed(one) if settled else None
        if closer is not None:
            changes[f"space.{one.name}"] = closer
    for one in state.hyperparameters:
        if one.hopeless and f"space.{one.name}" not in state.changed:
            left = [each for each in one.bounds if each not in one.hopeless]
            changes[f"space.{one.name}"] = {"choice": left}
    if not changes:
        return None
    names = [key.removeprefix("space.") for key in changes]
    return Action(
        why="The best quarter of the trials is in a part of the searched ranges. Search there more finely (coarse to "
        f"fine): {join(names)}.",
        verb=Verb.REFINE,
        evidence={name: changes[f"space.{name}"] for name in names},
        changes=changes,
        reasons=dict.fromkeys(changes, "coarse to fine: the best quarter of the trials is here"),
    )


def gentler_pruning(state: StudyState) -> Action | None:
    """Pruning stopped trials that were better than the best one."""
    search = state.search
    if not search.pruned_winners:
        return None
    return Action(
        why=f"{search.pruned_winners} of {search.pruned} pruned trials were already better than the best trial when "
        "they were stopped. Search without pruning.",
        verb=Verb.REFINE,
        evidence={"pruned": search.pruned, "pruned_winners": search.pruned_winners},
        changes={"search.pruner": "none"},
        reasons={"search.pruner": "pruned trials were better than the best when they were stopped"},
    )


def fewer_duplicates(state: StudyState) -> Action | None:
    """Many trials repeat earlier ones, since the space is small."""
    search = state.search
    if not search.repeats_often:
        return None
    return Action(
        why=f"{search.duplicates} of {search.trials} trials are duplicates of earlier ones: the space is "
        "exhausted. Search more hyperparameters or wider ranges.",
        evidence={"duplicates": search.duplicates, "trials": search.trials},
    )


def more_trials(state: StudyState) -> Action | None:
    """The budget is not used up or too small, or the best trial came late."""
    search = state.search
    if not search.trials:
        return None
    evidence = {"done": search.done, "budget": search.budget, "since_best": search.since_best}
    if search.done < search.budget:
        why = f"{search.done:,} of {search.budget:,} trials are done."
        return Action(why=why, verb=Verb.SEARCH, evidence=evidence)
    too_few = search.searched and search.informative < search.wanted
    if not too_few and not search.improved_late:
        return None
    lost = f" that did not diverge ({search.diverged:,} did)" if search.diverged else ""
    late = f"one of the last {search.since_best + 1:,}" if search.since_best else "the last"
    why = (
        f"{count(search.informative, 'trial')}{lost} {'is' if search.informative == 1 else 'are'} few for "
        f"{count(search.searched, 'searched hyperparameter')}; about "
        f"{search.wanted:,} are enough."
        if too_few
        else f"The best trial is {late} of {search.done:,}: more trials may help."
    )
    more = max(search.wanted - search.informative, math.ceil(search.done / 2))
    return Action(why=why, verb=Verb.SEARCH, options={"trials": more}, evidence=evidence)


def nothing_promised(state: StudyState) -> Action | None:
    """No action promises a lower error: say so, and what would change that."""
    if state.promised or state.dev is None or state.is_low(*GAPS) or _is_clearly_beaten(state):
        return None
    missing = []
    if not state.diagnosis.baseline_given:
        missing.append("a baseline (--baseline E)")
    if state.curve is None and state.can_measure_curve:
        missing.append("a learning curve")
    if state.data.may_use_folds:
        missing.append("folds")
    if state.hyperparameters and all(one.effect_on_dev is None for one in state.ranges):
        missing.append("more trials that explore")
    if state.curve is None or not state.curve.is_flat:
        missing.append("more examples")
    curve = "" if state.curve is None else f" {state.curve.sentence()}"
    return Action(
        why="Nothing in this study promises a clearly lower error. What could change that: "
        f"{join([*missing, 'other features'], 'or')}.{curve}",
        evidence={"dev_error": state.dev.value, "attainable": state.diagnosis.attainable},
    )


def _is_clearly_beaten(state: StudyState) -> bool:
    """Return whether another model's error shows what is possible."""
    other = other_model(state.diagnosis)
    return other is not None and other.is_clear


def stop_searching(state: StudyState) -> Action | None:
    """A search with enough trials did not improve for long."""
    search = state.search
    if not search.is_exhausted:
        return None
    return Action(
        why=f"The last {search.since_best:,} of {search.done:,} trials brought no improvement, and more trials of this "
        "study are unlikely to bring any.",
        evidence={"since_best": search.since_best, "done": search.done},
    )
