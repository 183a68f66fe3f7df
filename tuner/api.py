"""The Python API: `search`, `load_study`, `load_model` and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from numpy.typing import ArrayLike

from tuner.analysis import SIZES, Baseline, ColumnUse, LearningPoint, learning_points
from tuner.arguments import flag, integer, one_of, optional_text, path, text, texts, unexpected
from tuner.data import Dataset
from tuner.errors import ArgumentError, UsageError
from tuner.files import translating_system_errors
from tuner.limits import MOST_SEEDS, MOST_SIZES, MOST_TRIALS
from tuner.modeling import (
    ALL,
    SEEDS,
    TRAIN_DEV,
    DecisionRequest,
    Evaluation,
    FitRequest,
    LearningCurveTask,
    Model,
    NumberEvaluation,
    decide,
    evaluate,
    fit_deciding,
    fit_ensemble,
    fit_trial,
    load_model,
    measure_learning_curve,
    train_and_measure_columns,
)
from tuner.reporting import (
    Condition,
    Learning,
    Report,
    build_report,
    chosen_rows,
    find_odd_rows,
    find_wrong_rows,
    learning_of,
    trial_columns,
)
from tuner.reporting.drawn import DrawnFigure
from tuner.reporting.frames import dev_error, frame_of, train_error
from tuner.running import (
    LOGGER,
    EndedEpoch,
    Hooks,
    OnTrial,
    SearchProgress,
    SearchRequest,
    SearchResult,
    run_search,
    show_where_seen,
)
from tuner.storage import EndedTrial, mask, open_database, parse_url
from tuner.study import Definition, StudyDefinition, in_order, parse_definition
from tuner.trainers import CustomTrainer, Trainer
from tuner.trial import data_of_trial, trial_settings
from tuner.workspace import (
    DataInMemory,
    PreparedStudy,
    StudyPlace,
    StudyRequest,
    dataset_again,
    find_searched,
    load_searched,
    open_data_in_memory,
    open_study,
    open_trials_again,
    read_again,
    read_again_with_data,
    trainer_to_train,
)
from tuner.workspace.test_set import TestSetLog

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Model", "Report", "Study", "load_model", "load_study", "search"]


class SupportsToPandas(Protocol):
    """A DataFrame of another library."""

    def to_pandas(self) -> pd.DataFrame:
        """The same as a DataFrame of pandas."""


Rows: TypeAlias = "pd.DataFrame | SupportsToPandas | ArrayLike"


class Study:
    """A study in its database: trials, report, model.  Returned by `search` and `load_study`.

    `changes_since_search`: what the study file here says otherwise than the one that was searched, which is used.
    """

    def __init__(
        self,
        place: StudyPlace,
        *,
        data: str,
        dataset: Dataset | None = None,
        changes_since_search: Sequence[str] = (),
        allow_trainers: tuple[str, ...] = (),
    ) -> None:
        self.name = place.name
        self.changes_since_search = list(changes_since_search)
        self.data = data or "arrays"
        self._place = place
        self._allowed = allow_trainers
        self._dataset = dataset

    @property
    def storage(self) -> str:
        """The database's URL, with any password masked."""
        return mask(parse_url(self._place.storage))

    def __repr__(self) -> str:
        return f"Study(name={self.name!r}, storage={self.storage!r})"

    @translating_system_errors()
    def trials(self, *, where: str | Sequence[str] = (), limit: int | None = None) -> pd.DataFrame:
        """The trials in the order of their numbers, one row each, with the columns of `trials.csv`.

        `where`: only those of which this is true, like "dev_error < 5%", or several such conditions; `limit`: at most
        so many.  Trials are read some at a time, without their epochs.
        """
        if limit is not None:
            integer("limit", limit, low=1)
        conditions = [where] if isinstance(where, str) else texts("where", where)
        with open_trials_again(self._place) as listed:
            names = in_order(sorted(listed.hyperparameters))
            columns, baseline = trial_columns(names), listed.definition.diagnosis.baseline or 0.0
            chosen = [Condition.parse(each, columns, "where") for each in conditions]
            return frame_of(chosen_rows(listed, names, baseline, chosen, limit), names)

    @translating_system_errors()
    def report(
        self, *, baseline: Baseline = None, material_gap: float | None = None, tally: str | Path | None = None
    ) -> Report:
        """Report the current errors, gaps, verdict and next actions.

        `baseline`: human-level or Bayes error, a number or `{"wrong": 3, "of": 200}`; `material_gap`: the threshold
        below which a gap does not matter.  Both override [diagnosis] of the definition.  `tally`: a file that
        `tuner errors --tally` wrote, with tags of wrong rows.
        """
        record, dataset = read_again_with_data(self._place, self._dataset)
        return build_report(
            record,
            baseline=baseline,
            material_gap=material_gap,
            dataset=dataset,
            tally=None if tally is None else path("tally", tally),
        )

    @translating_system_errors()
    def train(
        self,
        *,
        trial: int | None = None,
        one_se: bool = False,
        seeds: int = 1,
        on: Literal["train", "train+dev", "all"] = "train",
        single: bool = False,
        ensemble: bool = False,
        ensemble_of: int | Literal["auto"] | None = None,
        threshold_for: str | None = None,
        calibrate: Literal["temperature", "isotonic", "none"] | None = None,
        allow_trainers: Sequence[str] = (),
    ) -> Model:
        """Train a trial again, bit for bit, and return its network or networks as a model; the best trial by default.

        With folds, or `seeds` in the study, the model is the ensemble of the trial's networks: their probabilities are
        averaged.  `single`: one network, with folds a new one on all rows outside the test set.  `one_se`: the simplest
        trial statistically tied with the best (one-standard-error rule).  `seeds`: train with several seeds;
        `model.repetition` has their errors, and `ensemble` keeps the networks of all of them.  `on="train+dev"`: one
        network on all rows outside the test set, for as many updates as the trial's best epoch had; with folds the same
        as `single`; `on="all"`: the same on all rows, those of the test set included.  A custom trainer is called again
        as in the trial, and its models are kept as they save themselves; `allow_trainers`: such trainers that may
        run although only the database names them.  Raises a TunerError if the trial cannot be trained again.

        `ensemble_of`: the average of so many of the best trials, each with all its networks, instead of one trial;
        "auto": of 2 to 10.  They are chosen one after the other among twice as many, each the one that makes the
        average best, by the dev predictions that the study keeps; the dev error allows for this choice.

        `threshold_for`: of two classes, the probability from which the rarer one is predicted is chosen on the dev
        rows: for the best "f1", "balanced_error" or "cost", or for at least "precision>=0.9" or "recall>=0.8".
        `calibrate`: the probabilities are calibrated on the dev rows, by "temperature" or "isotonic" regression.
        `model.metadata.decision` has what was chosen, and how good it is on dev rows that did not choose it.
        """
        wanted = DecisionRequest.parse(threshold_for, calibrate)
        one_of("on", on, ("train", TRAIN_DEV, ALL))
        integer("seeds", seeds, low=1, high=MOST_SEEDS)
        for option, value in (("one_se", one_se), ("single", single), ("ensemble", ensemble)):
            flag(option, value)
        if trial is not None:
            integer("trial", trial, low=0)
        if one_se and trial is not None:
            raise ArgumentError(f"one_se and trial are mutually exclusive, got trial={trial}")
        if ensemble_of is not None:
            of_one = {"trial": trial is not None, "one_se": one_se, "single": single, "ensemble": ensemble}
            of_one |= {"seeds": seeds > 1, "on": on != "train"}
            if given := next((name for name, is_given in of_one.items() if is_given), None):
                raise ArgumentError(f"ensemble_of (several trials) and {given} (of one trial) are mutually exclusive")
            return self._ensemble(ensemble_of, wanted, allow_trainers)
        record, dataset = load_searched(self._place, self._dataset)
        definition = parse_definition(record.definition, f"study {self.name!r}")
        report = build_report(record)
        if one_se:
            choice = report.findings.simplest_tied
            trial = None if choice is None else choice.number
        elif trial is None and report.findings.kept is not None:
            trial = report.findings.kept.number
        request = FitRequest(
            trial=trial, seeds=seeds, on=on, single=single, ensemble=ensemble, corrected=report.corrected
        )
        settings = trial_settings(definition, record.facts)
        trainer = self._trainer(definition, allow_trainers)
        fit = partial(fit_trial, record, dataset, settings, trainer)
        return fit_deciding(fit, request, wanted, record, dataset, settings)

    def _ensemble(
        self, size: int | Literal["auto"], wanted: DecisionRequest | None, allow_trainers: Sequence[str]
    ) -> Model:
        if size != "auto":
            integer("ensemble_of", size, low=2, high=MOST_TRIALS)
        record, dataset = load_searched(self._place, self._dataset)
        definition = parse_definition(record.definition, f"study {self.name!r}")
        if isinstance(self._trainer(definition, allow_trainers), CustomTrainer):
            raise UsageError("an ensemble of trials is made of tuner's own networks, not of a custom trainer's models")
        if wanted is not None:
            wanted.refuse_study(record, dataset)
        model = fit_ensemble(
            record, dataset, trial_settings(definition, record.facts), None if size == "auto" else size
        )
        if wanted is not None:
            decide(model, wanted, record, dataset)
        return model

    def _trainer(self, definition: StudyDefinition, allowed: Sequence[str]) -> Trainer:
        return trainer_to_train(self._place, definition, (*texts("allow_trainers", allowed), *self._allowed))

    @translating_system_errors()
    def learning_curve(
        self,
        *,
        seeds: int = SEEDS,
        sizes: int = SIZES,
        on_size: Callable[[LearningPoint | None], object] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        allow_trainers: Sequence[str] = (),
    ) -> Learning:
        """Train the best trial's hyperparameters again on growing random subsets: would more data help?

        Train `seeds` networks for each of `sizes` sizes, including the whole training set.  Finished sizes are kept in
        the database and shown in the report; the same call trains the missing ones.  `on_size` is called with every
        size (None if all its networks diverged).  `allow_trainers`: as for `train`.  Raises a TunerError if no trial is
        complete or the data changed.
        """
        integer("seeds", seeds, low=1, high=MOST_SEEDS)
        integer("sizes", sizes, low=1, high=MOST_SIZES)
        record, dataset = load_searched(self._place, self._dataset)
        definition = parse_definition(record.definition, f"study {self.name!r}")
        trainer = self._trainer(definition, allow_trainers)
        trial = record.best
        if trial is None or trial.seed is None:
            raise UsageError(f"study {self.name!r}: no trial is complete. Search it first")
        dataset = data_of_trial(dataset, trial.params)
        task = LearningCurveTask(
            definition, dataset, record.dev_fold, trial.params, trial.seed, trainer, record.facts, trial.number
        )
        with open_database(parse_url(self._place.storage), create=False) as database:
            networks = measure_learning_curve(
                task,
                trial,
                database,
                record.study_id,
                sizes=sizes,
                seeds=seeds,
                on_size=lambda networks: on_size(next(iter(learning_points(networks, record.unit)), None)),
                should_stop=should_stop,
            )
        return learning_of(trial.number, networks, definition.diagnosis.threshold(record.unit), record.unit)

    @property
    @translating_system_errors()
    def best(self) -> EndedTrial:
        """The complete trial with the lowest value.  Raises UsageError if there is none yet."""
        record = read_again(self._place)
        best = record.best
        if best is None:
            raise UsageError(f"study {self.name!r}: no trial is complete. Search it first")
        return EndedTrial(
            number=best.number,
            state=best.state,
            stop_reason=best.stop_reason,
            value=best.value,
            epochs=best.epochs,
            seconds=best.seconds,
            params=best.params,
            train_error=train_error(best),
            dev_error=dev_error(best),
        )

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's hyperparameters.  Raises UsageError if no trial is complete yet."""
        return self.best.params

    @translating_system_errors()
    def evaluate(self, model: Model | None = None, *, test: bool = False) -> dict[str, Evaluation | NumberEvaluation]:
        """Evaluate a model of this study, by default of the best trial, on the sets it may use: name -> evaluation.

        `test`: on the test set too, which is recorded in the database.  Raises a TunerError if the data changed.
        """
        flag("test", test)
        model = self.train() if model is None else model
        if not isinstance(model, Model):
            raise unexpected("model", "a tuner.Model", model)
        _, dataset = load_searched(self._place, self._dataset)
        log = TestSetLog(self.name, self._place.storage, self.storage, model.metadata.fingerprint) if test else None
        evaluations = evaluate(model, dataset, test=test)
        if log is not None:
            log.record(trial=model.metadata.only_trial, **evaluations[-1].counts, model=model.metadata.described())
        return {evaluation.name: evaluation for evaluation in evaluations}

    @translating_system_errors()
    def errors(self, *, trial: int | None = None) -> pd.DataFrame:
        """The dev rows that a trial, by default the best, has wrong, and those whose label looks wrong.

        Columns: `place` ("line 17"), `given`, `predicted`, `confidence`, `wrong_in` (the share of the best trials that
        have it wrong), `suspected` (the class that a label which looks wrong should be, else empty), then the data's.
        Raises a TunerError if no predictions of the trial are kept, or the data changed.
        """
        if trial is not None:
            integer("trial", trial, low=0)
        return find_wrong_rows(*load_searched(self._place, self._dataset), trial).frame

    @translating_system_errors()
    def columns(self, *, seconds: float | None = None, allow_trainers: Sequence[str] = ()) -> ColumnUse:
        """Which columns the best trial uses: it is trained again, and each column shuffled among the dev rows.

        `.frame` has the columns and groups of correlated ones, the most important first, and by how much the error
        rises, with its 95% interval.  `seconds`: for all of it; a trial that took more than half of them is not trained
        again.  `allow_trainers`: as for `train`.  Raises a TunerError if that, or the data, does not allow it.
        """
        record, dataset = load_searched(self._place, self._dataset)
        definition = parse_definition(record.definition, f"study {self.name!r}")
        trainer = self._trainer(definition, allow_trainers)
        return train_and_measure_columns(record, dataset, definition, trainer, seconds)

    @translating_system_errors()
    def odd_rows(self, kind: Literal["duplicates", "outliers"]) -> pd.DataFrame:
        """The dev rows that are equal but for their class, or whose cells are far outside of the training rows.

        Columns: `place` ("line 17"), `given`, of duplicates `group`, of outliers `column`, `usual` (its 1st to 99th
        percentile in training rows) and `times` (as far from the median as these; missing for a category that no
        training row has), then the data's.  Raises a TunerError if the data changed.
        """
        one_of("kind", kind, ("duplicates", "outliers"))
        return find_odd_rows(*load_searched(self._place, self._dataset), kind).frame

    @translating_system_errors()
    def figure(self, key: str) -> DrawnFigure:
        """Draw a figure of the report, which a notebook shows: "gaps", "scatter", "curves", "effects", "progress", ….

        Raises ArgumentError for an unknown one, and UsageError if there is nothing to draw yet.
        """
        text("key", key)
        return self.report().figure(key)

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


