"""Where a database lies: its URL, its file, and whether that is a place SQLite can be trusted on."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError as SQLAlchemyArgumentError

from tuner.errors import StorageError
from tuner.printable import mask_word

NETWORK_FILE_SYSTEMS = frozenset(
    [
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
    ]
)

PREPARE = "prepare_threshold"
"""Of a URL: after how many executions the driver prepares a statement."""

KINDS_OF_FILE = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
)


def parse_url(text: str) -> URL:
    """A SQLAlchemy URL, with PostgreSQL's driver filled in and a SQLite file made absolute.

    Raises StorageError for what is no URL (a plain path gets the URL that would work).
    """
    try:
        url = make_url(text)
    except (SQLAlchemyArgumentError, ValueError):
        hint = f"; did you mean sqlite:///{text}?" if "://" not in text and text else ""
        raise StorageError(
            f"--storage {mask_word(text)!r} is not a database URL; "
            f"expected sqlite:///FILE or postgresql://USER@HOST/DATABASE{hint}"
        ) from None
    if url.get_backend_name() != "sqlite" and (
        "@" in f"{url.host}{url.database}" or ("@" in text and not url.username)
    ):
        raise StorageError(
            f"--storage {mask_word(text)!r}: the user or password has an @ or / in it; write it as %40 or %2F"
        )
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StorageError(f"{mask(url)}: expected a SQLite or PostgreSQL database, got {url.get_backend_name()!r}")
    if not str(url.query.get(PREPARE, "0")).isdecimal():
        raise StorageError(f"{mask(url)}: {PREPARE}: expected an integer ≥ 0 (0: no prepared statements)")
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise StorageError(
                f"{mask_word(text)}: a database in memory is gone with its process; expected sqlite:///FILE"
            )
        url = url.set(database=os.path.abspath(str(url.database)))
    return url


def library_url(url: URL) -> URL:
    """The URL for the libraries that connect; what their driver takes as values of Python is in `connect_arguments`."""
    return url.difference_update_query([PREPARE])


def connect_arguments(url: URL) -> dict[str, Any]:
    """How the driver of a server connects, besides its URL.

    A dead server is noticed within a minute, an attempt to connect ends after two seconds: it is repeated.  ``PREPARE``
    of 0 turns prepared statements off, which poolers share between connections.
    """
    wanted: dict[str, Any] = {"application_name": "tuner", "connect_timeout": 2, "tcp_user_timeout": 30_000}
    wanted |= {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
    given = {name: value for name, value in wanted.items() if name not in url.query}
    if PREPARE in url.query:
        given[PREPARE] = int(str(url.query[PREPARE])) or None
    return given


def sqlite_url(path: Path) -> URL:
    """The URL of a SQLite file."""
    return URL.create("sqlite", database=os.path.abspath(path))


def sqlite_file(url: URL) -> Path | None:
    """The file behind a SQLite URL; None for a server."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def refuse_no_file(path: Path) -> None:
    """A pipe, socket or device would be waited for without end.  Raises StorageError unless nothing or a file is there.

    SQLite's own files beside the file are opened with it.
    """
    for each in (path, *(Path(f"{path}-{part}") for part in ("wal", "shm", "journal"))):
        try:
            mode = each.stat().st_mode
        except OSError:
            continue  # nothing there, or nothing that can be seen: opening it says why
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in KINDS_OF_FILE if is_kind(mode)), "not a file")
            raise StorageError(f"{each}: is {kind}; expected a file (name another one with --storage)")


def mask(url: URL) -> str:
    """The URL as it may be shown: a password becomes ``***``, wherever it stands."""
    return mask_word(url.render_as_string(hide_password=True))


def without_password(url: URL) -> str:
    """The URL for a file that others may read; a password in its query becomes ``***``."""
    kept = URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database, url.query)
    return mask(kept)


def shown(url: URL) -> str:
    """What names the database to a person: the file's absolute path, or the masked URL."""
    return str(sqlite_file(url) or mask(url))


def refuse_network_file_system(path: Path) -> None:
    """SQLite's locks and shared memory do not work between machines.  Raises StorageError for such a folder."""
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StorageError(
            f"{path} lies on a network file system ({kind}), where SQLite loses trials; "
            "use --storage postgresql://USER@HOST/DATABASE, or --storage sqlite:////A/LOCAL/FILE.db"
        )


def file_system_of(path: Path) -> str | None:
    """The type of the file system a path lies on, as the system's table of mounts names it; None where it has none."""
    import psutil

    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return None
    target = Path(os.path.realpath(path))
    around = [
        (len(Path(mount.mountpoint).parts), k)
        for k, mount in enumerate(mounts)
        if target.is_relative_to(mount.mountpoint)
    ]
    return mounts[max(around)[1]].fstype if around else None
