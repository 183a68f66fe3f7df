"""What bias, variance, mismatch and dev overfit call for: one function of the evidence an action, or None."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tuner.analysis.action import Action, command, open_knobs, refine_and_search
from tuner.analysis.evidence import Evidence, KnobState
from tuner.analysis.learning_curve import promise
from tuner.analysis.next_ranges import amount, can_strengthen, shifted
from tuner.formatting import number, percent, points

FOLDS = 5
FEW_DEV_ROWS = 1000  # on fewer, errors of epochs differ by a point and more by chance alone
MOST_ROWS_FOR_FOLDS = 50_000  # folds train every network so often; beyond, a larger dev set is the cheaper way


def _at_most(gap: float | None, name: str) -> str:
    return "" if gap is None else f"at most {points(gap)} points, the {name}"


# Before anything else.


def check_data(evidence: Evidence) -> Action | None:
    """The data are not what they should be, so that no number says what it seems to."""
    if not evidence.data_warnings:
        return None
    first, *more = evidence.data_warnings
    others = f" And {len(more)} more of the kind." if more else ""
    end = "" if first.endswith("?") else "."
    return Action(
        action="check_data",
        why=f"Look at the data before anything else: {first}{end}{others} As long as that stands, no error here can be "
        "relied on.",
        command=command(evidence, "data"),
        evidence={"findings": list(evidence.data_warnings)},
    )


def run_search(evidence: Evidence) -> Action | None:
    """No complete trial yet, and not because all of them diverged."""
    if evidence.trials or evidence.diverged:
        return None
    why = "No trial is complete yet, so there is nothing to diagnose."
    return Action(action="run_search", why=why, command=command(evidence, "search"))


# High bias.


def train_longer(evidence: Evidence) -> Action | None:
    """The error was still falling when the epochs ran out."""
    if evidence.bias != "high" or not evidence.still_falling:
        return None
    return Action(
        action="train_longer",
        why=f"The best trial was still improving when it ended: its best epoch is {evidence.best_epoch} of at most "
        f"{evidence.max_epochs}.",
        command=refine_and_search(evidence),
        evidence={"best_epoch": evidence.best_epoch, "max_epochs": evidence.max_epochs},
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes={"training.max_epochs": 2 * evidence.max_epochs},
        reasons={"training.max_epochs": f"the best trial was still improving at epoch {evidence.best_epoch}"},
    )


def steadier_stopping(evidence: Evidence) -> Action | None:
    """The best trial's own network learns its training set, but early stopping chose an epoch before it had."""
    if evidence.bias != "high" or evidence.fits_epoch is None or evidence.fits_error is None:
        return None
    first, last = evidence.best_epochs
    chosen = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    changes: dict[str, Any] = {}
    if evidence.dev_rows < FEW_DEV_ROWS:
        changes = {"training.monitor": "cost"} if evidence.monitor == "error" else {}
        changes |= {"data.folds": FOLDS} if _can_use_folds(evidence) else {}
    return Action(
        action="steadier_stopping",
        why=f"The network is large enough: at epoch {evidence.fits_epoch} the best trial's train error is "
        f"{percent(evidence.fits_error)}. It is early stopping that holds it up, {_stopping_remedy(evidence, chosen)}",
        command=refine_and_search(evidence) if changes else "",
        evidence={
            "train_error": evidence.train_error,
            "fits_epoch": evidence.fits_epoch,
            "fits_error": evidence.fits_error,
            "best_epochs": [first, last],
            "dev_rows": evidence.dev_rows,
        },
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes=changes,
        reasons=dict.fromkeys(changes, f"early stopping chose {chosen}, before the training set was learnt"),
    )


def _stopping_remedy(evidence: Evidence, chosen: str) -> str:
    """Why early stopping chose so early, and what makes later epochs better."""
    watched = f"the {evidence.monitor.replace('_', ' ')} on {evidence.dev_rows:,} dev rows"
    if evidence.dev_rows >= FEW_DEV_ROWS:
        return f"which chose {chosen} by {watched}: more data or regularisation, so that later epochs do better, helps."
    smoother = ', their cost instead of their error (monitor = "cost")' if evidence.monitor == "error" else ""
    return (
        f"which chose {chosen} by {watched}, on which an early epoch may look best by luck. What helps is more "
        f"dev rows or folds to choose on{smoother}, and more data or regularisation, so that later epochs do better."
    )