@translating_system_errors()
def search(
    study: str | Path | Rows,
    *,
    target: str | ArrayLike | None = None,
    definition: Definition | Mapping[str, Any] | str | Path | None = None,
    dev: Rows | tuple[Rows, ArrayLike] | None = None,
    test: Rows | tuple[Rows, ArrayLike] | None = None,
    groups: str | ArrayLike | None = None,
    sample_weight: str | ArrayLike | None = None,
    trainer: str | Callable[..., Any] | None = None,
    trials: int | None = None,
    total: int | None = None,
    workers: int = 1,
    timeout: float | None = None,
    references: Literal["all", "fast", "none"] = "all",
    confirm: int | None = None,
    storage: str | None = None,
    name: str | None = None,
    from_study: str | None = None,
    allow_changed: bool = False,
    allow_trainers: Sequence[str] = (),
    progress: bool = True,
    on_trial: OnTrial | None = None,
    on_best: OnTrial | None = None,
    on_epoch: Callable[[EndedEpoch], object] | None = None,
) -> Study:
    """Search the hyperparameters of a study and return it; the same call again continues it.

    `study`: a TOML path, a data file (`target` names a column), or a name; or rows in memory: a DataFrame of pandas,
    polars or pyarrow, or an array (n, n_features).  `target`: a column, or the n classes or numbers; of several numbers
    a list of columns, or an array (n, n_targets).

    For rows in memory only: `definition` is a `tuner.Definition`, a dict of the same tables, or a TOML path; sections
    that it lacks are made for the data.  `dev` and `test`: rows of their own, a DataFrame or (rows, classes).
    `groups`: a column, or n groups, never split between sets.  `sample_weight`: a column, or n numbers ≥ 0, what each
    row counts for in the cost and in every error; rows of weight 0 are left out.  `trainer`: a custom trainer, a
    function at the top level of a module or "package.module:function".

    `trials`: run exactly this many more; `total`: as many as make this many in all, which becomes the study's budget;
    neither: complete its budget.  `timeout`: seconds.  `references`: the reference models that a new study trains after
    its first trial, all, "fast" (the majority class and logistic regression) or "none".  `confirm`: after the
    budget so many of the best trials are trained again with other seeds, and of few rows with another split, too; the
    best is chosen by all trainings.  `allow_trainers`: custom trainers, "package.module:function", that may be run
    although only the database names them.

    `progress`: show it where somebody sees it, in a terminal or a notebook.  `on_trial` is called in this process with
    every trial that ended, also those of other workers, and `on_best` with every complete one that is better than all
    before; `on_epoch` with every epoch of a running trial, which needs `workers=1`.  If one raises `tuner.Stop`, the
    search ends; another error ends it and is raised again.  The logger "tuner" gets a line per trial.

    Raises a TunerError if the study cannot be searched, and KeyboardInterrupt after the running trial was re-queued.
    """
    request = SearchRequest(trials, total, workers, timeout, references=references, confirm=confirm)
    flag("allow_changed", allow_changed)
    flag("progress", progress)
    for option, call in (("on_trial", on_trial), ("on_best", on_best), ("on_epoch", on_epoch)):
        if call is not None and not callable(call):
            raise unexpected(option, "a function", call)
    if on_epoch is not None and workers != 1:
        raise unexpected("on_epoch", "workers=1, whose epochs end in this process", workers)
    allowed = texts("allow_trainers", allow_trainers)
    rows = {"dev": dev, "test": test, "groups": groups, "sample_weight": sample_weight}
    in_memory = {"definition": definition, **rows, "trainer": trainer}
    for option, value in (("storage", storage), ("name", name), ("from_study", from_study)):
        optional_text(option, value)
    if isinstance(study, str | Path):
        _refuse_for_files(in_memory)
        text("study", str(study))
        for column in target if isinstance(target, list | tuple) else (target,):
            optional_text("target", column)
        columns = cast("str | Sequence[str] | None", target)
        opened = open_study(StudyRequest(str(study), columns, storage, name, from_study, allow_changed, allowed))
    else:
        opened = open_data_in_memory(
            DataInMemory(data=study, target=target, **rows),
            name=name,
            storage=storage,
            allow_changed=allow_changed,
            from_study=from_study,
            definition=definition,
            trainer=trainer,
        )
    _log_start(opened)
    result = _run(opened, request, Hooks(on_trial, on_best), on_epoch, progress=progress)
    for line in result.headlines:
        LOGGER.info("%s", line)
    result.raise_signal()
    if isinstance(study, str | Path):
        return Study(opened.place, data=opened.stored.data_path, allow_trainers=allowed)
    own = opened.definition.network.trainer  # the caller's
    allowed = allowed if own is None else (*allowed, own)
    return Study(opened.place, data=opened.stored.data_path, dataset=opened.dataset, allow_trainers=allowed)


