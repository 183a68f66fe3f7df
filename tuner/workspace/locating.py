"""Find the definition and the database of a STUDY argument: TOML path, data file, or name."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tuner.commands import command_text
from tuner.data import FileReader, RowReader
from tuner.errors import NoDatabaseError, UsageError
from tuner.files import read_small, translated, write_new, write_whole
from tuner.formatting import join, message_of, shorten
from tuner.paths import DATA_SUFFIXES, DATABASE, SCHEMA, STORAGE_VARIABLE, STUDIES, resolved, shipped_studies
from tuner.storage import (
    URL,
    Database,
    StoredStudy,
    find_study,
    is_imported,
    only_to_begin_with,
    open_database,
    parse_url,
    shown,
    sqlite_url,
    study_names,
)
from tuner.study import (
    DataShape,
    Source,
    make_definition,
    nearest,
    parse_definition,
    parse_tables,
    rename_definition,
    schema_text,
    toml,
    uses_folds,
    validate_definition,
    without_notify,
)

NO_KEYS: Mapping[str, Any] = MappingProxyType({})
MOST_LEVELS_UP = 2
"""A definition names a data file farther up by its absolute path."""


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """Where a searched study is: its name in its database, and the definition file it was opened from, if any."""

    name: str
    storage: str
    file: Path | None = None


@dataclass
class Located:
    """A study that was found: its name, its definition if it has a file, and its database.

    ``file``: the definition's file; ``unwritten``: the same, if the definition was just made for a data file, to be
    written after all checks.  ``reader``: the data file read for it.  ``locate`` closes what was opened.
    """

    name: str
    source: Source | None
    url: URL
    file: Path | None = None
    unwritten: Path | None = None
    reader: FileReader | None = None
    stored: StoredStudy | None = None
    _database: Database | None = None

    @property
    def is_in_memory(self) -> bool:
        """Whether the rows have no file."""
        return self.source is not None and self.source.definition.data.source is None

    @property
    def absolute_file(self) -> Path | None:
        """The definition's file, wherever the current folder will be."""
        return None if self.file is None else self.file.absolute()

    def database(self, *, create: bool = False) -> Database:
        """Open the database, once; ``create`` it if needed.  Raises NoDatabaseError if there is none."""
        if self._database is None:
            self._database = open_database(self.url, create=create)
        return self._database

    def keep_open(self) -> None:
        """Leave the database open at the end of the block; the caller closes it."""
        self._database = None

    def close(self) -> None:
        """Close the database, if it was opened."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def reader_of(self, source: Source) -> FileReader:
        """A reader for the definition's data that shares what was already read."""
        data = source.definition.data
        if self.reader is None:
            return FileReader(data, source.folder)
        return self.reader.with_settings(data, source.folder)


def storage_url(storage: str | None, beside: Path | None = None) -> URL:
    """The URL of the database: ``storage``, else TUNER_STORAGE, else ``tuner.db`` in the studies' folder."""
    given = storage or os.environ.get(STORAGE_VARIABLE)
    return parse_url(given) if given else sqlite_url((beside or STUDIES) / DATABASE)


Targets = str | Sequence[str] | None
"""The column to predict, or several."""


@contextmanager
def locate(
    study: str,
    storage: str | None = None,
    *,
    target: Targets = None,
    name: str | None = None,
    data: Mapping[str, Any] = NO_KEYS,
) -> Iterator[Located]:
    """Find the study, making a definition for a data file that has none.  Raises UsageError if there is no such study.

    ``name``: the name of a data file's study, instead of the file's.  ``data``: what [data] of its definition says
    besides source and target; that of an existing one must agree.
    """
    with ExitStack() as stack:
        asked = {**({} if target is None else {"target": target}), **data}  # --target, once or several times
        located = _locate(study, storage, asked, name, stack)
        stack.callback(located.close)
        yield located


@contextmanager
def locate_again(place: StudyPlace) -> Iterator[Located]:
    """Find a searched study again, with what its definition file says now."""
    file = place.file if place.file is not None and place.file.is_file() else None
    own = None if file is None else read_source(file)
    source = None if own is None else renamed(own, place.name)
    says_name = own is not None and own.definition.name == place.name
    located = Located(place.name, source, parse_url(place.storage), file if says_name else None)
    try:
        yield located
    finally:
        located.close()


