"""What to do next: the lectures' recipe as ranked actions, each with its reason, evidence and command.

To add an action is one function of the evidence that returns it or None, and one line of ``RECIPE``.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.analysis.evidence import Evidence, KnobState
from tuner.analysis.words import number, percent, points, span

Step = Callable[[Evidence], "Action | None"]

PRESSED = 0.5  # share of the ten best trials in the outermost tenth of a range: the best may lie beyond
FOLDS = 5
MOST_ROWS_FOR_FOLDS = 50_000  # folds train every network so often; beyond, a larger dev set is the cheaper way
TRIALS_PER_KNOB = 10
LEAST_TRIALS = 20
DIVERGED_SHARE = 0.1
DUPLICATE_SHARE = 0.2
PLATEAU = 0.5  # share of the budget without a better trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do next.

    ``why`` is a plain sentence; ``command`` is empty where it takes a person. ``evidence`` holds the study's numbers
    that speak for it, ``expected_gain`` what it can bring, in words. ``changes`` maps keys of the definition to
    what they should become in the next one ("space.hidden": {"choice": ["64", "128"]}).
    """

    action: str
    why: str
    command: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expected_gain: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the action as it stands in ``summary.json``; the expected gain is part of its evidence."""
        evidence = dict(self.evidence) | ({"expected_gain": self.expected_gain} if self.expected_gain else {})
        return {"action": self.action, "why": self.why, "command": self.command, "evidence": evidence}


def recipe(evidence: Evidence) -> list[Action]:
    """Rank what to do: what makes a verdict possible, then bias, variance, mismatch, dev overfit, search health."""
    found = [step(evidence) for step in RECIPE.values()]
    return [action for action in found if action is not None]


def next_name(study: str) -> str:
    """Name of the study that goes on from this one: digits, digits-2, digits-3."""
    stem = study.rsplit("/", 1)[-1].removesuffix(".toml")
    match = re.fullmatch(r"(.+)-(\d+)", stem)
    return f"{match[1]}-{int(match[2]) + 1}" if match else f"{stem}-2"


def _command(evidence: Evidence, verb: str, *options: str) -> str:
    parts = ["tuner", verb, shlex.quote(evidence.study), *options, evidence.options]
    return " ".join(part for part in parts if part)


def _refine(evidence: Evidence) -> str:
    """Write the next definition, and search it."""
    following = shlex.quote(f"studies/{next_name(evidence.study)}.toml")
    stem = shlex.quote(evidence.study.rsplit("/", 1)[-1].removesuffix(".toml"))
    search = " ".join(part for part in ("tuner search", following, "--from", stem, evidence.options) if part)
    return f"{_command(evidence, 'refine', '--output', following)} && {search}"


def _at_most(gap: float | None, name: str) -> str:
    return "" if gap is None else f"at most {points(gap)} points, the {name}"


# Before anything else.


def run_search(evidence: Evidence) -> Action | None:
    """No complete trial yet, and not because all of them diverged."""
    if evidence.trials or evidence.diverged:
        return None
    why = "No trial is complete yet, so there is nothing to diagnose."
    return Action(action="run_search", why=why, command=_command(evidence, "search"))


def give_baseline(evidence: Evidence) -> Action | None:
    """High bias against a baseline that nobody gave."""
    if evidence.bias != "high" or evidence.baseline_given or evidence.train_error is None:
        return None
    why = (
        f"The train error of {percent(evidence.train_error)} counts as bias only because no baseline was given and 0 % "
        "was assumed: what error does a person, or the best other model, reach on these examples?"
    )
    return Action(
        action="give_baseline",
        why=why,
        command=_command(evidence, "report", "--baseline", "E"),
        evidence={"train_error": evidence.train_error, "baseline": 0.0},
    )


# High bias.


def train_longer(evidence: Evidence) -> Action | None:
    """The error was still falling when the epochs ran out."""
    if evidence.bias != "high" or not evidence.still_falling:
        return None
    return Action(
        action="train_longer",
        why=f"The best trial was still improving when it ended: its best epoch is {evidence.best_epoch} of at most "
        f"{evidence.max_epochs}.",
        command=_refine(evidence),
        evidence={"best_epoch": evidence.best_epoch, "max_epochs": evidence.max_epochs},
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes={"training.max_epochs": 2 * evidence.max_epochs},
    )


def bigger_network(evidence: Evidence) -> Action | None:
    """The largest network searched is the best, and it cannot learn its own training set."""
    if evidence.bias != "high" or evidence.hidden is None or not evidence.hidden_is_largest:
        return None
    larger = [_scaled(evidence.hidden, factor) for factor in (2, 4)]
    return Action(
        action="bigger_network",
        why=f"The network misses {percent(evidence.train_error or 0.0)} of the examples it learnt from, and no network "
        f"larger than {evidence.hidden} was tried.",
        command=_refine(evidence),
        evidence={"hidden": evidence.hidden, "proposed": larger},
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes={"space.hidden": {"choice": [evidence.hidden, *larger]}},
    )


def _scaled(hidden: str, factor: int) -> str:
    """Every layer so many times as wide; from no layer to one of 16 and of 32 units."""
    if hidden == "none":
        return str(8 * factor)
    return "-".join(str(factor * int(width)) for width in hidden.split("-"))


def less_regularisation(evidence: Evidence) -> Action | None:
    """A regularising knob holds the training error up, or could do so, and there is room to ease it."""
    if evidence.bias != "high":
        return None
    eased = [
        knob
        for knob in evidence.knobs
        if knob.strength and _amount(knob) > 0.25 and knob.pull_on_bias in (None, 0, knob.strength)
    ]
    eased.sort(key=lambda knob: (knob.pull_on_bias != knob.strength, -_amount(knob)))
    if not eased:
        return None
    return Action(
        action="less_regularisation",
        why=f"Regularisation keeps the network from learning its training set: {_named(eased)} can be eased.",
        command=_refine(evidence),
        evidence=_knob_evidence(eased, "pull_on_bias"),
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes={f"space.{knob.name}": _shifted(knob, stronger=False) for knob in eased},
    )


def other_architecture(evidence: Evidence) -> Action | None:
    """High bias, and neither size, length nor regularisation explains it."""
    if evidence.bias != "high" or any(step(evidence) for step in (train_longer, bigger_network, less_regularisation)):
        return None
    return Action(
        action="other_architecture",
        why="The network is large enough, trained long enough and hardly regularised, and still misses its training "
        "examples: other features, another activation or optimiser, or cleaner labels are what is left.",
        evidence={"train_error": evidence.train_error, "hidden": evidence.hidden},
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
    )


# High variance.


def more_data(evidence: Evidence) -> Action | None:
    """The network does worse on new examples: more of them is the surest remedy, if the curve says so."""
    if evidence.variance != "high" or evidence.curve_helps is False:
        return None
    if evidence.curve_today is None or evidence.curve_twice is None:
        return Action(
            action="more_data",
            why=f"Dev error is {points(evidence.variance_value or 0.0)} points above train error with "
            f"{evidence.n_train:,} training examples; the learning curve tells what more of them would bring.",
            command=_command(evidence, "learning-curve"),
            evidence={"n_train": evidence.n_train, "variance": evidence.variance_value},
            expected_gain=_at_most(evidence.variance_value, "variance"),
        )
    return Action(
        action="more_data",
        why=f"Twice the data would bring dev error from {percent(evidence.curve_today)} to about "
        f"{percent(evidence.curve_twice)} ({span(evidence.curve_low or 0.0, evidence.curve_high or 0.0)}).",
        evidence={"n_train": evidence.n_train, "today": evidence.curve_today, "twice": evidence.curve_twice},
        expected_gain=f"about {points(evidence.curve_today - evidence.curve_twice)} points with twice the data",
    )


def more_regularisation(evidence: Evidence) -> Action | None:
    """A regularising knob closes the gap, or could do so, and can be turned further."""
    if evidence.variance != "high":
        return None
    turned = [
        knob
        for knob in evidence.knobs
        if knob.strength and knob.pull_on_variance in (None, 0, -knob.strength) and _can_strengthen(knob)
    ]
    turned.sort(key=lambda knob: (knob.pull_on_variance != -knob.strength, _amount(knob)))
    if not turned:
        return None
    return Action(
        action="more_regularisation",
        why=f"The network fits what it has seen better than what it has not: more regularisation through "
        f"{_named(turned)}.",
        command=_refine(evidence),
        evidence=_knob_evidence(turned, "pull_on_variance"),
        expected_gain=_at_most(evidence.variance_value, "variance"),
        changes={f"space.{knob.name}": _shifted(knob, stronger=True) for knob in turned},
    )


def augmentation(evidence: Evidence) -> Action | None:
    """Images can be shifted and turned into more examples."""
    if evidence.variance != "high" or not evidence.images or evidence.augmented:
        return None
    return Action(
        action="augmentation",
        why="Shifted and slightly turned copies of the images are more training examples for nothing.",
        command=_refine(evidence),
        evidence={"n_train": evidence.n_train},
        expected_gain=_at_most(evidence.variance_value, "variance"),
        changes={"space.shift": {"uniform": [0.0, 2.0]}, "space.rotation": {"uniform": [0.0, 15.0]}},
    )


# Mismatch, dev overfit, and what cannot be told.


def resemble_dev(evidence: Evidence) -> Action | None:
    """Dev examples differ from training examples."""
    if evidence.mismatch != "high":
        return None
    return Action(
        action="resemble_dev",
        why=f"Dev error is {points(evidence.mismatch_value or 0.0)} points above the error on train-dev examples: look "
        "at what is wrong in dev, and collect or make training examples like it.",
        evidence={"data_mismatch": evidence.mismatch_value},
        expected_gain=_at_most(evidence.mismatch_value, "data mismatch"),
    )


def bigger_dev_set(evidence: Evidence) -> Action | None:
    """The choice went by the accidents of the dev set."""
    if evidence.dev_overfit != "high":
        return None
    return Action(
        action="bigger_dev_set",
        why=f"Test error is {points(evidence.dev_overfit_value or 0.0)} points above the dev error by which the trial "
        f"was chosen: {evidence.n_dev:,} dev examples are too few for {evidence.trials:,} trials.",
        evidence={"dev_overfit": evidence.dev_overfit_value, "n_dev": evidence.n_dev, "trials": evidence.trials},
    )


def use_folds(evidence: Evidence) -> Action | None:
    """Every row outside the test set could serve as dev once."""
    rows = evidence.n_train + evidence.n_dev
    undecided = "undecided" in (evidence.variance, evidence.mismatch)
    if not undecided or evidence.folds or not evidence.can_fold or rows > MOST_ROWS_FOR_FOLDS:
        return None
    enough = evidence.dev_needed is not None and evidence.dev_needed <= rows
    return Action(
        action="use_folds",
        why=f"{evidence.n_dev:,} dev examples cannot tell the variance from the line of "
        f"{points(evidence.material_gap)} points. With {FOLDS} folds all {rows:,} rows outside the test set are dev "
        f"examples once{_needed(evidence, enough)}.",
        command=_refine(evidence),
        evidence={"n_dev": evidence.n_dev, "rows": rows, "needed": evidence.dev_needed},
        changes={"data.folds": FOLDS},
    )


def _needed(evidence: Evidence, enough: bool) -> str:
    if evidence.dev_needed is None:
        return ""
    return f"; about {evidence.dev_needed:,} would decide" + ("" if enough else ", so it helps but may not do")


def more_dev_examples(evidence: Evidence) -> Action | None:
    """So many dev examples would decide."""
    undecided = "undecided" in (evidence.variance, evidence.mismatch)
    folding = use_folds(evidence)
    enough = folding is not None and (evidence.dev_needed or 0) <= evidence.n_train + evidence.n_dev
    if not undecided or evidence.dev_needed is None or enough:
        return None
    return Action(
        action="more_dev_examples",
        why=f"{evidence.n_dev:,} dev examples leave the gap undecided; about {evidence.dev_needed:,} would decide it "
        "if the errors stay as they are.",
        evidence={"n_dev": evidence.n_dev, "needed": evidence.dev_needed},
    )


# The health of the search.


def fewer_diverged(evidence: Evidence) -> Action | None:
    """Training blew up too often."""
    if not evidence.diverged or evidence.diverged < DIVERGED_SHARE * (evidence.trials + evidence.diverged):
        return None
    alpha = next((knob for knob in evidence.knobs if knob.name == "alpha"), None)
    above = evidence.diverged_above
    where = "" if above is None else f", most of them with α above {number(above)}"
    changes: dict[str, Any] = {}
    if alpha is not None and above is not None and alpha.low < above < alpha.high:
        changes["space.alpha"] = {alpha.kind: [alpha.low, float(number(above))]}
    return Action(
        action="fewer_diverged",
        why=f"{evidence.diverged:,} of {evidence.trials + evidence.diverged:,} trials diverged{where}: smaller "
        "learning rates, or a warm-up, leave more of the budget to trials that count.",
        command=_refine(evidence) if changes else "",
        evidence={"diverged": evidence.diverged, "alpha_above": above},
        changes=changes,
    )


def widen_range(evidence: Evidence) -> Action | None:
    """The best trials press against the end of a range."""
    changes, told, shown = {}, [], {}
    for knob in evidence.knobs:
        for pressed, upper in ((knob.near_low, False), (knob.near_high, True)):
            end = _beyond(knob, upper=upper)
            if pressed >= PRESSED and end is not None:
                bounds = [knob.low, end] if upper else [end, knob.high]
                changes[f"space.{knob.name}"] = {knob.kind: bounds}
                told.append(f"{knob.name} {'up' if upper else 'down'} to {number(end)}")
                shown[knob.name] = {"best": knob.best, "low": knob.low, "high": knob.high}
    if not changes:
        return None
    return Action(
        action="widen_range",
        why=f"The best trials lie at the end of a range, and better ones may lie beyond: widen {' and '.join(told)}.",
        command=_refine(evidence),
        evidence=shown,
        changes=changes,
    )


def gentler_pruning(evidence: Evidence) -> Action | None:
    """Trials were stopped that were better than the one that won."""
    if not evidence.pruned_winners:
        return None
    return Action(
        action="gentler_pruning",
        why=f"{evidence.pruned_winners} of {evidence.pruned} pruned trials were already better than the best trial "
        "when they were stopped.",
        command=_refine(evidence),
        evidence={"pruned": evidence.pruned, "pruned_winners": evidence.pruned_winners},
        changes={"search.pruner": "none"},
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
    done = evidence.trials + evidence.pruned
    shown = {"done": done, "budget": evidence.budget, "since_best": evidence.since_best}
    if done < evidence.budget:
        why = f"{done:,} of {evidence.budget:,} trials are done."
        return Action(action="more_trials", why=why, command=_command(evidence, "search"), evidence=shown)
    wanted = max(LEAST_TRIALS, TRIALS_PER_KNOB * evidence.searched)
    late = evidence.since_best < 0.1 * done
    if done >= wanted and not late:
        return None
    why = (
        f"{done:,} trials are few for {evidence.searched} searched hyperparameters; about {wanted:,} would do."
        if done < wanted
        else f"The best trial is one of the last {evidence.since_best + 1:,} of {done:,}: the search may not be done."
    )
    more = max(wanted - done, math.ceil(done / 2))
    return Action(
        action="more_trials", why=why, command=_command(evidence, "search", f"--trials {more}"), evidence=shown
    )


def stop_searching(evidence: Evidence) -> Action | None:
    """A long plateau: more of the same will not help."""
    done = evidence.trials + evidence.pruned
    if evidence.since_best < PLATEAU * done or done < LEAST_TRIALS or done < evidence.budget:
        return None
    return Action(
        action="stop_searching",
        why=f"The last {evidence.since_best:,} of {done:,} trials brought nothing better: more trials of this study "
        "are unlikely to.",
        evidence={"since_best": evidence.since_best, "done": done},
    )


def compare_logistic_regression(evidence: Evidence) -> Action | None:
    """A linear model does as well."""
    linear = evidence.logistic_regression
    if linear is None or evidence.dev_high is None or evidence.dev_error is None or evidence.dev_high < linear:
        return None
    return Action(
        action="compare_logistic_regression",
        why=f"Logistic regression is wrong on {percent(linear)} of the dev examples, which the network's "
        f"{percent(evidence.dev_error)} is not clearly below: a linear model may do.",
        evidence={"logistic_regression": linear, "dev_error": evidence.dev_error, "dev_high": evidence.dev_high},
    )


def evaluate_once(evidence: Evidence) -> Action | None:
    """Neither gap matters: train the chosen network and open the test set."""
    if (evidence.bias, evidence.variance) != ("low", "low") or "high" in (evidence.mismatch, evidence.dev_overfit):
        return None
    return Action(
        action="evaluate_once",
        why="Neither gap matters at this line: train the chosen network, and open the test set once.",
        command=_command(evidence, "train"),
        evidence={"avoidable_bias": evidence.bias_value, "variance": evidence.variance_value},
    )


RECIPE: dict[str, Step] = {
    step.__name__: step
    for step in (
        run_search,
        give_baseline,
        train_longer,
        bigger_network,
        less_regularisation,
        other_architecture,
        more_data,
        more_regularisation,
        augmentation,
        resemble_dev,
        bigger_dev_set,
        use_folds,
        more_dev_examples,
        evaluate_once,
        fewer_diverged,
        widen_range,
        gentler_pruning,
        more_trials,
        fewer_duplicates,
        stop_searching,
        compare_logistic_regression,
    )
}
"""In the order in which they are to be done."""


# Ranges.


def _amount(knob: KnobState) -> float:
    """How much a knob regularises at the best trial, 0 to 1 of its range."""
    return knob.position if knob.strength > 0 else 1 - knob.position


def _can_strengthen(knob: KnobState) -> bool:
    """Whether there is anything beyond, or a good part of the range left."""
    return _amount(knob) < 0.75 or _beyond(knob, upper=knob.strength > 0) is not None


def _beyond(knob: KnobState, *, upper: bool) -> float | None:
    """The next end of a range on one side: a decade, a doubling, or half its width on; None at a natural limit."""
    if knob.kind == "log_uniform":
        return knob.high * 10 if upper else knob.low / 10
    if knob.kind == "power_of_two":
        return int(knob.high * 2) if upper else int(knob.low // 2) or None
    if knob.kind == "one_minus_log_uniform":
        end = 1 - (1 - knob.high) / 3 if upper else max(0.0, 1 - 3 * (1 - knob.low))
    else:
        half = (knob.high - knob.low) / 2
        least = 0.1 if knob.name == "keep_prob" else min(knob.low, 0.0)
        end = min(knob.high + half, 1.0 if knob.high <= 1 else math.inf) if upper else max(knob.low - half, least)
    end = float(f"{end:.4g}")
    return None if end == (knob.high if upper else knob.low) else end


def _shifted(knob: KnobState, *, stronger: bool) -> dict[str, list[float]]:
    """A range that reaches from a little on the near side of the best value to beyond the far end."""
    upper = stronger == (knob.strength > 0)
    end = _beyond(knob, upper=upper)
    far = end if end is not None else (knob.high if upper else knob.low)
    if knob.kind == "log_uniform":
        near = knob.best / 3 if upper else knob.best * 3
    else:
        slack = (knob.high - knob.low) / 10
        near = knob.best - slack if upper else knob.best + slack
    near = float(f"{min(max(near, knob.low), knob.high):.3g}")
    return {knob.kind: [near, far] if upper else [far, near]}


def _named(knobs: list[KnobState]) -> str:
    return " and ".join(f"{knob.name} (now {number(knob.best)})" for knob in knobs)


def _knob_evidence(knobs: list[KnobState], pull: str) -> dict[str, Any]:
    return {
        knob.name: {"best": knob.best, "low": knob.low, "high": knob.high, pull: getattr(knob, pull)} for knob in knobs
    }
