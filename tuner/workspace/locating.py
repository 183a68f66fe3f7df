"""From what a user types to a definition and a database: TOML path, data file, or the name of a study."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.commands import command_text
from tuner.data import DataSettings, FileReader, RowReader
from tuner.errors import NoDatabaseError, UsageError
from tuner.files import write_new, write_whole
from tuner.paths import DATA_SUFFIXES, DATABASE, SCHEMA, STORAGE_VARIABLE, STUDIES, shipped_studies
from tuner.storage import (
    URL,
    Database,
    StoredStudy,
    find_study,
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
    rename_definition,
    schema_text,
    uses_folds,
)

MOST_LEVELS_UP = 2
"""Beyond, a data file is somewhere else, and its definition names it by its absolute path."""


@dataclass
class Located:
    """A study that was found: its name, its definition where one lies outside the database, and its database.

    ``unwritten``: where the definition just made for a data file belongs, once everything else has proved possible.
    ``reader``: the data file that was read for it.  What was read and opened is passed on, and let go by ``locate``.
    """

    name: str
    source: Source | None
    url: URL
    unwritten: Path | None = None
    reader: FileReader | None = None
    stored: StoredStudy | None = None
    _database: Database | None = None

    def database(self, *, create: bool = False) -> Database:
        """Open the database, once; with ``create`` it is made.  Raises NoDatabaseError where there is none."""
        if self._database is None:
            self._database = open_database(self.url, create=create)
        return self._database

    def keep_open(self) -> None:
        """Leave the database open at the end of the block: who has it closes it."""
        self._database = None

    def close(self) -> None:
        """Close the database, if it was opened."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def reader_of(self, source: Source) -> FileReader:
        """What reads the data of the definition, sharing what was read already."""
        data = source.definition.data
        if self.reader is None:
            return FileReader(data, source.folder)
        return self.reader.with_settings(data, source.folder)


def storage_url(storage: str | None, beside: Path | None = None) -> URL:
    """The database that is meant: named, else in TUNER_STORAGE, else the ``tuner.db`` of the studies' folder."""
    given = storage or os.environ.get(STORAGE_VARIABLE)
    return parse_url(given) if given else sqlite_url((beside or STUDIES) / DATABASE)


@contextmanager
def locate(
    study: str, storage: str | None = None, *, target: str | None = None, name: str | None = None
) -> Iterator[Located]:
    """Find what STUDY means, making a definition for a data file that has none.  Raises UsageError with what there
    is.

    ``name``: what a study of a data file is called, and its definition, instead of after the file.
    """
    with ExitStack() as stack:
        located = _locate(study, storage, target, name, stack)
        stack.callback(located.close)
        yield located


def _locate(study: str, storage: str | None, target: str | None, name: str | None, stack: ExitStack) -> Located:
    if Path(study).is_dir() and (is_path(study) or study in (".", "..")):
        raise UsageError(f"{study} is a folder; expected a definition (TOML), a data file, or the name of a study")
    if is_path(study):
        path = Path(study)
        if path.suffix == ".toml":
            source = read_source(path)
            _refuse_other_target(str(path), source, target)
            return Located(source.definition.name, source, storage_url(storage, path.parent))
        return _locate_data(path, storage_url(storage), target, name, stack)
    url = storage_url(storage)
    here = STUDIES / f"{study}.toml"
    if here.exists():
        source = read_source(here)
        _refuse_other_target(str(here), source, target)
        return Located(source.definition.name, source, url)
    stored = Located(study, None, url)
    if _holds(stored):
        return stored
    shipped = shipped_studies() / f"{study}.toml"
    if shipped.exists():
        return Located(study, read_source(shipped), url)
    raise UsageError(_not_found(study, url))


def _locate_data(path: Path, url: URL, target: str | None, name: str | None, stack: ExitStack) -> Located:
    """A data file's definition: the one that is there, or one that is yet to be written."""
    where = STUDIES / f"{name or study_name_of(path)}.toml"
    if where.exists():
        source = read_source(where)
        _check_same_data(where, source, path, target)
        return Located(source.definition.name, source, url)
    other = STUDIES / f"{study_name_of(path)}.toml"
    if other.exists():  # under another name, what was edited there holds as well
        source = read_source(other)
        with suppress(UsageError):
            _check_same_data(other, source, path, target)
            return Located(source.definition.name, source, url, unwritten=where)
    reader = stack.enter_context(data_file_reader(path, target))
    source = definition_for_data(reader, where)
    return Located(source.definition.name, source, url, where, reader)


def name_of(study: str) -> str:
    """The name of a study in its database: that which its definition gives, where a definition is named."""
    return read_source(Path(study)).definition.name if study.endswith(".toml") else study


def is_path(study: str) -> bool:
    """Anything with a slash or the suffix of a file is a path; the rest is a name."""
    return "/" in study or study.endswith((".toml", *DATA_SUFFIXES))


def _holds(located: Located) -> bool:
    """Whether a database that exists holds the study; nothing is created."""
    with suppress(NoDatabaseError):
        located.stored = find_study(located.database(), located.name)
    if located.stored is None:
        located.close()
    return located.stored is not None