def _locate(study: str, storage: str | None, asked: Mapping[str, Any], name: str | None, stack: ExitStack) -> Located:
    if os.path.isdir(study) and (is_path(study) or study in (".", "..")):
        raise UsageError(f"{study} is a folder. Name a study file (TOML), a data file, or a study")
    if is_path(study):
        path = Path(study)
        if path.suffix == ".toml":
            source = read_source(path)
            _refuse_other_data(str(path), source, asked)
            return Located(source.definition.name, source, storage_url(storage, path.parent), path)
        return _locate_data(path, storage_url(storage), asked, name, stack)
    url = storage_url(storage)
    here = STUDIES / f"{study}.toml"
    if os.path.exists(here):
        source = read_source(here)
        _refuse_other_data(str(here), source, asked)
        return Located(source.definition.name, source, url, here)
    stored = Located(study, None, url)
    if _holds(stored):
        if stored.stored is not None and asked:
            _refuse_other_data(f"study {study!r}", stored_source(stored.stored, shown(url)), asked)
        return stored
    shipped = shipped_studies() / f"{study}.toml"
    if os.path.exists(shipped):
        source = read_source(shipped)
        _refuse_other_data(f"the included study {study!r}", source, asked)
        return Located(study, source, url, shipped)
    raise UsageError(_not_found(study, url))


def _locate_data(path: Path, url: URL, asked: Mapping[str, Any], name: str | None, stack: ExitStack) -> Located:
    """Find or make a data file's definition; a new one is not written yet."""
    where = STUDIES / f"{name or study_name_of(path)}.toml"
    if os.path.exists(where):
        source = read_source(where)
        _check_same_data(where, source, path, asked)
        return Located(source.definition.name, source, url, where)
    other = STUDIES / f"{study_name_of(path)}.toml"
    if os.path.exists(other):  # a study under another name keeps the edits made there
        source = read_source(other)
        with suppress(UsageError):
            _check_same_data(other, source, path, asked)
            return Located(source.definition.name, source, url, where, unwritten=where)
    data = {key: value for key, value in asked.items() if key != "target"}
    reader = stack.enter_context(data_file_reader(path, asked.get("target"), data))
    source = definition_for_data(reader, where, data)
    return Located(source.definition.name, source, url, where, unwritten=where, reader=reader)


def name_of(study: str) -> str:
    """The name of a study in its database: its definition's name if a file was given."""
    return read_source(Path(study)).definition.name if study.endswith(".toml") else study


def is_path(study: str) -> bool:
    """Whether the argument is a path (it has a slash or a known suffix) and not a name."""
    return "/" in study or study.endswith((".toml", *DATA_SUFFIXES))


def _holds(located: Located) -> bool:
    """Whether the database exists and has the study; nothing is created."""
    with suppress(NoDatabaseError):
        located.stored = find_study(located.database(), located.name)
    if located.stored is None:
        located.close()
    return located.stored is not None


def _not_found(study: str, url: URL) -> str:
    stored: list[str] = []
    with suppress(NoDatabaseError), open_database(url, create=False) as database:
        if is_imported(database, study):
            return only_to_begin_with(study)
        stored = study_names(database)
    files = [path.stem for folder in (STUDIES, shipped_studies()) for path in sorted(folder.glob("*.toml"))]
    known = list(dict.fromkeys([*files, *stored]))
    name = shorten(study)
    of_file = command_text("search", f"{name}.csv", "--target", "COLUMN")
    return (
        f"no study {name!r}: not in {STUDIES / name}.toml, in {shown(url)}, or among the included "
        f"studies{nearest(study, known)}. For a data file, give its path: {of_file}"
    )


def read_source(path: Path) -> Source:
    """Read a definition file."""
    text = _read_text(path)
    return Source(parse_definition(text, str(path)), without_notify(text), resolved(path).parent)


def read_tables(path: Path) -> dict[str, Any]:
    """Read the tables of a definition file for data in memory, which may lack some and needs no name; not validated."""
    return parse_tables(_read_text(path), str(path))


def _read_text(path: Path) -> str:
    try:
        return io.TextIOWrapper(io.BytesIO(read_small(path)), encoding="utf-8").read()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a study file (TOML) or a data file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text: {message_of(error)}") from None


def stored_source(stored: StoredStudy, database: str) -> Source:
    """The definition of a study that has no file."""
    definition = parse_definition(stored.definition, f"study {stored.name!r} in {database}")
    return Source(definition, stored.definition, Path(stored.facts.folder))


def renamed(source: Source, name: str) -> Source:
    """Rename a definition."""
    text = rename_definition(source.text, source.definition, name)
    definition = parse_definition(text, f"--name {name}").model_copy(update={"notify": source.definition.notify})
    return Source(definition, text, source.folder)


def _check_same_data(where: Path, source: Source, path: Path, asked: Mapping[str, Any]) -> None:
    """Raise UsageError if an existing definition is about other data or another target."""
    data = source.definition.data
    named = resolved(source.folder / data.source) if data.source else None
    if named != resolved(path):
        raise UsageError(f"{where} already exists and is about {named}, not {path}. Name the new study with --name NEW")
    _refuse_other_data(f"{where} already exists and", source, asked)


