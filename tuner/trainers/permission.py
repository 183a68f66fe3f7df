"""Find the trainer of a definition, and check whether its custom trainer may be run.

A shared database must not become a way to run code.  A custom trainer is run only if the definition file given here
names it, or ``--allow-trainer`` does.  The database's copy of a definition is not enough, and folders named in the
database are not searched for the module.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tuner.errors import UsageError
from tuner.study import StudyDefinition
from tuner.trainer_child.function import TrainerFunction
from tuner.trainers.custom import CustomTrainer
from tuner.trainers.own import OwnNetwork
from tuner.trainers.trainer import Trainer


def trainer_of(
    definition: StudyDefinition, *, file_folder: Path | None = None, allowed: Collection[str] | None = None
) -> Trainer:
    """The trainer of a definition.

    ``file_folder``: the folder of the definition file, None if the definition comes from the database.  ``allowed``:
    the names given with --allow-trainer, None if nothing will be run.  Raises UsageError if neither permits a custom
    trainer.
    """
    name = definition.network.trainer
    if name is None:
        return OwnNetwork(definition)
    if allowed is None:
        return CustomTrainer(definition, None)
    if file_folder is None and name not in allowed:
        raise UsageError(
            f"study {definition.name!r} has a custom trainer, {name}, that only the database names. To run it, pass "
            f"--allow-trainer {name} (in Python: allow_trainers=[{name!r}]) or the study file"
        )
    here = Path.cwd()
    folders = tuple(dict.fromkeys([here] if file_folder is None else [file_folder, here]))
    return CustomTrainer(definition, TrainerFunction(name, folders))
