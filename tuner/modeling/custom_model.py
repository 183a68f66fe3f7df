"""The model of a custom trainer: a folder with ``model.json`` and what each of its networks saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.arguments import flag
from tuner.arguments import path as path_of
from tuner.errors import ModelError, UsageError
from tuner.files import refuse_overwriting, whole_folder, write_whole
from tuner.inputs import Inputs
from tuner.modeling.archive import METADATA
from tuner.modeling.metadata import ModelMetadata, read_metadata
from tuner.modeling.model import Floats, Model, Predictions
from tuner.trainers import CustomTrainer, trainer_of


class SavedNetwork:
    """One network, which the trainer's process loads and asks."""

    def __init__(self, trainer: CustomTrainer, path: Path, n_classes: int, n_targets: int) -> None:
        self.path = path
        self._trainer = trainer
        self._n_classes, self._n_targets = n_classes, n_targets

    def classify(self, X: Inputs) -> tuple[NDArray[Any], Floats]:
        """Class indices (n,) and probabilities (n, n_classes) of encoded rows; of numbers (n,) and (n, 1).

        Of several targets twice (n, n_targets).
        """
        (probabilities,) = self._trainer.predict([self.path], [X], self._n_classes, self._n_targets).probabilities
        if not self._n_classes:
            return (probabilities[:, 0] if self._n_targets == 1 else probabilities), probabilities
        return probabilities.argmax(axis=1), probabilities


class CustomModel(Model):
    """A model whose networks a custom trainer made and saved in ``folder``; the trainer's process answers for them."""

    def __init__(self, metadata: ModelMetadata, trainer: CustomTrainer, folder: Path) -> None:
        self.metadata = metadata
        self.encodings = metadata.encodings
        self._trainer = trainer
        paths = [folder / str(number) for number in range(len(metadata.updates))]
        self._shape = len(metadata.class_names), metadata.unit.n_targets
        self.networks: Sequence[Any] = [SavedNetwork(trainer, path, *self._shape) for path in paths]

    def average(self, places: Sequence[int], inputs: Sequence[Inputs]) -> Predictions:
        """Classes and mean probabilities of some of the networks, on the same inputs or on one's own each."""
        paths = [self.networks[k].path for k in places]
        predicted = self._trainer.predict(paths, inputs, *self._shape)
        if self.metadata.unit.targets:
            numbers = self.metadata.unit.predicted(np.mean(predicted.probabilities, axis=0, dtype=np.float64))
            return Predictions(numbers, numbers)
        if not self.metadata.unit.is_share:
            standardized = np.hstack(predicted.probabilities).mean(axis=1, dtype=np.float64)
            numbers = self.metadata.unit.predicted(standardized)
            return Predictions(numbers, numbers[:, None])
        mean: Floats = np.mean(predicted.probabilities, axis=0, dtype=np.float32)
        return self._decided(mean, has_probabilities=predicted.has_probabilities)

    @property
    def in_double_precision(self) -> Model:
        """The same model: how it computes is the trainer's."""
        return self

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the model to a folder, whole or not at all; an earlier model of its study is replaced with `force`."""
        path = path_of("path", path)
        flag("force", force)
        refuse_overwriting_folder(path, self.metadata.study, force=force)
        with whole_folder(path) as whole:
            for network in self.networks:
                copy = shutil.copytree if network.path.is_dir() else shutil.copyfile
                copy(network.path, whole / network.path.name)
            text = json.dumps(self.metadata.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
            write_whole(whole / METADATA, text)
        return path


def refuse_overwriting_folder(path: Path, study: str, *, force: bool) -> str | None:
    """Describe the model that saving to ``path`` replaces, if any.  Raises UsageError for what must stay."""
    if not (path / METADATA).is_file():
        refuse_overwriting(path)
        return None
    with suppress(ModelError):
        earlier = _metadata(path)
        if force and earlier.study == study:
            return f"a model of trial {earlier.trial}"
    raise UsageError(f"{path}: already exists; not overwritten. Choose another folder with --output")


def load_custom_model(folder: Path, allowed: Collection[str]) -> CustomModel:
    """Read the model of a custom trainer.  Raises UsageError unless ``allowed`` has the trainer, whose code is run."""
    metadata = _metadata(folder)
    definition = metadata.parsed_definition
    name = definition.network.trainer
    if name is None or metadata.architecture is not None:
        raise ModelError(f"{folder}: no model of a custom trainer; expected one written by tuner train")
    if name not in allowed:
        raise UsageError(
            f"{folder}: the model of a custom trainer, {name}, whose code runs to use it. To run it, pass "
            f"--allow-trainer {name} (in Python: allow_trainers=[{name!r}])"
        )
    trainer = trainer_of(definition, allowed=allowed)
    assert isinstance(trainer, CustomTrainer)
    missing = next((n for n in range(len(metadata.updates)) if not (folder / str(n)).exists()), None)
    if missing is not None:
        raise ModelError(f"{folder}: network {missing} is missing. Train the model again with tuner train")
    return CustomModel(metadata, trainer, folder.absolute())


def _metadata(folder: Path) -> ModelMetadata:
    try:
        plain = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ModelError(f"{folder}: no readable {METADATA} in it; expected a model written by tuner train") from None
    return read_metadata(plain, str(folder))