def _fits(evidence: Evidence) -> bool:
    """Whether a network of this size, or a smaller one, has learnt its training set in this study."""
    return evidence.fits_epoch is not None or evidence.fits_trial is not None


def bigger_network(evidence: Evidence) -> Action | None:
    """The largest network searched is the best, and it cannot learn its own training set."""
    if evidence.bias != "high" or evidence.hidden is None or not evidence.hidden_is_largest or _fits(evidence):
        return None
    larger = [_scaled(evidence.hidden, factor) for factor in (2, 4)]
    return Action(
        action="bigger_network",
        why=f"The network misses {percent(evidence.train_error or 0.0)} of the examples it learnt from, and no network "
        f"larger than {evidence.hidden} was tried.",
        command=refine_and_search(evidence),
        evidence={"hidden": evidence.hidden, "proposed": larger},
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes={"space.hidden": {"choice": [evidence.hidden, *larger]}},
        reasons={
            "space.hidden": f"a bigger network: the largest tried misses {percent(evidence.train_error or 0.0)} of its "
            "training examples"
        },
    )


def _scaled(hidden: str, factor: int) -> str:
    """Every layer so many times as wide; from no layer to one of 16 and of 32 units."""
    if hidden == "none":
        return str(8 * factor)
    return "-".join(str(factor * int(width)) for width in hidden.split("-"))


def less_regularisation(evidence: Evidence) -> Action | None:
    """A regularising knob holds the training error up, or could do so, and there is room to ease it."""
    if evidence.bias != "high" or _fits(evidence):
        return None
    # Where variance is high too, only what certainly holds the training error up is eased.
    pulls = (1,) if evidence.variance == "high" else (1, 0, None)
    eased = [
        knob
        for knob in evidence.knobs
        if knob.strength and amount(knob) > 0.25 and _along(knob, knob.pull_on_bias) in pulls
    ]
    eased.sort(key=lambda knob: (knob.pull_on_bias != knob.strength, -amount(knob)))
    if not eased:
        return None
    return Action(
        action="less_regularisation",
        why=f"Regularisation keeps the network from learning its training set: {_named(eased)} can be eased.",
        command=refine_and_search(evidence),
        evidence=_knob_evidence(eased, "pull_on_bias"),
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
        changes={f"space.{knob.name}": shifted(knob, stronger=False) for knob in eased},
        reasons={
            f"space.{knob.name}": f"less regularisation: {number(knob.best)} was best, bias is high" for knob in eased
        },
    )


def _along(knob: KnobState, pull: int | None) -> int | None:
    """A pull in the direction in which the knob regularises more."""
    return None if pull is None else pull * knob.strength


def other_architecture(evidence: Evidence) -> Action | None:
    """High bias, and neither size, length nor regularisation explains it."""
    others = (train_longer, steadier_stopping, bigger_network, less_regularisation)
    if evidence.bias != "high" or any(step(evidence) for step in others):
        return None
    return Action(
        action="other_architecture",
        why=_what_is_left(evidence),
        evidence={"train_error": evidence.train_error, "hidden": evidence.hidden},
        expected_gain=_at_most(evidence.bias_value, "avoidable bias"),
    )


def _what_is_left(evidence: Evidence) -> str:
    if evidence.trainer is not None:
        return (
            f"Nothing that was searched lets the models of {evidence.trainer} learn their training examples: larger or "
            "other models, longer training, other features, or cleaner labels are what is left."
        )
    if evidence.fits_trial is not None:
        return (
            f"The network is large enough: in trial {evidence.fits_trial}, with one no larger, the train error falls "
            f"to {percent(evidence.fits_error or 0.0)}. The trial that does best on dev learnt its training set less "
            "well, so neither a bigger network nor less regularisation is what is missing: other features, cleaner "
            "labels or more data are."
        )
    return (
        "The network is large enough, trained long enough and hardly regularised, and still misses its training "
        "examples: other features, another activation or optimiser, or cleaner labels are what is left."
    )


