"""Open the study of rows in memory, to search it or to use it again."""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.arguments import unexpected
from tuner.data import Dataset, RowsInMemory, dataset_from, rows_in_memory, usable_rows
from tuner.errors import ArgumentError, DataError, NoDatabaseError
from tuner.paths import resolved
from tuner.storage import StoredStudy, find_study
from tuner.study import (
    Definition,
    Edit,
    Source,
    complete_definition,
    definition_table,
    definition_text,
    edit_definition,
    hooks_in_force,
    make_definition,
    parse_definition,
    require_package,
    require_trackers,
    validate_definition,
    without_notify,
)
from tuner.trainers import trainer_of
from tuner.workspace.creating import PreparedStudy, prepare
from tuner.workspace.locating import Located, read_tables, shape_of, storage_url

SCRIPTS = ("__main__", "__mp_main__")
"""What Python calls the running script."""
Given = Definition | Mapping[str, Any] | str | Path


@dataclass(frozen=True, kw_only=True)
class DataInMemory:
    """Rows with their classes: a DataFrame or an array, and a column of it or the class of each row.

    ``dev``, ``test``: rows of their own, a DataFrame or (rows, classes).  ``groups``: a column, or the group of each
    row.  ``sample_weight``: a column, or the weight of each row.
    """

    data: Any
    target: Any
    dev: Any = None
    test: Any = None
    groups: Any = None
    sample_weight: Any = None

    def rows(self, column: Any) -> RowsInMemory:
        """Return the rows; ``column`` is the target where none is given."""
        target = column if self.target is None else self.target
        return rows_in_memory(
            self.data,
            target,
            dev=self.dev,
            test=self.test,
            groups=self.groups,
            sample_weight=self.sample_weight,
        )


