"""The report of one study: its numbers, and the faces they are shown with."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.analysis import Action, Baseline, Diagnosis, Gap, KnobEffects
from tuner.reporting.advice import advise
from tuner.reporting.files import csv_of_numbers, csv_text, write_files
from tuner.reporting.findings import Findings, find
from tuner.reporting.frames import (
    dev_error,
    epoch_columns,
    epochs_frame,
    train_error,
    trial_columns,
    trial_rows,
    trials_frame,
)
from tuner.reporting.learning import Learning, find_learning
from tuner.reporting.news import News, find_news
from tuner.reporting.pulls import Importances, find_importances, find_pulls
from tuner.reporting.remarks import remarks
from tuner.reporting.wording import assumption, figures_sentence, gap_sentence, headline
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition, parse_definition

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


@dataclass(frozen=True, repr=False)
class Report:
    """What a study says; made by :func:`build_report`.

    ``baseline`` and ``material_gap`` are those in force; ``made`` is when the report was built, in UTC.
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
    def verdict(self) -> str:
        """high_bias, high_variance, high_bias_and_variance, low_bias_and_variance or undecided."""
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
    def chosen(self) -> str:
        """The choice that the corrected dev error allows for; the epochs of a trainer of one's own are not seen."""
        return "trial and epoch" if self.definition.network.trainer is None else "trial"

    @property
    def sentences(self) -> list[str]:
        """The verdict in plain sentences: what it is, the figures that carry it, the gaps, what is assumed."""
        told = [headline(self.diagnosis), figures_sentence(self.diagnosis, len(self.findings.judged))]
        told += [
            gap_sentence(self.diagnosis, name)
            for name, gap in self.diagnosis.gaps.items()
            if name in ("avoidable_bias", "variance") or gap.level == "high"
        ]
        return [sentence for sentence in [*told, assumption(self.diagnosis)] if sentence]

    @cached_property
    def pulls(self) -> KnobEffects | None:
        """Each hyperparameter's pull on bias and on variance; None with too few trials."""
        return find_pulls(self.record, self.definition, self.findings)

    @cached_property
    def learning(self) -> Learning | None:
        """What ``tuner learning-curve`` measured: would more data help? None where it was not run."""
        return find_learning(self.record)

    @cached_property
    def actions(self) -> list[Action]:
        """What to do next, the most useful first."""
        return advise(self)

    @cached_property
    def importances(self) -> Importances | None:
        """Each hyperparameter's share of what separates good trials from the rest; None with too few trials."""
        return find_importances(self.definition, self.findings)

    @cached_property
    def remarks(self) -> list[str]:
        """What else has to be known: what the dev set cannot tell, looks at the test set, what is still running."""
        return remarks(self)

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

    @property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds and ``tuner report --json`` prints."""
        return {
            "study": self.record.name,
            "trials": self.record.count(),
            "best": self._best_dict(),
            **self.diagnosis.to_dict(),
            "actions": [action.to_dict() for action in self.actions],
            **({} if self.learning is None else {"learning_curve": self.learning.to_dict()}),
            **({} if self.news is None else {"since": self.news.to_dict()}),
        }

    def _best_dict(self) -> dict[str, Any] | None:
        best = self.best
        if best is None:
            return None
        errors = {"dev_error": dev_error(best), "train_error": train_error(best)}
        return {"number": best.number, **errors, "params": best.params}

    def write(self, folder: str | Path) -> Path:
        """Write ``<folder>/<study>/`` with its five files, each of which appears whole; return that folder."""
        from tuner.reporting.markdown import markdown
        from tuner.reporting.page import page

        contents: dict[str, Callable[[], str]] = {
            "report.html": lambda: page(self),
            "report.md": lambda: markdown(self),
            "trials.csv": lambda: csv_text(trial_columns(self.record), self.trial_rows),
            "epochs.csv": lambda: csv_of_numbers(epoch_columns(self.record)),
            "summary.json": lambda: json_text(self.summary),
        }
        target = Path(folder) / self.record.name
        write_files(target, contents)
        return target

    def text(self, width: int = 100) -> str:
        """Write what ``tuner report`` prints, without colour."""
        from tuner.reporting.terminal import plain

        return plain(self, width)

    def __repr__(self) -> str:
        return f"Report(study={self.record.name!r}, verdict={self.verdict!r})"

    def __rich__(self) -> RenderableType:
        from tuner.reporting.terminal import renderable

        return renderable(self)

    def _repr_html_(self) -> str:
        from tuner.reporting.page import fragment

        return fragment(self)


def build_report(
    record: StudyRecord,
    *,
    baseline: Baseline = None,
    material_gap: float | None = None,
    since: datetime.timedelta | None = None,
) -> Report:
    """Build the report of a stored study.

    ``baseline`` (an error, or ``{"wrong": 3, "of": 200}``) and ``material_gap`` overrule its ``[diagnosis]``; ``since``
    adds what is new since so long ago.
    """
    definition = parse_definition(record.definition, f"study {record.name!r}")
    said = definition.diagnosis
    findings = find(
        record,
        definition,
        said.baseline_error if baseline is None else baseline,  # type: ignore[arg-type]
        said.material_gap if material_gap is None else material_gap,
    )
    now = datetime.datetime.now(datetime.UTC)
    return Report(
        record=record,
        definition=definition,
        findings=findings,
        made=now,
        news=None if since is None else find_news(record, since, now),
    )


def json_text(of: Any) -> str:
    """JSON as it is written to a file: two blanks a level, no NaN, a newline at the end."""
    import json

    return json.dumps(of, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
