"""``--from OLD``: start a new study with the trials of another one."""

from __future__ import annotations

from typing import Any

from tuner.errors import UsageError
from tuner.storage import Database, WarmStartTrial, get_study, read_points, require_hyperparameters
from tuner.study import StudyDefinition, parse_definition

MOST_OFFERS = 1000
MOST_REPEATED = 5
SAME_MEANING = ("data.", "search.metric", "network.trainer")
"""Settings that must be equal for values of two studies to be comparable."""


def offers_from(
    database: Database, old_name: str, definition: StudyDefinition, identity: dict[str, Any]
) -> list[WarmStartTrial]:
    """The complete trials of another study within this one's space, best first.

    Their values are kept if both studies use the same metric on the same dev examples.  Raises UsageError if there is
    no such study.
    """
    if old_name == definition.name:
        raise UsageError(f"--from {old_name}: a study cannot start with its own trials. Name the new study with --name")
    old = get_study(database, old_name)
    is_comparable = same_meaning(old.identity, identity)
    space = definition.searched_space
    defaults = definition.trainer_kind.defaults
    offers: list[WarmStartTrial] = []
    old_definition = parse_definition(old.definition, f"study {old_name!r} in {database.name}")
    for number, values, value in read_points(database, old.study_id):
        require_hyperparameters(database, old_name, number, old_definition.misfit(values))
        point = defaults | values
        if space.holds(point) and space.searched:
            offer = WarmStartTrial(space.sampled(point), value if is_comparable else None)
            if all(offer.sampled != other.sampled for other in offers[:MOST_REPEATED]):
                offers.append(offer)
    return offers[:MOST_OFFERS]


def n_repeated(offers: list[WarmStartTrial], budget: int) -> int:
    """How many offers are run again, so that the new study's best is one of its own trials."""
    return min(len(offers), MOST_REPEATED, max(1, budget // 4))


def same_meaning(*identities: dict[str, Any]) -> bool:
    """Whether values of these studies are comparable."""
    first, *others = ({key: value for key, value in one.items() if key.startswith(SAME_MEANING)} for one in identities)
    return all(other == first for other in others)
