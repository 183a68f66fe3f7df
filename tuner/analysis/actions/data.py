"""What the examples call for: faults in them, data mismatch, a dev set that is too small to decide."""

from __future__ import annotations

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.bias import FOLDS
from tuner.analysis.actions.state import StudyState
from tuner.analysis.diagnosis import examples_to_decide
from tuner.formatting import points, rounded


def check_data(state: StudyState) -> Action | None:
    """The data are not what they should be, so that no number says what it seems to."""
    if not state.data.warnings:
        return None
    first, *more = state.data.warnings
    others = f" The data checks list {len(more)} more." if more else ""
    end = "" if first.endswith("?") else "."
    return Action(
        why=f"Check the data first: {first}{end}{others} Until this is settled, the errors here are not reliable.",
        verb=Verb.DATA,
        evidence={"findings": list(state.data.warnings)},
    )


def resemble_dev(state: StudyState) -> Action | None:
    """Dev examples differ from training examples."""
    if not state.is_high("data_mismatch"):
        return None
    mismatch = state.size("data_mismatch")
    return Action(
        why=f"Dev error is {points(mismatch or 0.0)} pp above the train-dev error. Look at the dev examples that "
        "are wrong, and collect or make training examples like them.",
        evidence={"data_mismatch": mismatch},
        expected_gain=state.gain("data_mismatch"),
    )


def bigger_dev_set(state: StudyState) -> Action | None:
    """The best trial was chosen by chance differences on the dev set."""
    if not state.is_high("dev_overfit"):
        return None
    overfit, n_dev, trials = state.size("dev_overfit"), state.data.n_dev, state.search.trials
    return Action(
        why=f"Test error is {points(overfit or 0.0)} pp above the dev error that chose the trial: {n_dev:,} "
        f"dev examples are too few for {trials:,} trials.",
        evidence={"dev_overfit": overfit, "n_dev": n_dev, "trials": trials},
    )


def use_folds(state: StudyState) -> Action | None:
    """Every row outside the test set could serve as dev once."""
    if not state.folds_would_serve or "data.folds" in state.changed:
        return None
    rows, n_dev = state.data.rows, state.data.n_dev
    return Action(
        why=f"{n_dev:,} dev examples are too few to compare the variance with the threshold of "
        f"{points(state.diagnosis.material_gap)} pp. With {FOLDS} folds each of the {rows:,} rows outside the test set "
        f"is a dev example once{_whether_that_decides(state)}.",
        verb=Verb.REFINE,
        evidence={"n_dev": n_dev, "rows": rows, "needed": state.dev_needed},
        changes={"data.folds": FOLDS},
        reasons={"data.folds": f"{n_dev:,} dev examples are inconclusive; with folds all {rows:,} rows serve as dev"},
    )


def _whether_that_decides(state: StudyState) -> str:
    needed = state.dev_needed
    if needed is None:
        return ""
    return f"; about {needed:,} would decide" + (
        "" if state.folds_would_decide else ", so it helps but may not be enough"
    )


def more_dev_examples(state: StudyState) -> Action | None:
    """A larger dev set would decide, and folds cannot make it so large."""
    needed, n_dev = state.dev_needed, state.data.n_dev
    enough = state.folds_would_serve and state.folds_would_decide
    if not state.is_undecided("variance", "data_mismatch") or needed is None or enough:
        return None
    return Action(
        why=f"{n_dev:,} dev examples are inconclusive about the gap. About {needed:,} would decide, if the errors "
        "stay as they are.",
        evidence={"n_dev": n_dev, "needed": needed},
    )


def more_examples(state: StudyState) -> Action | None:
    """Nothing is decided, and neither folds nor a larger dev set alone would decide it."""
    gaps = ("avoidable_bias", "variance")
    if not state.is_undecided(*gaps) or state.is_high(*gaps) or state.folds_would_serve or more_dev_examples(state):
        return None
    needed = [_examples_needed(state, gap) for gap in gaps if state.is_undecided(gap)]
    curve = state.can_train_again and state.curve is None
    return Action(
        why="Inconclusive: whether a gap is above the threshold of "
        f"{points(state.diagnosis.material_gap)} pp cannot be decided with {state.data.n_dev:,} dev and "
        f"{state.data.n_train:,} training examples: {'; '.join(needed)}. More examples"
        + (" (the learning curve estimates what they would bring)" if curve else "")
        + ", or a wider line where a gap of that size would do (--material-gap), make a verdict possible.",
        verb=Verb.LEARNING_CURVE if curve else None,
        evidence={"n_train": state.data.n_train, "n_dev": state.data.n_dev},
    )


def _examples_needed(state: StudyState, gap: str) -> str:
    """How many examples, of which set, would decide a gap."""
    needed, name = examples_to_decide(state.diagnosis, gap), gap.replace("_", " ")
    if needed is None:
        return f"the {name} lies too near the line for any number of examples to be named"
    which, examples = needed
    many = f"{examples:,} times the data" if which == "all" else f"about {rounded(examples)} {which} examples"
    return f"{many} would decide the {name}"
