"""Complete names of studies in the shell, without slow imports."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tuner.paths import DATABASE, STORAGE_VARIABLE, STUDIES, is_study_name, resolved, shipped_studies

SQLITE = "sqlite:///"
PATIENCE = 0.2
"""Seconds to wait for a busy database, and to read it; completion must be fast."""
STEPS = 10_000
"""SQLite's instructions between two looks at the clock."""


def study_names(incomplete: str) -> list[str]:
    """The studies that begin with what was typed: here, in the database, and the included ones.

    Names that no study may have are left out: a shell would run what is in them.

    A definition usually has its file's name.  ``tuner.storage`` takes a second to import, so that databases on a server
    are not read.
    """
    folders = (STUDIES, shipped_studies())
    files = [path.stem for folder in folders for path in sorted(folder.glob("*.toml"))]
    names = dict.fromkeys([*files, *_stored()])
    return [name for name in names if is_study_name(name) and name.startswith(incomplete)]


def _stored() -> Iterator[str]:
    given = os.environ.get(STORAGE_VARIABLE)
    if given and not given.startswith(SQLITE):
        return
    path = Path(given.removeprefix(SQLITE)) if given else STUDIES / DATABASE
    try:
        if not path.is_file():
            return
        uri = f"{resolved(path).as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as connection:
            end = time.monotonic() + PATIENCE
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            yield from (name for (name,) in connection.execute("SELECT study_name FROM studies ORDER BY study_id"))
    except (sqlite3.Error, OSError, ValueError):
        return
