"""The numbers a report rests on, computed when they are first looked at."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuner.analysis import Diagnosis, ErrorEstimate, Gap, KnobEffects
from tuner.outcomes import Verdict
from tuner.reporting.data_checks import warnings
from tuner.reporting.effects import Importances, find_effects, find_importances
from tuner.reporting.findings import Findings
from tuner.reporting.frames import epochs_frame, trial_rows, trials_frame
from tuner.reporting.learning import Learning, find_learning
from tuner.reporting.news import News
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Numbers:
    """A study, what was found in it, and when.

    ``baseline`` and ``material_gap`` of the findings are those in force; ``made`` is in UTC.
    """

    record: StudyRecord
    definition: StudyDefinition
    findings: Findings
    made: datetime.datetime
    news: News | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """Errors, gaps and verdict of the best trial."""
        return self.findings.diagnosis

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the lowest value; None as long as there is none."""
        return self.findings.best

    @property
    def verdict(self) -> Verdict:
        """Which of avoidable bias and variance are high."""
        return self.diagnosis.verdict

    @property
    def avoidable_bias(self) -> Gap | None:
        """Train error less baseline; None as long as no trial is complete."""
        return self.diagnosis.gaps.get("avoidable_bias")

    @property
    def variance(self) -> Gap | None:
        """Dev error (or train-dev error) less train error; None as long as no trial is complete."""
        return self.diagnosis.gaps.get("variance")

    @property
    def corrected(self) -> ErrorEstimate | None:
        """The best trial's dev error after allowing for the choice; None where nothing competed or none is complete."""
        errors = self.diagnosis.errors
        return None if errors.get("dev_corrected") is errors.get("dev") else errors["dev_corrected"]

    @property
    def chosen(self) -> str:
        """The choice that the corrected dev error allows for."""
        return self.definition.trainer_kind.chosen

    @cached_property
    def warnings(self) -> list[str]:
        """What the checks of the data found that makes every number doubtful, as sentences."""
        return warnings(self.record)

    @cached_property
    def effects(self) -> KnobEffects | None:
        """Each hyperparameter's effect on bias and on variance; None with too few trials."""
        return find_effects(self.record, self.definition, self.findings)

    @cached_property
    def learning(self) -> Learning | None:
        """What ``tuner learning-curve`` measured: would more data help? None where it was not run."""
        return find_learning(self.record)

    @cached_property
    def importances(self) -> Importances | None:
        """Each hyperparameter's share of what separates good trials from the rest; None with too few trials."""
        return find_importances(self.definition, self.findings)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial: the columns of ``trials.csv``."""
        return trials_frame(self.record, self._baseline)

    @cached_property
    def trial_rows(self) -> list[tuple[Any, ...]]:
        """The same as plain tuples."""
        return trial_rows(self.record, self._baseline)

    @property
    def _baseline(self) -> float:
        baseline = self.diagnosis.errors["baseline"]
        assert baseline is not None
        return baseline.value

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch: the columns of ``epochs.csv``."""
        return epochs_frame(self.record)