def _refuse_other_data(what: str, source: Source, asked: Mapping[str, Any]) -> None:
    """Raise UsageError if ``--target`` or another option differs from an existing definition's [data]."""
    given = source.definition.data
    if "target" in asked and _each(given.target) != _each(asked["target"]):
        predicts, options = (", ".join(map(repr, _each(each))) for each in (given.target, asked["target"]))
        raise UsageError(f"{what} predicts {predicts}, not --target {options}. Edit or rename it")
    for key, value in asked.items():
        present = getattr(given, key)
        if key != "target" and (list(present or ()) if isinstance(value, list) else present) != value:
            option = f"--no-{key}" if value is False else f"--{key.replace('_', '-')}"
            option += (
                "" if isinstance(value, bool) else f" {value if isinstance(value, int | str) else ' '.join(value)}"
            )
            has = f"{key} = {toml(present)}" if present not in (None, ()) else f"no {key}"
            section = "[network]" if key == "task" else "[data]"
            raise UsageError(f"{what} has {has} in {section}, unlike {option}. Edit or rename it")


def _each(target: Any) -> list[str]:
    return [*map(str, target if isinstance(target, list | tuple) else [target])]


def study_name_of(path: Path) -> str:
    """The name of a data file's study: the file's name without suffixes, with only allowed characters."""
    name = path.name
    while Path(name).suffix in DATA_SUFFIXES:
        name = Path(name).stem
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).lstrip("._-")
    return cleaned or "study"


def data_file_reader(path: Path, target: Targets, data: Mapping[str, Any] = NO_KEYS) -> FileReader:
    """A reader for a data file that has no definition yet, with some keys of [data].

    Raises UsageError if the file does not exist, or for a key with another value than it may have.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file; expected a study file (TOML) or a data file")
    section = {"source": str(resolved(path)), "target": target, **data}
    network = {"task": section.pop("task")} if "task" in section else {}
    definition = validate_definition({"name": "data", "data": section, "network": network}, str(path))
    return FileReader(definition.data, Path.cwd())


def definition_for_data(reader: FileReader, where: Path, data: Mapping[str, Any] = NO_KEYS) -> Source:
    """Make a definition for a data file, to be written to ``where``.  Raises DataError."""
    path = reader.path
    reader.measure()
    relative = os.path.relpath(path, resolved(where.parent))
    is_near = relative.split(os.sep).count(os.pardir) <= MOST_LEVELS_UP
    target = reader.settings.target
    named = None if target is None else _each(target) if isinstance(target, tuple) else str(target)
    text = make_definition(where.stem, relative if is_near else str(path), named, shape_of(reader), data)
    return Source(parse_definition(text, str(where)), text, where.absolute().parent)


def shape_of(reader: RowReader) -> DataShape:
    """The sizes that a new definition's ranges depend on."""
    assembly, encoding = reader.assemble(), reader.encodings()[0]
    train, dev = assembly.train[0], assembly.dev[0]
    n_rows = len(train) + len(dev)
    n_train = n_rows * 4 // 5 if uses_folds(n_rows) else len(train)
    y, n_classes = assembly.y[train.table][train.rows], len(assembly.class_names)
    counts = np.bincount(y, minlength=n_classes).tolist() if n_classes else []
    numbers = [] if assembly.image else [one for one in encoding.columns if one.kind == "numeric" and one.features]
    free = [one for one in numbers if reader.settings.column(one.name).numeric is None]
    return DataShape(
        n_rows, n_train, encoding.n_features, counts, assembly.unit, n_numbers=len(free), image=assembly.image
    )


SCHEMA_BEGINS = b'{\n  "$schema"'
"""How every version of our schema begins."""


def write_definition(path: Path, text: str) -> None:
    """Write a new definition, and beside it the schema named in its first line; never overwrite a definition."""
    with translated(path):
        if path.parent == STUDIES:
            path.parent.mkdir(exist_ok=True)
    write_new(path, text)
    schema = path.with_name(SCHEMA)
    current = schema_text().encode()
    with translated(schema):
        before = read_small(schema) if schema.exists() else SCHEMA_BEGINS
        if before.startswith(SCHEMA_BEGINS) and before != current:  # another file of this name stays
            write_whole(schema, current)


def refuse_defined(where: Path) -> None:
    """Raise UsageError where a definition already exists."""
    if os.path.exists(where):
        search = command_text("search", where.stem)
        raise UsageError(f"{where} already exists; not overwritten. Search it with: {search}")


def write_example(name: str) -> Path:
    """Write ``studies/NAME.toml`` and the data of an included study.  Raises UsageError if it exists or is unknown."""
    shipped = shipped_studies()
    names = sorted(path.stem for path in shipped.glob("*.toml"))
    if name not in names:
        raise UsageError(f"no example is named {name!r}: expected {join(names, 'or')}")
    where = STUDIES / f"{name}.toml"
    refuse_defined(where)
    (source,) = (shipped / "data").glob(f"{name}.csv*")
    data = STUDIES / "data" / source.name
    with translated(data):
        data.parent.mkdir(parents=True, exist_ok=True)
        if not data.exists():
            write_whole(data, source.read_bytes())
    write_definition(where, (shipped / where.name).read_text(encoding="utf-8"))
    return where
