"""Create a study in the database from a definition; all checks are made before a file is written."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tuner.commands import command_text, study_words
from tuner.data import Dataset, check_data_quality, chosen_task, read_differently
from tuner.errors import NoDatabaseError, StorageError, UsageError
from tuner.formatting import headline
from tuner.metrics import ERROR, METRICS, Metric
from tuner.outcomes import Finding
from tuner.paths import defined_studies
from tuner.storage import (
    Database,
    NewStudy,
    StoredStudy,
    StudyFacts,
    ensure_study,
    find_study,
    is_imported,
    mask,
    no_study,
    read_dev_set,
    read_encoding,
    shown,
    study_names,
    update_study,
)
from tuner.study import Source, StudyDefinition, identity_changes, parse_definition
from tuner.trainers import Trainer, trainer_of
from tuner.trial import draw_dev_folds
from tuner.units import Unit
from tuner.workspace.locating import Located, StudyPlace
from tuner.workspace.warm_start import WarmStart, n_repeated, warm_start

VERSIONS = ("tuner-search", "numpy", "optuna", "sqlalchemy", "pandas")


@dataclass(frozen=True)
class PreparedStudy:
    """A study ready to be searched: in the database, its data in memory, its trainer permitted.

    ``start``: what a new one begins with, of another study.  ``ignored_from``: the ``--from`` study, if this one
    existed before and so did not begin with its trials.  ``file``: the definition's file, if it has one.  ``track``:
    the trackers that the caller's definition names.  ``hooks``: who is told of which event, of `tuner.study.notify`.
    """

    database: Database
    stored: StoredStudy
    definition: StudyDefinition
    dataset: Dataset
    dev_folds: np.ndarray
    trainer: Trainer
    start: WarmStart | None = None
    ignored_from: str | None = None
    is_new: bool = False
    file: Path | None = None
    track: tuple[str, ...] = ()
    hooks: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> StudyPlace:
        """Where the study is found again."""
        return StudyPlace(self.stored.name, self.database.address, self.file)

    @property
    def words(self) -> list[str]:
        """How a command names the study from the current folder."""
        return study_words(self.stored.name, mask(self.database.url), self.file)

    @property
    def notices(self) -> list[str]:
        """Which error every error is, if not the plain one; which trials are not used; then notes on the data."""
        facts, metric = self.stored.facts, self.stored.counted_by
        errors = [] if metric == ERROR else [f"every error is the {metric.label}: {metric.meaning}"]
        unused = [self.start.note] if self.start is not None and self.start.note is not None else []
        return [
            *errors,
            *unused,
            *facts.notices,
            *(finding.text for finding in facts.findings if finding.severity != "note"),
        ]

    @property
    def headline(self) -> str:
        """The study, its database and its data, in one line; of a new one how its target is predicted, too."""
        sizes = self.dataset.sizes
        rows = ", ".join(f"{name} {n:,}" for name, n in sizes.items() if n)
        data = self.stored.data_path or "arrays"
        parts = [f"data {data} ({rows})", *(chosen_task(self.dataset) if self.is_new else [])]
        begun = self.stored.facts.begun
        if begun is not None:
            parts.append(f"started with {begun.trials} trials of {begun.study}")
        if self.ignored_from is not None:
            parts.append(f"--from {self.ignored_from} has no effect: the study already exists")
        return headline(self.stored.name, self.database.name, *parts)


def prepare(
    source: Source,
    dataset: Dataset,
    located: Located,
    *,
    from_study: str | None = None,
    allow_changed: bool = False,
    write_definition: Callable[[], None] = lambda: None,
    check_unit: Callable[[Unit], None] = lambda _: None,
) -> PreparedStudy:
    """Find or create the study of a definition; a new one begins with the trials of ``from_study``.

    ``write_definition`` is called after all checks and before a new study is stored, so that an interruption leaves
    nothing behind and every study has its definition; ``check_unit`` before anything is written.

    Raises StorageError if the study exists with another identity, UsageError if ``from_study`` does not exist.
    """
    definition = source.definition
    definition.require_target(dataset.class_names)
    identity = definition.identity(dataset.fingerprint)
    existing, start = _look_first(located, definition, identity, from_study=from_study, allow_changed=allow_changed)
    findings = [] if existing is not None else check_data_quality(dataset)
    dataset = dataset.counting(_metric_of(definition, dataset) if existing is None else existing.counted_by)
    check_unit(dataset.unit)
    new = _new_study(source, dataset, start, findings)
    database = located.database(create=True)
    if existing is None:
        write_definition()
    stored, is_new = ensure_study(database, new) if existing is None else (existing, False)
    if not is_new:
        stored = _continue(located, stored, new, allow_changed=allow_changed)
    if existing is not None:
        write_definition()
    located.keep_open()
    ignored = None if from_study == _begun_with(stored) else from_study
    return PreparedStudy(
        database,
        stored,
        definition,
        dataset,
        new.dev_folds,
        trainer_of(definition),
        start=start,
        ignored_from=ignored,
        is_new=is_new,
    )


def _new_study(
    source: Source,
    dataset: Dataset,
    start: WarmStart | None,
    findings: Sequence[Finding],
) -> NewStudy:
    """The database's record of a new study."""
    definition = source.definition
    offers = () if start is None else start.offers
    return NewStudy(
        name=definition.name,
        definition=source.text,
        identity=definition.identity(dataset.fingerprint),
        fingerprint=dataset.fingerprint,
        data_path=str(dataset.path or ""),
        dev_rows=dataset.dev_rows,
        dev_classes=dataset.dev_y,
        dev_groups=dataset.dev_groups,
        dev_weights=dataset.dev_weights,
        dev_folds=draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed),
        test_rows=dataset.test_rows,
        budget=definition.search.trials,
        encoding=dataset.encoding,
        facts=replace(facts_of(dataset, source), findings=list(findings), begun=None if start is None else start.begun),
        offers=offers,
        n_repeated=n_repeated(offers, definition.search.trials),
        distributions=definition.searched_space.distributions,
    )


