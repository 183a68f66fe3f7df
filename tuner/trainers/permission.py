"""The trainer of a definition, and who may run the function that ``[network] trainer`` names.

A shared database must not become a way to run code.  So a function is run only if it stands in the definition file
that was given here, or was named on this command line; what the database's copy of a definition says is not enough,
and no folder that the database names is searched for it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tuner.errors import UsageError
from tuner.study import StudyDefinition
from tuner.trainers.custom import CustomTrainer
from tuner.trainers.function import TrainerFunction
from tuner.trainers.own import OwnNetwork
from tuner.trainers.trainer import Trainer


def trainer_of(
    definition: StudyDefinition, *, file_folder: Path | None = None, allowed: Collection[str] | None = None
) -> Trainer:
    """The trainer of a definition; one whose function is not permitted refuses to run.

    ``file_folder`` is where the definition file lies that was given here, None where the definition comes from the
    database; ``allowed`` are the names given with --allow-trainer, None where nothing will be run.  Raises UsageError
    where neither permits the function.
    """
    name = definition.network.trainer
    if name is None:
        return OwnNetwork(definition)
    if allowed is None:
        return CustomTrainer(definition, None)
    if file_folder is None and name not in allowed:
        raise UsageError(
            f"study {definition.name!r} runs a trainer, {name}, that only the database names; to run it here, say "
            f"--allow-trainer {name} (or give the definition file)"
        )
    here = Path.cwd()
    folders = tuple(dict.fromkeys([here] if file_folder is None else [file_folder, here]))
    return CustomTrainer(definition, TrainerFunction(name, folders))