def open_data_in_memory(
    data: DataInMemory,
    *,
    name: str | None,
    storage: str | None,
    allow_changed: bool = False,
    from_study: str | None = None,
    definition: Given | None = None,
    trainer: str | Callable[..., Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    cache: bool = True,
) -> PreparedStudy:
    """Find or create the study of rows in memory.

    ``definition``: a definition, whose missing sections are made for the data.  ``trainer``: a custom trainer, which
    the caller permits.  ``settings`` override single keys ("search.trials": 20).  Without a name, the study is named
    after all of these, so that the same call finds it again.  A study that exists goes on with the sections that the
    first call made, whatever is made for such data now.  ``cache`` keeps the prepared data for the next process.
    """
    given, folder = _given(definition, trainer)
    with usable_rows("the rows"):
        rows, of_data = _rows(data, given)
    edits = [Edit(key, value, "as asked for") for key, value in (settings or {}).items()]
    edited = {edit.key.removeprefix("data."): edit.value for edit in edits if edit.key.startswith("data.")}
    named, begun = name or given.pop("name", None), None
    given.pop("name", None)
    name = named or f"data-{_content(rows, given, settings or {})[:8]}"
    stored = _begun(name, storage)
    if named is None:
        begun = stored
    elif stored is not None:
        given = {**{key: of for key, of in tomllib.loads(stored).items() if key not in ("name", "data")}, **given}
    data_section = {**of_data, **edited, **rows.settings}
    table = {"name": "data", "data": data_section}
    of_target = {"network": ("task", "output", "quantiles"), "search": ("metric",)}  # what it is, and its errors
    for section, keys in of_target.items():
        table[section] = {key: given[section][key] for key in keys if key in given.get(section, {})}
    reader = rows.reader(validate_definition(table, "definition").data)
    with reader:
        with usable_rows("the rows"):
            reader.measure()
            text = begun or make_definition(name, None, rows.settings.get("target"), shape_of(reader), rows.settings)
        if given and not begun:
            text = definition_text(name, complete_definition(given, text))
        if edits:
            text = edit_definition(text, edits, "Made and edited by a call of Python.")
        source = Source(parse_definition(text, f"study {name!r}"), without_notify(text), Path.cwd())
        runner = trainer_of(source.definition, file_folder=folder, allowed=())
        runner.prepare()
        require_package(source.definition.search.sampler)
        require_trackers(source.definition.search.trackers)
        hooks = hooks_in_force(source.definition.notify.hooks)
        with usable_rows("the rows"):
            final = reader.with_settings(rows.reader(source.definition.data).settings)
            dataset = dataset_from(final, cache=cache, forms=source.definition.forms)
        with closing(Located(name, source, storage_url(storage))) as located:
            study = prepare(source, dataset, located, from_study=from_study, allow_changed=allow_changed)
    return replace(study, trainer=runner, track=source.definition.search.trackers, hooks=hooks)


def _begun(name: str, storage: str | None) -> str | None:
    """The definition of the study of this name; None if there is none."""
    with closing(Located(name, None, storage_url(storage))) as located, suppress(NoDatabaseError):
        stored = find_study(located.database(), name)
        return None if stored is None else stored.definition
    return None


def tables_of(definition: Given | None) -> dict[str, Any]:
    """Return the tables of a definition; none without one.  Raises InputError."""
    return _given(definition, None)[0]


def _given(definition: Given | None, trainer: str | Callable[..., Any] | None) -> tuple[dict[str, Any], Path]:
    """The tables of the definition with its trainer, and the folder where a module of the trainer is looked for."""
    folder, where = Path.cwd(), "definition"
    if isinstance(definition, str | Path):
        folder, where = resolved(Path(definition)).parent, str(definition)
        definition = read_tables(Path(definition))
    if trainer is None:
        return {} if definition is None else definition_table(definition, where), folder
    name, folder = importable(trainer)
    tables = (
        {} if definition is None else definition if isinstance(definition, Mapping) else definition_table(definition)
    )
    return definition_table({**tables, "network": {**tables.get("network", {}), "trainer": name}}, where), folder


def _rows(data: DataInMemory, given: dict[str, Any]) -> tuple[RowsInMemory, dict[str, Any]]:
    """The rows, and what the definition says of them; it may say so in [data], whose source they replace."""
    of_data = dict(given.get("data", {}))
    of_data.pop("source", None)
    for key in ("dev", "test"):
        if of_data.pop(key, None) is not None and getattr(data, key) is None:
            raise ArgumentError(f"definition: data.{key} names a file, but the data are in memory; pass {key}= too")
    rows = data.rows(of_data.get("target"))
    if "data" in given:
        given["data"] = {**of_data, **rows.settings}
    return rows, of_data


def _content(rows: RowsInMemory, given: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """A SHA-256 of the rows and of what is asked for, without the budget, which may be raised."""
    lasting: Any = {key: value for key, value in settings.items() if key != "search.trials"}
    if given:
        search = {key: value for key, value in given.get("search", {}).items() if key != "trials"}
        lasting = [lasting, {**given, "search": search}]
    elif not settings:
        return rows.content
    return hashlib.sha256(json.dumps([rows.content, lasting], sort_keys=True).encode()).hexdigest()


def importable(trainer: str | Callable[..., Any]) -> tuple[str, Path]:
    """Return ``package.module:function`` of a custom trainer, and the folder of its module.

    Raises ArgumentError for a function that no other process could import.
    """
    if isinstance(trainer, str):
        return trainer, Path.cwd()
    module, name = getattr(trainer, "__module__", None), getattr(trainer, "__qualname__", None)
    if not callable(trainer) or not module or not name:
        raise unexpected("trainer", "a function or 'package.module:function'", trainer)
    if isinstance(name, str) and not name.isidentifier():  # made by a function, and bound to a name of some module
        module, name = next(_bindings(trainer), (module, name))
    if module in SCRIPTS:
        why = "is defined in the running script or notebook"
    elif not name.isidentifier():
        why = "is not at the top level of its module"
    elif getattr(sys.modules.get(module), name, None) is not trainer:
        why = f"is not what {module}:{name} leads to"
    else:
        file = getattr(sys.modules[module], "__file__", None)
        folder = Path.cwd() if file is None else resolved(Path(file)).parents[module.count(".")]
        return f"{module}:{name}", folder
    raise ArgumentError(
        f"trainer: {name} {why}, where worker processes cannot import it. Define it at the top level of a file of its "
        "own, like trainers.py, and pass trainers.NAME"
    )


def _bindings(function: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """Yield where a function is bound at the top level of a module, other than of the running script."""
    for module, loaded in list(sys.modules.items()):
        if module not in SCRIPTS:
            yield from (
                (module, name) for name, value in list(getattr(loaded, "__dict__", {}).items()) if value is function
            )


def dataset_again(stored: StoredStudy, data: DataInMemory) -> Dataset:
    """Return the dataset of a searched study, of the rows that it was searched on.  Raises DataError for others."""
    definition = parse_definition(stored.definition, f"study {stored.name!r}")
    settings = definition.data
    if settings.source is not None:
        raise ArgumentError(f"data: study {stored.name!r} reads its data from {settings.source}; leave data out")
    if settings.group is not None and data.groups is None:
        data = replace(data, groups=settings.group)
    if settings.weight is not None and data.sample_weight is None:
        data = replace(data, sample_weight=settings.weight)
    with usable_rows("the rows"):
        dataset = dataset_from(data.rows(settings.target).reader(settings), forms=definition.forms)
    if dataset.fingerprint != stored.fingerprint:
        raise DataError(
            f"data: not the rows that study {stored.name!r} was searched on (fingerprint {dataset.fingerprint[:12]}, "
            f"recorded {stored.fingerprint[:12]}). Pass the same rows, classes, types and column names"
        )
    return dataset
