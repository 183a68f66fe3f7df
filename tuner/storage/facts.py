"""What a study's database keeps of its data and its start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tuner.outcomes import STRICT, Finding
from tuner.paths import STUDY_NAME
from tuner.row_losses import Loss
from tuner.units import SHARE, Unit

AT_RANDOM = "random"
_OF_TRAINING = ("pooled_epoch", "exact_zeros", "weighs_classes", "ties_by_cost")


@dataclass(frozen=True, slots=True)
class Begun:
    """The study whose trials this one started with, and their number; whether it is of plain Optuna."""

    __pydantic_config__ = STRICT
    study: Annotated[str, Field(pattern=f"^{STUDY_NAME}$")]
    trials: Annotated[int, Field(ge=0, lt=2**31)]
    is_imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """What was known when a study was made; ``references``: the reference models' dev errors, None until trained.

    ``exploring``: the sampler of its exploring trials; studies of 0.1 have none and used pseudo-random ones.
    ``pooled_epoch``: whether the networks of all folds end at one epoch, the best one on their dev rows together; in
    studies of 0.2 and before each fold chose its own.
    ``exact_zeros``: whether an L1 penalty makes weights exactly 0, as it does not in studies of 0.2 and before; False
    without one.
    ``weighs_classes``: whether the metric's class weights are in every error, of training rows, too; in studies of 0.2
    and before trials alone were chosen by them.  False without class weights.
    ``ties_by_cost``: whether of epochs that are as good the one with the lowest cost on dev counts, not the first, as
    in studies of 0.2 and before.

    ``unit``: that of the errors; of numbers to predict, for which there are no classes, with their mean and scale.

    ``n_features``: inputs of a network; ``form_features``: with each form of numbers that trials may choose.
    ``form_periodic``: of how many of these it makes periodic ones, if of any; "" is the form of the data.
    ``sizes``: rows in train, dev, train_dev and test; ``folder``: where the definition's relative paths begin;
    ``versions``: of Python and the libraries.
    """

    class_names: list[str]
    sizes: dict[str, int]
    n_features: int | None = None
    form_features: Mapping[str, int] = field(default_factory=dict)
    form_periodic: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""
    notices: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    begun: Begun | None = None
    references: Mapping[str, float | None] | None = None
    exploring: str = AT_RANDOM
    pooled_epoch: bool = False
    exact_zeros: bool = False
    weighs_classes: bool = False
    ties_by_cost: bool = False
    unit: Unit = SHARE

    @property
    def targets_type(self) -> str:
        """The type of the dev rows' targets in the database: class indices, or standardized numbers."""
        return "<i4" if self.unit.is_share else "<f4"

    def targets_of(self, stored: bytes) -> np.ndarray:
        """Return the targets of the dev rows as the database has them: int64 classes, or float64 numbers.

        Of several targets (n_dev, n_targets).
        """
        y = np.frombuffer(stored, self.targets_type).astype(np.int64 if self.unit.is_share else np.float64)
        return y.reshape(-1, self.unit.n_targets) if self.unit.targets else y

    def trains_as(self, other: StudyFacts) -> bool:
        """Whether the same hyperparameters and seed make the same network in both studies."""
        return all(getattr(self, name) == getattr(other, name) for name in _OF_TRAINING)

    @classmethod
    def from_json(cls, text: str) -> StudyFacts:
        """Read what ``to_json`` wrote; 0.1 left out empty entries."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> StudyFacts:
        """Facts from plain JSON values."""
        begun = document.get("from")
        return cls(
            class_names=list(document["class_names"]),
            sizes=dict(document["sizes"]),
            n_features=document.get("n_features"),
            form_features=document.get("form_features", {}),
            form_periodic=document.get("form_periodic", {}),
            folder=document.get("folder", ""),
            notices=list(document.get("notices") or ()),
            versions=dict(document.get("versions") or {}),
            findings=[Finding.from_dict(finding) for finding in document.get("honesty") or ()],
            begun=None if begun is None else Begun(**begun),
            references=document.get("references"),
            exploring=document.get("exploring", AT_RANDOM),
            pooled_epoch=document.get("pooled_epoch", False),
            exact_zeros=document.get("exact_zeros", False),
            weighs_classes=document.get("weighs_classes", False),
            ties_by_cost=document.get("ties_by_cost", False),
            unit=_unit_of(document),
        )

    def to_json(self) -> str:
        """As the study's column stores it; entries that 0.1 did not have are left out if empty."""
        document: dict[str, Any] = {
            "class_names": self.class_names,
            "sizes": self.sizes,
            "n_features": self.n_features,
            "folder": self.folder,
            "notices": self.notices,
            "versions": self.versions,
            "honesty": [finding.to_dict() for finding in self.findings],
        }
        if self.form_features:
            document["form_features"] = dict(self.form_features)
        if self.form_periodic:
            document["form_periodic"] = dict(self.form_periodic)
        if self.begun is not None:
            document["from"] = {"study": self.begun.study, "trials": self.begun.trials}
            if self.begun.is_imported:
                document["from"]["is_imported"] = True
        if self.references is not None:
            document["references"] = dict(self.references)
        if self.exploring != AT_RANDOM:
            document["exploring"] = self.exploring
        if not self.unit.is_share:
            document["numbers"] = self.unit.to_dict()
        if self.unit.loss is not None:
            document["loss"] = self.unit.loss.to_dict()
        document |= {name: True for name in _OF_TRAINING if getattr(self, name)}
        return json.dumps(document)


def _unit_of(document: Mapping[str, Any]) -> Unit:
    loss = document.get("loss")
    return Unit.from_dict(document.get("numbers", {})) if loss is None else Unit(loss=Loss.from_dict(loss))