# High variance.


def more_data(evidence: Evidence) -> Action | None:
    """The network does worse on new examples: more of them is the surest remedy, unless the curve is flat."""
    if evidence.variance != "high" or _is_flat(evidence):
        return None
    if evidence.curve_today is None or evidence.curve_estimate is None or evidence.curve_twice is None:
        return Action(
            action="more_data",
            why=f"Dev error is {points(evidence.variance_value or 0.0)} points above train error with "
            f"{evidence.n_train:,} training examples"
            + ("; the learning curve tells what more of them would bring." if evidence.trainer is None else "."),
            command=command(evidence, "learning-curve") if evidence.trainer is None else "",
            evidence={"n_train": evidence.n_train, "variance": evidence.variance_value},
            expected_gain=_at_most(evidence.variance_value, "variance"),
        )
    return Action(
        action="more_data",
        why=promise(
            evidence.curve_today,
            evidence.curve_estimate,
            evidence.curve_twice,
            evidence.curve_low or 0.0,
            evidence.curve_high or 0.0,
        )
        + ("." if evidence.curve_helps else "; today's error is inside that interval, so it may not help."),
        evidence={"n_train": evidence.n_train, "today": evidence.curve_today, "twice": evidence.curve_twice},
        expected_gain=""
        if evidence.curve_twice >= evidence.curve_estimate
        else f"about {points(evidence.curve_estimate - evidence.curve_twice)} points with twice the data",
    )


def _is_flat(evidence: Evidence) -> bool:
    """Whether even the best that twice the data may bring is less than what matters to the user.

    An interval that merely contains today's error is no such thing: with a small dev set it always does.
    """
    if evidence.curve_helps is not False or evidence.curve_estimate is None or evidence.curve_low is None:
        return False
    return evidence.curve_estimate - evidence.curve_low < evidence.material_gap


def more_regularisation(evidence: Evidence) -> Action | None:
    """A regularising knob closes the gap, or could do so, and can be turned further."""
    if evidence.variance != "high":
        return None
    turned = [
        knob
        for knob in open_knobs(evidence)
        if knob.strength and _along(knob, knob.pull_on_variance) in (-1, 0, None) and can_strengthen(knob)
    ]
    turned.sort(key=lambda knob: (knob.pull_on_variance != -knob.strength, amount(knob)))
    if not turned:
        return None
    return Action(
        action="more_regularisation",
        why=f"The network fits what it has seen better than what it has not: more regularisation through "
        f"{_named(turned)}.",
        command=refine_and_search(evidence),
        evidence=_knob_evidence(turned, "pull_on_variance"),
        expected_gain=_at_most(evidence.variance_value, "variance"),
        changes={f"space.{knob.name}": shifted(knob, stronger=True) for knob in turned},
        reasons={
            f"space.{knob.name}": f"more regularisation: {number(knob.best)} was best, variance is high"
            for knob in turned
        },
    )


