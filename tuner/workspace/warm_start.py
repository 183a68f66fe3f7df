"""``--from OLD``: start a new study with the trials of another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.errors import UsageError
from tuner.formatting import count, some_of
from tuner.storage import (
    Begun,
    Database,
    WarmStartTrial,
    find_study,
    no_study,
    read_imported,
    read_points,
    require_hyperparameters,
)
from tuner.study import StudyDefinition, parse_definition
from tuner.workspace.points import check_point

MOST_OFFERS = 1000
MOST_REPEATED = 5
SAME_MEANING = ("data.", "search.metric", "network.trainer")
"""Settings that must be equal for values of two studies to be comparable."""


@dataclass(frozen=True)
class WarmStart:
    """The trials that a new study begins with, the best first; ``unfit``: those of the other study it cannot have."""

    begun: Begun
    offers: Sequence[WarmStartTrial]
    unfit: int = 0

    @property
    def note(self) -> str | None:
        """What the user should know of the trials that are not used."""
        if not self.unfit:
            return None
        is_one = self.unfit == 1
        return (
            f"{count(self.unfit, 'complete trial')} of {self.begun.study} {'is' if is_one else 'are'} not used: "
            f"{'it is' if is_one else 'they are'} outside this study's [space]"
        )


def warm_start(database: Database, old_name: str, definition: StudyDefinition, identity: dict[str, Any]) -> WarmStart:
    """Return the complete trials of another study that a new one could have.

    Each hyperparameter is in its range, has its fixed value or, where the new study does not set it, its default.
    Their values are kept if both studies use the same metric on the same dev examples.  Raises UsageError if there is
    no such study, or if it is of plain Optuna and none of its trials fits.
    """
    if old_name == definition.name:
        raise UsageError(f"--from {old_name}: a study cannot start with its own trials. Name the new study with --name")
    old = find_study(database, old_name)
    if old is None:
        imported = _offers_of_optuna(database, old_name, definition)
        return WarmStart(Begun(old_name, len(imported), is_imported=True), imported)
    old_definition = parse_definition(old.definition, f"study {old_name!r} in {database.name}")
    is_comparable = same_meaning(old.identity, identity)
    space, unfit = definition.searched_space, 0
    offers: list[WarmStartTrial] = []
    for number, values, value in read_points(database, old.study_id):
        require_hyperparameters(database, old_name, number, old_definition.misfit(values))
        point = old_definition.defaults | values
        if not space.holds(point) or not _has_defaults(definition, old_definition, values):
            unfit += 1
        elif space.searched:
            offer = WarmStartTrial(space.sampled(point), value if is_comparable else None)
            if all(offer.sampled != other.sampled for other in offers[:MOST_REPEATED]):
                offers.append(offer)
    offers = offers[:MOST_OFFERS]
    return WarmStart(Begun(old_name, len(offers)), offers, unfit)


def _has_defaults(definition: StudyDefinition, old_definition: StudyDefinition, values: Mapping[str, Any]) -> bool:
    """Whether hyperparameters of an old trial that the new study does not set have its defaults there, or no effect."""
    space, defaults = definition.searched_space, definition.defaults
    unset = values.keys() - space.fixed.keys() - space.searched.keys() - {*old_definition.searched_space.idle(values)}
    return all(name in defaults and values[name] == defaults[name] for name in unset)


def _offers_of_optuna(database: Database, old_name: str, definition: StudyDefinition) -> list[WarmStartTrial]:
    """The complete trials of a study of plain Optuna, as far as both name the same hyperparameters, best first.

    The rest of each is drawn when it is run.  Their values are not kept: what they measure is not known.
    """
    points = read_imported(database, old_name)
    if points is None:
        raise no_study(database, old_name)
    space, known = definition.searched_space, definition.trainer_kind.known(definition.space)
    offers: list[WarmStartTrial] = []
    why = None
    for point in points:
        values = {name: value for name, value in point.items() if name in known}
        try:
            check_point(definition, values)
        except UsageError as error:
            why = why or str(error)
            continue
        searched = {name: value for name, value in values.items() if name in space.searched}
        offer = WarmStartTrial(space.sampled(searched), None)
        if searched and all(offer.sampled != other.sampled for other in offers[:MOST_REPEATED]):
            offers.append(offer)
    if points and not offers:
        names = some_of(sorted({name for point in points for name in point}))
        why = why or f"its parameters are {names or 'none'}, searched are {', '.join(space.searched) or 'none'}"
        raise UsageError(f"--from {old_name}: none of its {count(len(points), 'complete trial')} fits: {why}")
    return offers[:MOST_OFFERS]


def n_repeated(offers: Sequence[WarmStartTrial], budget: int) -> int:
    """How many offers are run again, so that the new study's best is one of its own trials."""
    return min(len(offers), MOST_REPEATED, max(1, budget // 4))


def same_meaning(*identities: dict[str, Any]) -> bool:
    """Whether values of these studies are comparable."""
    first, *others = ({key: value for key, value in one.items() if key.startswith(SAME_MEANING)} for one in identities)
    return all(other == first for other in others)
