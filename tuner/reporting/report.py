"""A study's report: its numbers, computed on first use, and the sentences and actions about them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.analysis import (
    Action,
    ColumnUse,
    Diagnosis,
    ErrorEstimate,
    Gap,
    HyperparameterEffects,
    NumberErrors,
    Tenth,
    Uncertainty,
)
from tuner.commands import command_text
from tuner.data import Dataset, Mismatch, find_mismatch
from tuner.errors import UsageError
from tuner.outcomes import FailureGroup, Level, Verdict
from tuner.reporting.advice import NextStep, advise, steps
from tuner.reporting.best_trial import shown_params
from tuner.reporting.changes import EarlierReport, change_sentence
from tuner.reporting.columns import column_rows, columns_dict, columns_sentence, too_good_sentences
from tuner.reporting.commands import errors_command
from tuner.reporting.effects import Importances, find_effects, find_importances
from tuner.reporting.ensemble import EnsembleGain, ensemble_sentence, find_ensemble_gain
from tuner.reporting.faces import Faces, Shown
from tuner.reporting.findings import Findings
from tuner.reporting.frames import dev_error, epochs_frame, train_error, trial_rows, trials_frame
from tuner.reporting.label_noise import LabelNoise, find_label_noise
from tuner.reporting.learning import Learning, find_learning
from tuner.reporting.mismatch import mismatch_dict
from tuner.reporting.news import News
from tuner.reporting.notes import data_warnings, failure_sentence, failures_of, find_notes, mostly_failed
from tuner.reporting.predictions import ClassPredictions, find_predictions, find_target_errors, find_tenths
from tuner.reporting.sentences import (
    assumption,
    counting_sentence,
    figures_sentence,
    gap_sentence,
    headline,
    other_model_sentence,
    weighted_sentence,
)
from tuner.reporting.steps import steps_sentence
from tuner.reporting.tally import Tally, read_tally
from tuner.reporting.wrong_rows import WrongRows, find_wrong_rows
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition

if TYPE_CHECKING:
    import pandas as pd

    from tuner.reporting.drawn import DrawnFigure

SUMMARY_ROWS = 20  # of the wrong rows, without the data's columns
LARGEST_DATA = 64_000_000
"""Bytes of a data file that a report reads again."""
MOST_LISTED, BEST_LISTED = 4000, 1000
"""Of more trials than the first, the page's table has as many as the second: a trial takes about 200 bytes."""


