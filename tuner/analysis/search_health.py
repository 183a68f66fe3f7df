"""What the search itself calls for: one function of the evidence an action, or None."""

from __future__ import annotations

import math
from typing import Any

from tuner.analysis.action import Action, command, open_knobs, refine_and_search
from tuner.analysis.evidence import Evidence
from tuner.analysis.next_ranges import beyond, narrowed
from tuner.formatting import number

PRESSED = 0.5  # share of the ten best trials in the outermost tenth of a range: the best may lie beyond
TRIALS_PER_KNOB = 10
LEAST_TRIALS = 20
DIVERGED_SHARE = 0.1
DUPLICATE_SHARE = 0.2
PLATEAU = 0.5  # share of the budget without a better trial


def fewer_diverged(evidence: Evidence) -> Action | None:
    """Training blew up too often."""
    if not evidence.diverged or evidence.diverged < DIVERGED_SHARE * (evidence.trials + evidence.diverged):
        return None
    alpha = next((knob for knob in open_knobs(evidence) if knob.name == "alpha"), None)
    above = evidence.diverged_above
    where = "" if above is None else f", most of them with α above {number(above)}"
    changes: dict[str, Any] = {}
    if alpha is not None and above is not None and alpha.low < above < alpha.high:
        changes["space.alpha"] = {alpha.kind: [alpha.low, float(number(above))]}
    return Action(
        action="fewer_diverged",
        why=f"{evidence.diverged:,} of {evidence.trials + evidence.diverged:,} trials diverged{where}: smaller "
        "learning rates, or a warm-up, leave more of the budget to trials that count.",
        command=refine_and_search(evidence) if changes else "",
        evidence={"diverged": evidence.diverged, "alpha_above": above},
        changes=changes,
        reasons=dict.fromkeys(changes, "most trials above diverged"),
    )


def widen_range(evidence: Evidence) -> Action | None:
    """The best trials press against the end of a range."""
    changes, reasons, told, shown = {}, {}, [], {}
    for knob in open_knobs(evidence):
        bounds = [knob.low, knob.high]
        for pressed, upper in ((knob.near_low, False), (knob.near_high, True)):
            end = beyond(knob, upper=upper)
            if pressed >= PRESSED and end is not None:
                bounds[upper] = end
                key = f"space.{knob.name}"
                changes[key] = {knob.kind: bounds}
                which = "last" if upper else "first"
                reasons[key] = f"wider: {100 * pressed:.0f} % of the best trials lie in its {which} tenth"
                told.append(f"{knob.name} {'up' if upper else 'down'} to {number(end)}")
                shown[knob.name] = {"best": knob.best, "low": knob.low, "high": knob.high}
    if not changes:
        return None
    return Action(
        action="widen_range",
        why=f"The best trials lie at the end of a range, and better ones may lie beyond: widen {' and '.join(told)}.",
        command=refine_and_search(evidence),
        evidence=shown,
        changes=changes,
        reasons=reasons,
    )


def narrow_range(evidence: Evidence) -> Action | None:
    """From coarse to fine: good trials lie in a part of a range, or never at a choice."""
    if "space.hidden" in evidence.decided or (evidence.bias, evidence.variance) == ("low", "low"):
        return None  # another network may want another learning rate; and where no gap matters, nor does the rest
    changes: dict[str, Any] = {}
    for knob in open_knobs(evidence):
        settled = not knob.strength or "high" not in (evidence.bias, evidence.variance)
        closer = narrowed(knob) if settled else None
        if closer is not None:
            changes[f"space.{knob.name}"] = closer
    for choice in evidence.choices:
        if choice.hopeless and f"space.{choice.name}" not in evidence.decided:
            left = [one for one in choice.choices if one not in choice.hopeless]
            changes[f"space.{choice.name}"] = {"choice": left}
    if not changes:
        return None
    names = [key.removeprefix("space.") for key in changes]
    return Action(
        action="narrow_range",
        why="The best quarter of the trials lies in a part of what was searched: from coarse to fine, look more "
        f"closely at {_listed(names)}.",
        command=refine_and_search(evidence),
        evidence={name: changes[f"space.{name}"] for name in names},
        changes=changes,
        reasons=dict.fromkeys(changes, "coarse to fine: the best quarter of the trials lies here"),
    )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def gentler_pruning(evidence: Evidence) -> Action | None:
    """Trials were stopped that were better than the one that won."""
    if not evidence.pruned_winners:
        return None
    return Action(
        action="gentler_pruning",
        why=f"{evidence.pruned_winners} of {evidence.pruned} pruned trials were already better than the best trial "
        "when they were stopped.",
        command=refine_and_search(evidence),
        evidence={"pruned": evidence.pruned, "pruned_winners": evidence.pruned_winners},
        changes={"search.pruner": "none"},
        reasons={"search.pruner": "pruned trials were better than the best when they were stopped"},
    )


def fewer_duplicates(evidence: Evidence) -> Action | None:
    """The space is so small that trials repeat."""
    if evidence.duplicates < DUPLICATE_SHARE * max(evidence.trials, 1):
        return None
    return Action(
        action="fewer_duplicates",
        why=f"{evidence.duplicates} of {evidence.trials} trials repeat hyperparameters that were tried before: the "
        "space is exhausted, so search more knobs or wider ranges.",
        evidence={"duplicates": evidence.duplicates, "trials": evidence.trials},
    )


def more_trials(evidence: Evidence) -> Action | None:
    """The budget is not used up, too small for so many knobs, or the best came late."""
    if not evidence.trials:
        return None
    done = _done(evidence)
    shown = {"done": done, "budget": evidence.budget, "since_best": evidence.since_best}
    if done < evidence.budget:
        why = f"{done:,} of {evidence.budget:,} trials are done."
        return Action(action="more_trials", why=why, command=command(evidence, "search"), evidence=shown)
    telling, wanted = done - evidence.diverged, _wanted(evidence)
    late = evidence.since_best < 0.1 * done
    if telling >= wanted and not late:
        return None
    lost = f" that did not diverge ({evidence.diverged:,} did)" if evidence.diverged else ""
    why = (
        f"{telling:,} trials{lost} are few for {evidence.searched} searched hyperparameters; about {wanted:,} would do."
        if telling < wanted
        else f"The best trial is one of the last {evidence.since_best + 1:,} of {done:,}: the search may not be done."
    )
    more = max(wanted - telling, math.ceil(done / 2))
    return Action(
        action="more_trials", why=why, command=command(evidence, "search", f"--trials {more}"), evidence=shown
    )


def _done(evidence: Evidence) -> int:
    """Trials that used the budget up, diverged ones included."""
    return evidence.trials + evidence.pruned + evidence.diverged


def _wanted(evidence: Evidence) -> int:
    """Trials without which so many knobs are hardly searched."""
    return max(LEAST_TRIALS, TRIALS_PER_KNOB * evidence.searched)


def stop_searching(evidence: Evidence) -> Action | None:
    """A long plateau of a search with trials enough: more of the same will not help."""
    done = _done(evidence)
    if evidence.since_best < PLATEAU * done or done - evidence.diverged < _wanted(evidence) or done < evidence.budget:
        return None
    return Action(
        action="stop_searching",
        why=f"The last {evidence.since_best:,} of {done:,} trials brought nothing better: more trials of this study "
        "are unlikely to.",
        evidence={"since_best": evidence.since_best, "done": done},
    )