def _not_found(study: str, url: URL) -> str:
    stored: list[str] = []
    with suppress(NoDatabaseError), open_database(url, create=False) as database:
        stored = study_names(database)
    files = [path.stem for folder in (STUDIES, shipped_studies()) for path in sorted(folder.glob("*.toml"))]
    known = list(dict.fromkeys([*files, *stored]))
    of_file = command_text("search", f"{study}.csv", "--target", "COLUMN")
    return (
        f"no study {study!r}: no {STUDIES / study}.toml, none of that name in {shown(url)}, "
        f"none shipped{nearest(study, known)} (a data file needs its path: {of_file})"
    )


def read_source(path: Path) -> Source:
    """A definition file with its text and folder."""
    text = _read_text(path)
    return Source(parse_definition(text, str(path)), text, path.resolve().parent)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a study definition (TOML) or a data file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def stored_source(stored: StoredStudy, database: str) -> Source:
    """The definition of a study that only the database holds."""
    definition = parse_definition(stored.definition, f"study {stored.name!r} in {database}")
    return Source(definition, stored.definition, Path(stored.facts.folder))


def renamed(source: Source, name: str) -> Source:
    """The same definition under another name."""
    text = rename_definition(source.text, source.definition, name)
    return Source(parse_definition(text, f"--name {name}"), text, source.folder)


def _check_same_data(where: Path, source: Source, path: Path, target: str | None) -> None:
    """A definition that is there is used, unless it is about something else than what was asked for."""
    data = source.definition.data
    named = (source.folder / data.source).resolve() if data.source else None
    if named != path.resolve():
        raise UsageError(f"{where} is there already and is about {named}, not {path}; name the new study: --name NEW")
    _refuse_other_target(f"{where} is there already and", source, target)


def _refuse_other_target(what: str, source: Source, target: str | None) -> None:
    """``--target`` makes a definition; it does not overrule one."""
    given = source.definition.data.target
    if target is not None and str(given) != target:
        raise UsageError(f"{what} predicts {given!r}, not --target {target!r}; edit or rename it")


def study_name_of(path: Path) -> str:
    """The name of a data file's study: the file's name without its suffixes, as a study may be called."""
    name = path.name
    while Path(name).suffix in DATA_SUFFIXES:
        name = Path(name).stem
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).lstrip("._-")
    return cleaned or "study"


def data_file_reader(path: Path, target: str | None) -> FileReader:
    """What reads a data file that has no definition yet.  Raises UsageError."""
    if not path.exists():
        raise UsageError(f"{path}: no such file; expected a study definition (TOML) or a data file")
    return FileReader(DataSettings(source=str(path.resolve()), target=target), Path.cwd())


def definition_for_data(reader: FileReader, where: Path) -> Source:
    """A definition for a data file, whose text will be written to ``where``.  Raises DataError."""
    path = reader.path
    reader.measure()
    relative = os.path.relpath(path, where.parent.resolve())
    is_near = relative.split(os.sep).count(os.pardir) <= MOST_LEVELS_UP
    target = reader.settings.target
    named = None if target is None else str(target)
    text = make_definition(where.stem, relative if is_near else str(path), named, shape_of(reader))
    return Source(parse_definition(text, str(where)), text, where.absolute().parent)


def shape_of(reader: RowReader) -> DataShape:
    """What the ranges of a new definition depend on."""
    assembly, encoding = reader.assemble(), reader.encodings()[0]
    train, dev = assembly.train[0], assembly.dev[0]
    n_rows = len(train) + len(dev)
    n_train = n_rows * 4 // 5 if uses_folds(n_rows) else len(train)
    counts = np.bincount(assembly.y[train.table][train.rows], minlength=len(assembly.class_names))
    return DataShape(n_rows, n_train, encoding.n_features, counts.tolist())


def write_definition(path: Path, text: str) -> None:
    """Write a definition, never over one that is there, and beside it the schema that its first line names."""
    try:
        if path.parent == STUDIES:
            path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; expected a folder one can write to") from None
    write_new(path, text)
    schema = path.with_name(SCHEMA)
    current = schema_text()
    if not schema.exists() or schema.read_text(encoding="utf-8") != current:
        write_whole(schema, current)


def refuse_defined(where: Path) -> None:
    """Raise UsageError where a definition already exists."""
    if where.exists():
        search = command_text("search", where.stem)
        raise UsageError(f"{where} is there already; it was left as it is: search it with {search}")


def write_example(name: str) -> Path:
    """Write ``studies/NAME.toml`` and the data of an included study.  Raises UsageError if it exists or is unknown."""
    shipped = shipped_studies()
    names = sorted(path.stem for path in shipped.glob("*.toml"))
    if name not in names:
        raise UsageError(f"no example is named {name!r}: expected {' or '.join(names)}")
    where = STUDIES / f"{name}.toml"
    refuse_defined(where)
    (source,) = (shipped / "data").glob(f"{name}.csv*")
    data = STUDIES / "data" / source.name
    data.parent.mkdir(parents=True, exist_ok=True)
    if not data.exists():
        write_whole(data, source.read_bytes())
    write_definition(where, (shipped / where.name).read_text(encoding="utf-8"))
    return where
