"""Opening a database: made whole or not at all, looked at before anything is written, upgraded after a backup."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from tuner.commands import command_text
from tuner.errors import NoDatabaseError, StorageError
from tuner.files import move_new
from tuner.formatting import one_line
from tuner.storage import optuna_internals, tables
from tuner.storage.address import (
    connect_arguments,
    library_url,
    refuse_network_file_system,
    refuse_no_file,
    shown,
    sqlite_file,
    sqlite_url,
)
from tuner.storage.database import (
    Database,
    alone_in,
    connect_to_read,
    copy_whole,
    database_beside,
    verify_whole,
)
from tuner.storage.failures import RESTORE, is_damage, passes, retrying
from tuner.storage.migrations import (
    add_confirmations,
    add_counts,
    add_effective_looks,
    add_layers,
    add_learning,
    add_left_out,
    add_predictions,
    add_queue,
    add_tie_break,
    add_train_losses,
    add_weights,
    allow_unknown_costs,
    make_numbers_unique,
    upgrade_to_7,
)

MIGRATIONS: list[Callable[[Connection], None]] = [
    allow_unknown_costs,
    add_learning,
    add_layers,
    add_left_out,
    add_effective_looks,
    upgrade_to_7,
    add_weights,
    make_numbers_unique,
    add_counts,
    add_predictions,
    add_queue,
    add_train_losses,
    add_confirmations,
    add_tie_break,
]
"""``MIGRATIONS[n]`` brings our tables from schema version n + 1 to n + 2; to change a table, append one function."""

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
SQLITE_MAGIC = b"SQLite format 3\x00"
_SCHEMA_LOCK = sa.text(f"SELECT pg_advisory_xact_lock({0x74756E6572})")  # "tuner"
"""What creation and upgrade on a server begin with."""


def open_database(url: URL, *, create: bool, upgrade: bool = True) -> Database:
    """Open the database of a URL; with ``create`` it is made, with its folder, where there is none.

    One of an earlier version is upgraded, or with ``upgrade`` False refused.

    One that is locked or away is waited for.  Raises StorageError, leaving what lies there untouched, for anything that
    is not a tuner database of this version.
    """
    return retrying(lambda: _open(url, create=create, upgrade=upgrade), shown(url))


def _open(url: URL, *, create: bool, upgrade: bool) -> Database:
    path = sqlite_file(url)
    if path is None:
        return _open_server(url, create=create, upgrade=upgrade)
    refuse_no_file(path)
    refuse_network_file_system(path.parent if path.parent.exists() else Path.cwd())
    if not path.exists():
        if not create:
            raise NoDatabaseError(f"{path}: no such database; `tuner search STUDY` makes one")
        _create_file(path)
    if _is_behind(url, *require_ours(path)):
        _require_upgrade(url, upgrade)
        _upgrade_file(url, path)
    return Database(url)


def _require_upgrade(url: URL, upgrade: bool) -> None:
    if not upgrade:
        how = command_text("studies", "--storage", shown(url))
        raise StorageError(f"{shown(url)}: is of an earlier version, and is only read here. Upgrade it with: {how}")


def _create_file(path: Path) -> None:
    """Make the database under another name and link it into place: of many that try at once, one wins."""
    try:
        path.parent.mkdir(parents=False, exist_ok=True)
        with alone_in(path.parent):
            if not path.exists():
                _make_file(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be created: {error.strerror}; expected a folder one can write to") from None
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        if passes(error):
            raise
        reason = one_line(getattr(error, "orig", error))
        raise StorageError(f"{path}: cannot be created: {reason}; expected a disk with room for it") from None


def _make_file(path: Path) -> None:
    with database_beside(path) as temporary:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        _make_tables(sqlite_url(temporary))
        verify_whole(temporary)
        with suppress(FileExistsError):  # another process was quicker; its file is as good as ours
            move_new(temporary, path)


def _make_tables(url: URL) -> None:
    """Our tables and Optuna's in an empty file that nobody sees before it is whole: it need not be synced."""
    path = sqlite_file(url)
    assert path is not None
    engine = sa.create_engine(library_url(url), poolclass=sa.pool.NullPool, creator=lambda: _unsynced(path))
    with engine.begin() as connection:
        _make_tables_in(connection)
    engine.dispose()


