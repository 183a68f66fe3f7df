"""Actions about the examples: data checks, data mismatch, a dev set that is too small."""

from __future__ import annotations

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.bias import FOLDS
from tuner.analysis.actions.state import StudyState
from tuner.analysis.diagnosis import IF_UNCHANGED, examples_to_decide
from tuner.formatting import count, points, quoted, rounded, some_of
from tuner.outcomes import too_few_of_each_class

WRONG = 0.2  # dev error from which few rows of each class are a problem


def check_data(state: StudyState) -> Action | None:
    """The data checks warn, so every number is doubtful, or at least some rows are."""
    most = state.data.warnings_about
    if not state.data.warnings or (most is not None and most < state.diagnosis.material_gap):
        return None
    first, *more = state.data.warnings
    others = f" There {'is' if len(more) == 1 else 'are'} {count(len(more), 'more warning')}." if more else ""
    end = "" if first.endswith("?") else "."
    which = f"{first}{end}{others}"
    return Action(
        why=f"Check the data before anything else: {which} Until this is settled, no error in this report is reliable."
        if most is None
        else f"Look at these rows of the data: {which} An error changes by at most {points(most)} pp without them.",
        verb=Verb.DATA,
        evidence={"findings": list(state.data.warnings)},
    )


def more_rows_of_classes(state: StudyState) -> Action | None:
    """There are so few rows of each of many classes that nothing else matters."""
    unit = state.unit
    each = too_few_of_each_class(state.data.n_train, state.data.n_classes)
    if each is None or state.dev is None or state.dev.value < WRONG or not unit.is_share:
        return None
    return Action(
        why=f"{state.data.n_classes:,} classes have about {each:.2g} training rows each, and the dev error is "
        f"{unit.text(state.dev.value)}: so few rows per class are the problem. Combine classes, or collect more rows "
        "of each.",
        evidence={"classes": state.data.n_classes, "rows": each},
    )


def resemble_dev(state: StudyState) -> Action | None:
    """Dev examples differ from training examples."""
    unit = state.unit
    if not state.is_high("data_mismatch"):
        return None
    mismatch = state.size("data_mismatch")
    by = f" They differ most in {some_of([*map(quoted, state.differing)], 3)}." if state.differing else ""
    return Action(
        why=f"Dev error is {unit.gap(mismatch or 0.0)}{unit.of_gaps} above train-dev error. Look at the dev examples "
        f"that {'are wrong' if unit.is_share else 'are far off'}, and collect or make training examples like them.{by}",
        evidence={"data_mismatch": mismatch, "columns": list(state.differing)},
    )


def bigger_dev_set(state: StudyState) -> Action | None:
    """The best trial was chosen by chance differences on the dev set."""
    unit = state.unit
    if not state.is_high("dev_overfit"):
        return None
    overfit, n_dev, trials = state.size("dev_overfit"), state.data.n_dev, state.search.trials
    return Action(
        why=f"Test error is {unit.gap(overfit or 0.0)}{unit.of_gaps} above the dev error by which the trial was "
        f"chosen. {n_dev:,} dev examples are too few for {trials:,} trials: use a larger dev set.",
        evidence={"dev_overfit": overfit, "n_dev": n_dev, "trials": trials},
    )


def use_folds(state: StudyState) -> Action | None:
    """Every row outside the test set could serve as dev once."""
    unit = state.unit
    if not state.folds_would_serve or "data.folds" in state.changed:
        return None
    rows, n_dev = state.data.rows, state.data.n_dev
    return Action(
        why=f"With {n_dev:,} dev examples the variance is inconclusive (threshold "
        f"{unit.gap(state.diagnosis.material_gap)}{unit.of_gaps}). With {FOLDS} folds all {rows:,} rows outside the "
        f"test set are dev examples once{_whether_that_decides(state)}.",
        verb=Verb.REFINE,
        evidence={"n_dev": n_dev, "rows": rows, "needed": state.dev_needed},
        changes={"data.folds": FOLDS},
        reasons={"data.folds": f"variance inconclusive with {n_dev:,} dev examples; with folds there are {rows:,}"},
    )


def _whether_that_decides(state: StudyState) -> str:
    needed = state.dev_needed
    if needed is None:
        return ""
    enough = "" if state.folds_would_decide else ", so this helps but may not be enough"
    return f"; about {rounded(needed)} would decide it{enough}"


def more_dev_examples(state: StudyState) -> Action | None:
    """A larger dev set would decide a gap, and folds cannot make it large enough."""
    needed, n_dev = state.dev_needed, state.data.n_dev
    enough = state.folds_would_serve and state.folds_would_decide
    if not state.is_undecided("variance", "data_mismatch") or needed is None or enough:
        return None
    return Action(
        why=f"With {n_dev:,} dev examples the variance is inconclusive. About {rounded(needed)} would decide it "
        f"{IF_UNCHANGED}.",
        evidence={"n_dev": n_dev, "needed": needed},
    )


def more_examples(state: StudyState) -> Action | None:
    """A gap is inconclusive, and neither folds nor a larger dev set alone would decide it."""
    unit = state.unit
    gaps = state.diagnosis.too_few_examples
    is_high = state.is_high("avoidable_bias", "variance")
    if not gaps or is_high or state.folds_would_serve or more_dev_examples(state):
        return None
    needed = [_examples_needed(state, gap) for gap in gaps]
    curve = state.can_measure_curve and state.curve is None
    return Action(
        why=f"With {state.data.n_dev:,} dev and {state.data.n_train:,} training examples the report is inconclusive "
        f"(threshold {unit.gap(state.diagnosis.material_gap)}{unit.of_gaps}): {'; '.join(needed)}. Add examples"
        + (" (the learning curve shows what they would bring)" if curve else "")
        + ", or raise the threshold (--material-gap) if a larger gap is acceptable.",
        verb=Verb.LEARNING_CURVE if curve else None,
        evidence={"n_train": state.data.n_train, "n_dev": state.data.n_dev},
    )


def _examples_needed(state: StudyState, gap: str) -> str:
    """Say how many examples of which set would decide a gap."""
    needed, name = examples_to_decide(state.diagnosis, gap), gap.replace("_", " ")
    if needed is None:
        return f"the {name} is so close to the threshold that more examples would not decide it"
    which, examples = needed
    many = f"{examples:,} times as many examples" if which == "all" else f"about {rounded(examples)} {which} examples"
    return f"{many} would decide the {name}"
