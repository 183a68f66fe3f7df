"""Next steps: the recipe of the lectures as ranked actions.

To add an action, write one function of the study's state that returns it or None, and one line of ``ACTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tuner.analysis.actions import bias, data, errors, search, simple_models, variance
from tuner.analysis.actions.action import Action
from tuner.analysis.actions.state import StudyState


def rank_actions(state: StudyState) -> list[Action]:
    """Return the actions that apply: a model that is as good, baseline and data, certain gains, then by ``ACTIONS``.

    No two actions change the same key of the definition; the one ranked higher changes it.
    """
    actions: list[Action] = []
    for name, propose in ACTIONS.items():
        action = propose(state)
        if action is not None:
            actions.append(replace(action, action=name))
            promised = state.promised or action.gain is not None
            state = replace(state, changed=state.changed | set(action.changes), promised=promised)
    return sorted(actions, key=_rank)


def _rank(action: Action) -> tuple[int, float]:
    """Return the place of an action: what makes others superfluous, then certain gains, then the recipe's order.

    The certain gains are in the order of what they bring for the cost of one search.
    """
    if action.action in BEFORE_GAINS:
        return 0, 0.0
    if action.gain is None or action.gain.low <= 0:
        return 2, 0.0
    return 1, -action.gain.middle / SEARCHES.get(action.action, 1.0)


BEFORE_GAINS = (
    *("run_search", "more_rows_of_classes"),
    *("compare_gradient_boosting", "compare_nearest_neighbors", "compare_logistic_regression", "beat_majority"),
    *("compare_ridge", "beat_mean"),
    *("give_baseline", "check_data"),
)
SEARCHES = {"more_data": 2.0}
"""How many times a search the next one takes, if an action makes its trials longer."""


ACTIONS: dict[str, Callable[[StudyState], Action | None]] = {
    propose.__name__: propose
    for propose in (
        search.run_search,
        data.more_rows_of_classes,
        simple_models.compare_gradient_boosting,
        simple_models.compare_nearest_neighbors,
        simple_models.compare_logistic_regression,
        simple_models.compare_ridge,
        simple_models.beat_majority,
        simple_models.beat_mean,
        simple_models.give_baseline,
        data.check_data,
        bias.train_longer,
        bias.steadier_stopping,
        bias.bigger_network,
        bias.less_regularization,
        bias.other_architecture,
        variance.more_data,
        variance.more_regularization,
        search.widen_range,
        variance.augmentation,
        data.resemble_dev,
        data.bigger_dev_set,
        data.use_folds,
        data.more_dev_examples,
        data.more_examples,
        errors.fix_labels,
        errors.collect_segment,
        search.nothing_promised,
        search.choose_threshold,
        search.evaluate_once,
        search.fewer_diverged,
        search.gentler_pruning,
        search.more_trials,
        search.narrow_range,
        search.fewer_duplicates,
        search.stop_searching,
        simple_models.try_linear_model,
    )
}
"""In the order in which they should be done."""
