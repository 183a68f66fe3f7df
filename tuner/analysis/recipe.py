"""What to do next: the lectures' recipe as ranked actions, each with its reason, evidence and command.

To add an action is one function of the evidence that returns it or None, and one line of ``RECIPE``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tuner.analysis.action import Action
from tuner.analysis.evidence import Evidence
from tuner.analysis.remedies import (
    augmentation,
    bigger_dev_set,
    bigger_network,
    check_data,
    evaluate_once,
    less_regularisation,
    more_data,
    more_dev_examples,
    more_examples,
    more_regularisation,
    other_architecture,
    resemble_dev,
    run_search,
    steadier_stopping,
    train_longer,
    use_folds,
)
from tuner.analysis.search_health import (
    fewer_diverged,
    fewer_duplicates,
    gentler_pruning,
    more_trials,
    narrow_range,
    stop_searching,
    widen_range,
)
from tuner.analysis.simple_models import (
    beat_majority,
    compare_gradient_boosting,
    compare_logistic_regression,
    give_baseline,
)

Step = Callable[[Evidence], Action | None]


def recipe(evidence: Evidence) -> list[Action]:
    """Rank what to do: what makes numbers true and a verdict possible, then bias, variance, mismatch, dev overfit,
    search health.  That a simple model does better comes after what makes the network better.

    No two actions change the same key of the definition: the one ranked higher decides.
    """
    found: list[Action] = []
    for step in RECIPE.values():
        action = step(replace(evidence, decided=frozenset().union(*(other.changes for other in found))))
        if action is not None:
            found.append(action)
    return found


RECIPE: dict[str, Step] = {
    step.__name__: step
    for step in (
        run_search,
        give_baseline,
        check_data,
        beat_majority,
        train_longer,
        steadier_stopping,
        bigger_network,
        less_regularisation,
        other_architecture,
        more_data,
        more_regularisation,
        augmentation,
        compare_gradient_boosting,
        resemble_dev,
        bigger_dev_set,
        use_folds,
        more_dev_examples,
        more_examples,
        evaluate_once,
        fewer_diverged,
        widen_range,
        gentler_pruning,
        narrow_range,
        more_trials,
        fewer_duplicates,
        stop_searching,
        compare_logistic_regression,
    )
}
"""In the order in which they are to be done."""
