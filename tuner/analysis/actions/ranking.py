"""Next steps: the recipe of the lectures as ranked actions.

To add an action, write one function of the study's state that returns it or None, and one line of ``ACTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tuner.analysis.actions import bias, data, search, simple_models, variance
from tuner.analysis.actions.action import Action
from tuner.analysis.actions.state import StudyState


def rank_actions(state: StudyState) -> list[Action]:
    """Return the actions that apply, in the order of ``ACTIONS``: data and baseline, bias, variance, mismatch, dev
    overfit, search.

    No two actions change the same key of the definition; the one ranked higher changes it.
    """
    actions: list[Action] = []
    for name, propose in ACTIONS.items():
        action = propose(state)
        if action is not None:
            actions.append(replace(action, action=name))
            state = replace(state, changed=state.changed | set(action.changes))
    return actions


ACTIONS: dict[str, Callable[[StudyState], Action | None]] = {
    propose.__name__: propose
    for propose in (
        search.run_search,
        simple_models.give_baseline,
        data.check_data,
        simple_models.beat_majority,
        bias.train_longer,
        bias.steadier_stopping,
        bias.bigger_network,
        bias.less_regularization,
        bias.other_architecture,
        variance.more_data,
        variance.more_regularization,
        variance.augmentation,
        simple_models.compare_gradient_boosting,
        data.resemble_dev,
        data.bigger_dev_set,
        data.use_folds,
        data.more_dev_examples,
        data.more_examples,
        search.evaluate_once,
        search.fewer_diverged,
        search.widen_range,
        search.gentler_pruning,
        search.narrow_range,
        search.more_trials,
        search.fewer_duplicates,
        search.stop_searching,
        simple_models.compare_logistic_regression,
    )
}
"""In the order in which they should be done."""