def augmentation(evidence: Evidence) -> Action | None:
    """Images can be shifted and turned into more examples."""
    if evidence.variance != "high" or not evidence.images or evidence.augmented:
        return None
    return Action(
        action="augmentation",
        why="Shifted and slightly turned copies of the images are more training examples for nothing.",
        command=refine_and_search(evidence),
        evidence={"n_train": evidence.n_train},
        expected_gain=_at_most(evidence.variance_value, "variance"),
        changes={"space.shift": {"uniform": [0.0, 2.0]}, "space.rotation": {"uniform": [0.0, 15.0]}},
        reasons={
            "space.shift": "pixels; shifted copies are more examples",
            "space.rotation": "degrees; so are turned ones",
        },
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
    if not undecided or not _can_use_folds(evidence):
        return None
    enough = evidence.dev_needed is not None and evidence.dev_needed <= rows
    return Action(
        action="use_folds",
        why=f"{evidence.n_dev:,} dev examples cannot tell the variance from the line of "
        f"{points(evidence.material_gap)} points. With {FOLDS} folds all {rows:,} rows outside the test set are dev "
        f"examples once{_needed(evidence, enough)}.",
        command=refine_and_search(evidence),
        evidence={"n_dev": evidence.n_dev, "rows": rows, "needed": evidence.dev_needed},
        changes={"data.folds": FOLDS},
        reasons={
            "data.folds": f"{evidence.n_dev:,} dev examples leave the variance undecided; so all {rows:,} serve as dev"
        },
    )


def _can_use_folds(evidence: Evidence) -> bool:
    """Whether folds are still to be had: not there, possible, not too dear, and no action ranked higher has them."""
    rows = evidence.n_train + evidence.n_dev
    there = evidence.folds or "data.folds" in evidence.decided
    return not there and evidence.can_fold and rows <= MOST_ROWS_FOR_FOLDS


def _needed(evidence: Evidence, enough: bool) -> str:
    if evidence.dev_needed is None:
        return ""
    return f"; about {evidence.dev_needed:,} would decide" + ("" if enough else ", so it helps but may not do")


def more_dev_examples(evidence: Evidence) -> Action | None:
    """So many dev examples would decide."""
    undecided = "undecided" in (evidence.variance, evidence.mismatch)
    folding = use_folds(replace(evidence, decided=frozenset()))  # whoever proposes folds, they are to be had
    enough = folding is not None and (evidence.dev_needed or 0) <= evidence.n_train + evidence.n_dev
    if not undecided or evidence.dev_needed is None or enough:
        return None
    return Action(
        action="more_dev_examples",
        why=f"{evidence.n_dev:,} dev examples leave the gap undecided; about {evidence.dev_needed:,} would decide it "
        "if the errors stay as they are.",
        evidence={"n_dev": evidence.n_dev, "needed": evidence.dev_needed},
    )


def more_examples(evidence: Evidence) -> Action | None:
    """Nothing is decided, and neither folds nor a larger dev set alone would decide it."""
    levels = (evidence.bias, evidence.variance)
    served = use_folds(replace(evidence, decided=frozenset())) or more_dev_examples(evidence)
    if "undecided" not in levels or "high" in levels or served:
        return None
    told = [_decided_by(*of) for of in evidence.needed if of[0] in ("avoidable bias", "variance")]
    has_curve = evidence.curve_twice is not None
    curve = evidence.trainer is None and not has_curve
    return Action(
        action="more_examples",
        why=f"Whether a gap is above the line of {points(evidence.material_gap)} points cannot be told from these "
        f"{evidence.n_dev:,} dev and {evidence.n_train:,} training examples"
        + (f": {'; '.join(told)}" if told else "")
        + ". More examples"
        + (" (the learning curve tells what they would bring)" if curve else "")
        + ", or a wider line where a gap of that size would do (--material-gap), make a verdict possible.",
        command=command(evidence, "learning-curve") if curve else "",
        evidence={"n_train": evidence.n_train, "n_dev": evidence.n_dev},
    )


def _decided_by(gap: str, which: str, examples: int | None) -> str:
    if examples is None:
        return f"the {gap} lies too near the line for any number of examples to be named"
    many = (
        f"{examples:,} times the data" if which == "all" else f"about {float(f'{examples:.2g}'):,.0f} {which} examples"
    )
    return f"{many} would decide the {gap}"


def evaluate_once(evidence: Evidence) -> Action | None:
    """Neither gap matters: train the chosen network and open the test set."""
    if (evidence.bias, evidence.variance) != ("low", "low") or "high" in (evidence.mismatch, evidence.dev_overfit):
        return None
    return Action(
        action="evaluate_once",
        why=(
            "Once what the checks of the data found is settled, and if neither gap matters then"
            if evidence.data_warnings
            else "Neither gap matters at this line"
        )
        + ": train the chosen network, and open the test set once.",
        command=command(evidence, "train") if evidence.trainer is None else "",
        evidence={"avoidable_bias": evidence.bias_value, "variance": evidence.variance_value},
    )


def _named(knobs: list[KnobState]) -> str:
    return " and ".join(f"{knob.name} (now {number(knob.best)})" for knob in knobs)


def _knob_evidence(knobs: list[KnobState], pull: str) -> dict[str, Any]:
    return {
        knob.name: {"best": knob.best, "low": knob.low, "high": knob.high, pull: getattr(knob, pull)} for knob in knobs
    }