def _look_first(
    located: Located,
    definition: StudyDefinition,
    identity: dict[str, Any],
    *,
    from_study: str | None,
    allow_changed: bool,
) -> tuple[StoredStudy | None, WarmStart | None]:
    """Make all checks before anything is written; return the study, or what a new one begins with."""
    try:
        database = located.database()
    except NoDatabaseError:
        if from_study is not None:
            where = shown(located.url)
            raise UsageError(f"--from {from_study}: no such study; the database {where} does not exist yet") from None
        return None, None
    known = located.stored
    existing = known if known is not None and known.name == definition.name else find_study(database, definition.name)
    if existing is None:
        return None, warm_start(database, from_study, definition, identity) if from_study else None
    if not allow_changed:
        _refuse_changed(located, existing, identity)
    if from_study is not None and from_study != _begun_with(existing):
        _require_there(database, from_study)  # an unknown name is an error, although it has no effect
    return existing, None


def _require_there(database: Database, name: str) -> None:
    if find_study(database, name) is None and not is_imported(database, name):
        raise no_study(database, name)


def _begun_with(stored: StoredStudy) -> str | None:
    """The study whose trials a study began with."""
    return None if stored.facts.begun is None else stored.facts.begun.study


def _continue(located: Located, stored: StoredStudy, new: NewStudy, *, allow_changed: bool) -> StoredStudy:
    """Update what may change: the definition's text, its budget, [diagnosis]."""
    database = located.database()
    changed: dict[str, Any] = {}
    if not allow_changed:
        _refuse_changed(located, stored, new.identity)
        refuse_read_differently(stored.name, read_encoding(database, stored.study_id), new.encoding)
    elif identity_changes(stored.identity, new.identity):
        _refuse_other_dev_set(located, stored, new)
        changed = {"identity": new.identity, "fingerprint": new.fingerprint, "data_path": new.data_path}
    if allow_changed:
        update_study(database, stored.study_id, encoding=new.encoding)
    if stored.definition != new.definition:
        changed["definition"] = new.definition
        before = parse_definition(stored.definition, f"study {stored.name!r}").search.trials
        if before != new.budget:  # an edited budget counts; one set by --total or submit stays
            changed["budget"] = new.budget
    if not changed:
        return stored
    update_study(database, stored.study_id, **changed)
    return replace(stored, **changed)


