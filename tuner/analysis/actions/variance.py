"""What a high variance calls for: more data, more regularization, augmentation."""

from __future__ import annotations

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.ranges import described, regularize
from tuner.analysis.actions.state import StudyState
from tuner.analysis.next_ranges import amount, can_strengthen
from tuner.formatting import points


def more_data(state: StudyState) -> Action | None:
    """The network does worse on new examples: more of them is the surest way, unless the learning curve is flat."""
    if not state.is_high("variance"):
        return None
    if state.curve is None:
        return _measure_curve(state)
    curve, twice = state.curve, state.curve.twice.value
    if curve.is_flat(state.diagnosis.material_gap):
        return None
    return Action(
        why=curve.promise() + ("." if curve.helps else ". Today's error is inside that interval, so it may not help."),
        evidence={"n_train": state.data.n_train, "today": curve.today, "twice": twice},
        expected_gain=""
        if twice >= curve.estimate
        else f"about {points(curve.estimate - twice)} pp with twice the data",
    )


def _measure_curve(state: StudyState) -> Action:
    """More data, and the command that measures what they would bring; none where it cannot be measured."""
    variance, curve = state.size("variance"), state.can_train_again
    return Action(
        why=f"Dev error is {points(variance or 0.0)} pp above train error with {state.data.n_train:,} training "
        "examples." + (" The learning curve estimates what more of them would bring." if curve else ""),
        verb=Verb.LEARNING_CURVE if curve else None,
        evidence={"n_train": state.data.n_train, "variance": variance},
        expected_gain=state.gain("variance"),
    )


def more_regularization(state: StudyState) -> Action | None:
    """A regularizing hyperparameter closes the gap, or could do so, and can be turned further."""
    if not state.is_high("variance"):
        return None
    turned = [
        one
        for one in state.open_ranges
        if one.strength and one.stronger_on_variance in (-1, 0, None) and can_strengthen(one)
    ]
    turned.sort(key=lambda one: (one.effect_on_variance != -one.strength, amount(one)))
    if not turned:
        return None
    why = f"The network does better on its training examples than on new ones. Regularize it more: {described(turned)}."
    return regularize(state, turned, why, stronger=True)


def augmentation(state: StudyState) -> Action | None:
    """Images can be shifted and rotated into more examples."""
    if not state.is_high("variance") or not state.data.images or state.data.augmented:
        return None
    return Action(
        why="Shifted and slightly rotated copies of the images are free training examples.",
        verb=Verb.REFINE,
        evidence={"n_train": state.data.n_train},
        expected_gain=state.gain("variance"),
        changes={"space.shift": {"uniform": [0.0, 2.0]}, "space.rotation": {"uniform": [0.0, 15.0]}},
        reasons={
            "space.shift": "pixels; shifted copies are more training examples",
            "space.rotation": "degrees; rotated copies are more training examples",
        },
    )