def best_first(trials: Sequence[TrialRecord]) -> list[int]:
    """Return the places of trials, the best first, complete ones before the others."""
    return sorted(range(len(trials)), key=lambda k: (not trials[k].is_judged, trials[k].value or 0.0, k))


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """A study and what was found in it; made by ``build_report``.

    ``baseline`` and ``material_gap`` of the findings are those in force; ``made`` is in UTC; ``faces`` show it;
    ``earlier`` says why the verdict changed; without ``dataset`` nothing is found that needs the rows, ``no_rows`` says
    why, if anybody asked for them; ``tally_file`` has the tags of wrong rows; ``columns`` says what the best trial
    uses, or why that was not measured; None if nobody asked.
    """

    record: StudyRecord
    definition: StudyDefinition
    findings: Findings
    made: datetime.datetime
    faces: Faces[Report]
    news: News | None = None
    earlier: EarlierReport | None = None
    dataset: Dataset | None = None
    no_rows: str = ""
    tally_file: Path | None = None
    columns: ColumnUse | str | None = None

    def __repr__(self) -> str:
        return f"Report(study={self.record.name!r}, verdict={self.verdict!r})"

    @property
    def name(self) -> str:
        """The study's name."""
        return self.record.name

    @property
    def diagnosis(self) -> Diagnosis:
        """Errors, gaps and verdict of the best trial."""
        return self.findings.diagnosis

    @property
    def best(self) -> TrialRecord | None:
        """The best trial, as the study has it; None if there is none yet."""
        return self.findings.best

    @property
    def verdict(self) -> Verdict:
        """Which of avoidable bias and variance are high."""
        return self.diagnosis.verdict

    @property
    def avoidable_bias(self) -> Gap:
        """Train error minus baseline.  Raises UsageError if no trial is complete yet."""
        return self.diagnosis.avoidable_bias

    @property
    def variance(self) -> Gap:
        """Dev error (or train-dev error) minus train error.  Raises UsageError if no trial is complete yet."""
        return self.diagnosis.variance

    @property
    def corrected(self) -> ErrorEstimate | None:
        """The best trial's dev error, selection-corrected; None if there was no choice or no trial is complete yet."""
        errors = self.diagnosis.errors
        return None if errors.get("dev_corrected") is errors.get("dev") else errors["dev_corrected"]

    @property
    def error_name(self) -> str:
        """What every error is: "error", the metric whose class weights it has, or RMSE."""
        return self.record.error_name

    @property
    def uncertainty(self) -> Uncertainty | None:
        """Where the dev error's uncertainty comes from; None if no trial is complete yet."""
        return self.findings.uncertainty

    @property
    def chosen(self) -> str:
        """The choice that dev (selection-corrected) allows for."""
        return self.definition.trainer_kind.chosen

    @cached_property
    def effects(self) -> HyperparameterEffects | None:
        """Each hyperparameter's effect on bias and on variance; None with too few trials."""
        return find_effects(self.definition, self.findings)

    @cached_property
    def predictions(self) -> ClassPredictions | None:
        """How the classes that the best trial predicts of the dev rows are wrong; None if they were not kept."""
        return find_predictions(self.record, self.findings)

    @cached_property
    def tenths(self) -> list[Tenth]:
        """How far off the numbers that the best trial predicts of the dev rows are, by tenth of the target."""
        return find_tenths(self.record, self.findings)

    @cached_property
    def target_errors(self) -> dict[str, NumberErrors]:
        """The best trial's dev errors of each of several targets, in its unit, by name; else none."""
        return find_target_errors(self.record, self.best)

    @cached_property
    def label_noise(self) -> LabelNoise | None:
        """The share of dev labels that look wrong; None if it is unknown."""
        return None if self.dataset is None else find_label_noise(self.record, self.dataset)

    @property
    def column_lines(self) -> list[str]:
        """What is said of the columns, and nothing where they were not looked for."""
        return [] if self.columns is None else [columns_sentence(self.columns, self.record.unit)]

    @property
    def column_rows(self) -> list[tuple[str, str, str]]:
        """Columns, by how much the error rises without what they say, and its interval."""
        return column_rows(self.columns, self.record.unit) if isinstance(self.columns, ColumnUse) else []

    @cached_property
    def wrong_rows(self) -> WrongRows | None:
        """The dev rows that the best trial has wrong, and segments; None without the data, or if they are large."""
        if self.dataset is None or self.best is None or self.best.predictions is None or self._large_file is not None:
            return None
        return find_wrong_rows(self.record, self.dataset)

    @cached_property
    def mismatch(self) -> Mismatch | None:
        """How dev rows differ from training rows; None where they are drawn from the same rows, and as wrong rows."""
        if self.dataset is None or self._large_file is not None:
            return None
        return find_mismatch(self.dataset)

    @property
    def _large_file(self) -> Path | None:
        file = None if self.dataset is None else self.dataset.path
        return file if file is not None and file.stat().st_size > LARGEST_DATA else None

    @property
    def no_wrong_rows(self) -> str:
        """Why the wrong rows are not shown; empty if they are, if nobody asked, or if there is no prediction."""
        if self.best is None or self.best.predictions is None:
            return ""
        if (file := self._large_file) is None:
            return self.no_rows
        from tuner.data.sources.memory import show_bytes

        most = show_bytes(LARGEST_DATA)
        return (
            f"{file.name} has {show_bytes(file.stat().st_size)}, and a report reads at most {most} again. "
            f"{errors_command(self.record)} reads all of it"
        )

    @cached_property
    def tally(self) -> Tally | None:
        """The tags of the wrong rows; None without their file.

        Raises UsageError for a file without tags of them, or if the wrong rows are not known.
        """
        if self.tally_file is None:
            return None
        if not os.path.lexists(self.tally_file):
            command = command_text("errors", *self.record.words, "--tally", self.tally_file)
            raise UsageError(f"{self.tally_file}: no such file; {command} writes it")
        if self.wrong_rows is None:
            why = self.no_wrong_rows or "no predictions of the dev rows are kept"
            raise UsageError(f"{self.tally_file}: cannot be added up in the report: {why}")
        return read_tally(self.tally_file, self.wrong_rows)

    def errors(self) -> pd.DataFrame:
        """Return the dev rows that the best trial has wrong, as ``study.errors()`` does.

        Raises UsageError if the report was made without the data, or they are large.
        """
        if self.wrong_rows is None:
            raise UsageError(
                f"the report of {self.name!r} was made without the data, or they are large: use study.errors()"
            )
        return self.wrong_rows.frame

    @cached_property
    def ensemble_gain(self) -> EnsembleGain | None:
        """What the average of the best trials would gain; None if too few trials' predictions were kept."""
        return find_ensemble_gain(self.record, self.definition)

    @cached_property
    def learning(self) -> Learning | None:
        """What ``tuner learning-curve`` measured; None if it was not run."""
        return find_learning(self.record, self.findings.diagnosis.material_gap)

    @cached_property
    def importances(self) -> Importances | None:
        """The importance of each hyperparameter; None with too few trials."""
        return find_importances(self.definition, self.findings)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: the columns of ``trials.csv``."""
        return trials_frame(self.record, self._baseline)

    def trial_rows(self, places: Iterable[int] | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield the same as plain tuples, of all trials or of those at some places in the record."""
        return trial_rows(self.record, self._baseline, places)

    @cached_property
    def listed(self) -> dict[int, int]:
        """The trials of the page's table, all or of very many the best: number -> place in the record, in order."""
        trials = self.record.trials
        places = range(len(trials)) if len(trials) <= MOST_LISTED else sorted(best_first(trials)[:BEST_LISTED])
        return {trials[place].number: place for place in places}

    @property
    def _baseline(self) -> float:
        baseline = self.diagnosis.errors["baseline"]
        assert baseline is not None
        return baseline.value

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per epoch: the columns of ``epochs.csv``."""
        return epochs_frame(self.record)

    @property
    def sentences(self) -> list[str]:
        """The verdict in plain sentences: the headline, the errors, the gaps and the baseline.

        The headline begins with a simpler model, if one is as good.
        """
        verdict = headline(self.diagnosis)
        if self.best is not None:
            other = other_model_sentence(self.diagnosis) if self.findings.weighted is None else ""
            verdict = " ".join(filter(None, [other, verdict, mostly_failed(self.record)]))
        sentences = [verdict, figures_sentence(self.diagnosis, len(self.findings.judged), self.error_name)]
        if self.findings.rows_wrong is not None:
            majority = self.diagnosis.references["majority"]
            sentences.append(counting_sentence(self.record.counted_by, majority, self.findings.rows_wrong))
        weighted, corrected = self.findings.weighted, self.findings.weighted_corrected
        if weighted is not None and corrected is not None:
            sentences.append(weighted_sentence(self.findings.metric, corrected, weighted.value))
        sentences += [
            gap_sentence(self.diagnosis, name)
            for name, gap in self.diagnosis.gaps.items()
            if name in ("avoidable_bias", "variance") or gap.level == Level.HIGH
        ]
        best = None if self.best is None else self.best.number
        changed = "" if self.earlier is None else change_sentence(self.diagnosis, best, self.earlier)
        noise = "" if self.label_noise is None else self.label_noise.sentence(self.diagnosis, self.record)
        last = [assumption(self.diagnosis), noise, steps_sentence(self.diagnosis), changed]
        return [sentence for sentence in [*sentences, *last] if sentence]

    @cached_property
    def actions(self) -> list[Action]:
        """What to do next, the most useful first."""
        return advise(
            self.record,
            self.definition,
            self.findings,
            self.effects,
            self.learning,
            self.wrong_rows,
            self.label_noise,
            self.mismatch,
        )

    @property
    def steps(self) -> list[NextStep]:
        """The actions, those of one command together."""
        return steps(self.actions)

    def figure(self, key: str) -> DrawnFigure:
        """Draw a figure of the page, which a notebook shows: "gaps", "scatter", "validation", "best_of", ….

        Raises ArgumentError for an unknown one, and UsageError if there is nothing to draw yet.
        """
        assert self.faces.figure is not None
        drawn: DrawnFigure = self.faces.figure(self, key)
        return drawn

    @property
    def failures(self) -> list[FailureGroup]:
        """The failed trials by reason, the most frequent first."""
        return failures_of(self.record)

    @property
    def warnings(self) -> list[str]:
        """Failed trials, and warnings of data checks and columns, which make every number doubtful."""
        columns = too_good_sentences(self.columns, self.record) if isinstance(self.columns, ColumnUse) else []
        return [*filter(None, [failure_sentence(self.record)]), *data_warnings(self.record), *columns]

    @property
    def shown_params(self) -> dict[str, str]:
        """The best trial's hyperparameters as people read them; empty without one."""
        return {} if self.best is None else shown_params(self.definition, self.best)

    @cached_property
    def notes(self) -> list[str]:
        """Notes: limits of the dev set, test-set evaluations, an unfinished search."""
        ensemble = ensemble_sentence(self.ensemble_gain, self.record)
        return find_notes(self.record, self.definition, self.findings, self.news, ensemble)

    @property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds and ``tuner report --json`` prints."""
        return {
            "study": self.record.name,
            "trials": self.record.count().to_dict(),
            "failures": [group.to_dict() for group in self.failures],
            "best": self._best_dict(),
            **self.diagnosis.to_dict(),
            "actions": [action.to_dict() for action in self.actions],
            **({} if self.findings.confirmed is None else {"confirmation": self.findings.confirmed.to_dict()}),
            **({} if self.ensemble_gain is None else {"ensemble_of_trials": self.ensemble_gain.to_dict()}),
            **({} if self.learning is None else {"learning_curve": self.learning.to_dict()}),
            **({} if self.label_noise is None else {"wrong_labels": self.label_noise.to_dict()}),
            **({"columns": columns_dict(self.columns, self.record)} if isinstance(self.columns, ColumnUse) else {}),
            **({} if self.mismatch is None else {"mismatch": mismatch_dict(self.mismatch)}),
            **({} if self.wrong_rows is None else {"wrong_rows": self._wrong_dict(self.wrong_rows)}),
            **({} if self.news is None else {"since": self.news.to_dict()}),
            "material_gap": self.diagnosis.material_gap,
            "metric": self.record.metric.name,
        }

    def _wrong_dict(self, wrong: WrongRows) -> dict[str, Any]:
        document = wrong.to_dict(wrong.frame[list(wrong.fixed)].head(SUMMARY_ROWS))
        return document if self.tally is None else document | {"tally": self.tally.to_dict()}

    def _best_dict(self) -> dict[str, Any] | None:
        best = self.best
        if best is None:
            return None
        errors: dict[str, Any] = {"dev_error": dev_error(best), "train_error": train_error(best)}
        name, findings = self.findings.metric.name, self.findings
        of_metric: tuple[Any, Any] = findings.weighted, findings.weighted_corrected
        if findings.rows_wrong is not None:
            of_metric = self.diagnosis.errors["dev"], self.diagnosis.errors["dev_corrected"]
        for key, error in zip((name, f"{name}_corrected"), of_metric, strict=True):
            if error is not None:
                errors[key] = {end: getattr(error, end) for end in ("value", "low", "high")}
        predictions: dict[str, Any] = {}
        if self.predictions is not None:
            predictions["predictions"] = self.predictions.to_dict()
        if self.tenths:
            predictions["predictions"] = {"tenths": [one.to_dict() for one in self.tenths]}
        if self.record.unit.loss is not None and findings.classes:
            predictions["class_metric"] = {
                one.name: {end: getattr(one.estimate, end) for end in ("value", "low", "high")}
                for one in findings.classes
            }
        if self.target_errors:
            predictions = {"targets": {name: of.to_dict() for name, of in self.target_errors.items()}}
        return {"number": best.number, **errors, "params": best.params, **predictions}