def _make_tables_in(connection: Connection) -> None:
    """The same in a transaction, or what is missing of it: Optuna's tables as it makes them, without Alembic.

    To load that takes longer than all else here.
    """
    tables.metadata.create_all(connection)
    optuna_internals.made.create_all(connection)
    optuna_internals.alembic_version.create(connection, checkfirst=True)
    connection.execute(sa.text(tables.TRIALS_BY_STATE))
    connection.execute(sa.text(tables.TRIALS_BY_NUMBER))
    schema = {"schema_version": optuna_internals.SCHEMA_VERSION, "library_version": optuna.__version__}
    for table, row in (
        (optuna_internals.alembic_version, {"version_num": optuna_internals.newest_revision()}),
        (optuna_internals.versions, schema),
        (tables.versions, {"schema_version": tables.SCHEMA_VERSION, "optuna_version": optuna.__version__}),
    ):
        connection.execute(table.delete())
        connection.execute(table.insert().values(**row))


def _unsynced(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


def rdb_storage(url: URL, how: Mapping[str, Any] = NO_OPTIONS, **options: Any) -> optuna.storages.RDBStorage:
    """Optuna's own storage on a database, connected as ``how`` says; the caller disposes of its engine."""
    engine: dict[str, Any] = {"poolclass": sa.pool.NullPool, **how}
    if sqlite_file(url) is None:
        engine["connect_args"] = connect_arguments(url) | dict(how.get("connect_args", {}))
    address = library_url(url).render_as_string(hide_password=False)
    return optuna.storages.RDBStorage(address, engine_kwargs=engine, **options)


def require_ours(path: Path) -> tuple[int, str]:
    """(our schema version, Optuna's version) of a file, read without writing a byte.

    Raises StorageError for what is not a database of tuner, or of a newer one.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}; expected a SQLite database") from None
    if magic != SQLITE_MAGIC:
        kind = "an empty file" if not magic else "not a SQLite database"
        raise StorageError(f"{path}: is {kind}; expected a database made by tuner (name another file with --storage)")
    try:
        with closing(connect_to_read(path)) as connection:
            versions = _versions_in(path, connection)
    except sqlite3.Error as error:
        if passes(error) or is_damage(error):
            raise
        raise StorageError(f"{path}: cannot be read: {error}; expected a database made by tuner") from None
    _refuse_newer(str(path), versions[0])
    return versions


def _versions_in(path: Path, connection: sqlite3.Connection) -> tuple[int, str]:
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables.versions.name not in names:
        kind = "an Optuna database without tuner's tables" if "alembic_version" in names else "somebody else's database"
        raise StorageError(f"{path}: is {kind}; not changed. Name another file with --storage")
    rows = connection.execute("SELECT schema_version, optuna_version FROM tuner_version").fetchall()
    match rows:
        case [(int(version), str(optuna_version))] if version > 0:
            return version, optuna_version
    raise StorageError(
        f"{path}: table tuner_version: {str(rows)[:100]} is not one row of two versions. "
        f"{RESTORE[0].upper()}{RESTORE[1:]}"
    )


def _refuse_newer(where: str, version: int) -> None:
    if version > tables.SCHEMA_VERSION:
        raise StorageError(
            f"{where}: was made by a newer tuner (schema {version}, this one knows {tables.SCHEMA_VERSION}); "
            "upgrade with pip install --upgrade tuner-search"
        )


def _is_behind(url: URL, version: int, optuna_version: str) -> bool:
    """Whether a schema must be upgraded.  Asking Optuna costs half a second, so only where its version is another.

    Raises StorageError where Optuna's tables are newer than the Optuna that is installed.
    """
    if optuna_version != optuna.__version__:
        with _optuna_storage(url) as storage:
            from alembic.util import CommandError  # loaded with Optuna's storage

            try:
                current = storage.get_current_version()
            except (AssertionError, CommandError, sa.exc.SQLAlchemyError) as error:
                if passes(error):
                    raise
                raise StorageError(
                    f"{shown(url)}: table alembic_version: not the version of Optuna's tables "
                    f"({one_line(error)[:100]}). {RESTORE[0].upper()}{RESTORE[1:]}"
                ) from None
            if current not in storage.get_all_versions():
                raise StorageError(
                    f"{shown(url)}: was written by Optuna {optuna_version}, whose tables Optuna {optuna.__version__} "
                    "does not know; upgrade with pip install --upgrade optuna"
                )
            if current != storage.get_head_version():
                return True
    return version < tables.SCHEMA_VERSION


@contextmanager
def _optuna_storage(url: URL) -> Iterator[optuna.storages.RDBStorage]:
    storage = rdb_storage(url, skip_compatibility_check=True)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def optuna_storage(url: URL) -> optuna.storages.RDBStorage:
    """Optuna's own view of a database of ours, for its tools; the caller disposes of its engine.  Nothing is made."""
    open_database(url, create=False).close()
    return rdb_storage(url, skip_compatibility_check=True, skip_table_creation=True)


def back_up(path: Path, target: Path) -> None:
    """A consistent copy of a SQLite file while others write, renamed into place when whole.  Raises StorageError."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as source:
            copy_whole(source, target)
    except OSError as error:
        raise StorageError(
            f"{target}: cannot be written: {error.strerror}; expected a folder one can write to"
        ) from None
    except sqlite3.Error as error:
        raise StorageError(
            f"{target}: cannot be written: {one_line(error)}; expected a disk with room for it"
        ) from None


def _upgrade_file(url: URL, path: Path) -> None:
    """Copy the file aside, then upgrade it; of several that would, one does."""
    with alone_in(path.parent):
        if not _is_behind(url, *require_ours(path)):
            return
        back_up(path, path.with_name(f"{path.name}.before-{time.strftime('%Y%m%d-%H%M%S')}"))
        with Database(url) as database:
            _upgrade(database)


def _upgrade(database: Database) -> None:
    """Run what is missing, in order, in one transaction; Optuna's own schema goes first, by Optuna's own code."""
    with _optuna_storage(database.url) as storage:
        if storage.get_current_version() != storage.get_head_version():
            storage.upgrade()
    database.write(_migrate)


def _migrate(connection: Connection) -> None:
    version = connection.execute(sa.select(tables.versions.c.schema_version)).scalar_one()
    for migration in MIGRATIONS[version - 1 :]:
        migration(connection)
    connection.execute(
        tables.versions.update().values(schema_version=tables.SCHEMA_VERSION, optuna_version=optuna.__version__)
    )


def _open_server(url: URL, *, create: bool, upgrade: bool) -> Database:
    """The same on PostgreSQL.

    Creation is one transaction, and an upgrade another one: each begins with a lock that ends with it, so that of
    many processes one makes the tables, on its one connection, also behind a pooler.
    """
    database = Database(url)

    def look(connection: Connection) -> tuple[int, str] | None:
        return _server_versions(database, connection)

    def make(connection: Connection) -> None:
        connection.execute(_SCHEMA_LOCK)
        if look(connection) is None:
            _make_tables_in(connection)

    try:
        versions = database.read(look)
        if versions is None:
            if not create:
                raise NoDatabaseError(
                    f"{database.name}: holds no tuner studies; `tuner search STUDY --storage URL` makes the tables"
                )
            database.write(make, repeatable=True)
            versions = database.read(look)
            assert versions is not None
        if _is_behind(url, *versions):
            _require_upgrade(url, upgrade)
            _upgrade_server(database)
    except BaseException:
        database.close()
        raise
    return database


def _upgrade_server(database: Database) -> None:
    """Upgrade Optuna's tables, then ours; a process that comes later finds nothing to do."""
    with _optuna_storage(database.url) as storage, database.engine.connect() as connection, connection.begin():
        connection.execute(_SCHEMA_LOCK)
        if storage.get_current_version() != storage.get_head_version():
            storage.upgrade()  # on its own connection; this one has locked no table

    def upgrade(connection: Connection) -> None:
        connection.execute(_SCHEMA_LOCK)
        _migrate(connection)

    database.write(upgrade, repeatable=True)


def _server_versions(database: Database, connection: Connection) -> tuple[int, str] | None:
    """(our schema version, Optuna's version); None where there are no tables, or not all of them yet."""
    names = set(sa.inspect(connection).get_table_names())
    if tables.versions.name in names:
        row = connection.execute(sa.select(tables.versions)).one_or_none()
        if row is None:
            return None
        _refuse_newer(database.name, row.schema_version)
        return row.schema_version, row.optuna_version
    if "alembic_version" in names:
        raise StorageError(f"{database.name}: is an Optuna database without tuner's tables; name another database")
    return None