def _refuse_other_dev_set(located: Located, stored: StoredStudy, new: NewStudy) -> None:
    """Trials are compared example by example, which needs the same dev examples throughout."""
    database = located.database()
    rows, classes, weights = read_dev_set(database, stored.study_id)
    now = new.dev_classes.astype(new.facts.targets_type).ravel()
    if stored.facts.unit.is_absolute != new.facts.unit.is_absolute:
        raise StorageError(
            f"study {stored.name!r} in {database.name}: its errors are {stored.facts.unit.name}, and with this metric "
            f"they would be {new.facts.unit.name}. Start a new study: {_new_study_command(located, stored)}"
        )
    same = np.array_equal(rows, new.dev_rows) and np.array_equal(classes, now)
    if not same or not _same_weights(weights, new.dev_weights):
        raise StorageError(
            f"study {stored.name!r} in {database.name} was evaluated on other dev examples ({len(rows):,} rows, now "
            f"{len(new.dev_rows):,}), whose trials cannot be compared. Start a new study: "
            f"{_new_study_command(located, stored)}"
        )


def _same_weights(before: np.ndarray | None, now: np.ndarray | None) -> bool:
    return before is now if before is None or now is None else np.array_equal(before, now)


def _refuse_changed(located: Located, stored: StoredStudy, identity: dict[str, Any]) -> None:
    """Raise StorageError if the definition or data changed, naming the changes and what to do."""
    changes = identity_changes(stored.identity, identity)
    if changes:
        what = "definition or data" if located.is_in_memory else "study file"
        going_on = "allow_changed=True" if located.is_in_memory else "--allow-changed"
        raise StorageError(
            f"study {stored.name!r} in {located.database().name} was made from another {what}: {'; '.join(changes)}. "
            f"Start a new study with: {_new_study_command(located, stored)} (or continue with {going_on})"
        )


def refuse_read_differently(name: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise StorageError if the study's data was encoded from other readings of the same cells."""
    if difference := read_differently(before, now):
        raise StorageError(
            f"study {name!r} was made by another version of tuner, which read {difference}. Search the data again "
            "with --name NEW, or set the column's kind in [data.columns] and pass --allow-changed"
        )


def _new_study_command(located: Located, stored: StoredStudy) -> str:
    """What searches the changed definition as a study whose name no other one has, beginning with the stored trials."""
    from tuner.study import next_name

    name = next_name(stored.name, {*study_names(located.database()), *defined_studies()})
    if located.is_in_memory:
        return f"name={name!r}, from_study={stored.name!r}"
    words = study_words(located.name, mask(located.url), located.file)
    return command_text("search", *words, "--name", name, "--from", stored.name)


def _metric_of(definition: StudyDefinition, dataset: Dataset) -> Metric:
    """What every error of a new study is of: the metric of the search, if it weights classes or has its own losses."""
    metric = definition.metric(dataset.class_names, dataset.class_counts)
    return metric if metric.class_weights is not None or metric.loss is not None else ERROR


def facts_of(dataset: Dataset, source: Source) -> StudyFacts:
    """What the report says about the data and the library versions."""
    definition = source.definition
    return StudyFacts(
        class_names=list(dataset.class_names),
        sizes=dataset.sizes,
        n_features=dataset.n_features,
        form_features={form: in_form.n_features for form, in_form in dataset.forms.items()},
        form_periodic={form: len(of.periodic) for form, of in {"": dataset, **dataset.forms}.items() if of.periodic},
        folder=str(source.folder),
        notices=list(dataset.notices),
        versions={"python": platform.python_version()} | {name: version(name) for name in VERSIONS},
        exploring="qmc",
        pooled_epoch=definition.data.folds is not None and definition.trainer_kind.has_dev_folds,
        exact_zeros="l1" in definition.space and definition.trainer_kind.knows_hyperparameters,
        weighs_classes=METRICS[definition.search.metric].class_weights is not None,
        ties_by_cost=definition.trainer_kind.knows_hyperparameters,
        unit=dataset.unit,
    )