def _log_start(opened: PreparedStudy) -> None:
    LOGGER.info("%s", opened.headline)
    for notice in opened.notices if opened.is_new else []:
        LOGGER.warning("%s", notice)


def _run(
    opened: PreparedStudy,
    request: SearchRequest,
    hooks: Hooks,
    on_epoch: Callable[[EndedEpoch], object] | None,
    *,
    progress: bool,
) -> SearchResult:
    """Run the search; it is shown, logged and passed on as asked for."""
    with show_where_seen() if progress else nullcontext() as show:

        def tell(report: SearchProgress) -> None:
            if show is not None:
                show(report)
            hooks(report)

        listens = show is not None or hooks.are_needed
        return run_search(
            opened, request, tell if listens else None, after_every_trial=hooks.are_needed, on_epoch=on_epoch
        )


def _refuse_for_files(in_memory: Mapping[str, Any]) -> None:
    """Raise ArgumentError for an argument that is for rows in memory."""
    given = next((name for name, value in in_memory.items() if value is not None), None)
    if given is not None:
        raise ArgumentError(f"{given}: is for rows in memory; the study file of a data file or study says it instead")


@translating_system_errors()
def load_study(
    study: str | Path,
    *,
    storage: str | None = None,
    data: Rows | None = None,
    target: str | ArrayLike | None = None,
    dev: Rows | tuple[Rows, ArrayLike] | None = None,
    test: Rows | tuple[Rows, ArrayLike] | None = None,
    groups: str | ArrayLike | None = None,
    sample_weight: str | ArrayLike | None = None,
) -> Study:
    """Load a study that was searched before.  Raises UsageError if there is none.

    To train a study that was searched on rows in memory, pass the same `data`, `target`, `dev`, `test`, `groups` and
    `sample_weight` as to `tuner.search`.  Raises DataError for other rows.
    """
    text("study", str(path("study", study)))
    optional_text("storage", storage)
    place, stored = find_searched(str(study), storage)
    dataset = None
    if data is not None:
        rows = DataInMemory(data=data, target=target, dev=dev, test=test, groups=groups, sample_weight=sample_weight)
        dataset = dataset_again(stored, rows)
    return Study(place, data=stored.data_path, dataset=dataset, changes_since_search=stored.changes_since_search)
