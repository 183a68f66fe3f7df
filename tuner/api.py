"""The Python face: ``search``, ``load_study`` and what they return."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.reporting import Report, build_report, trials_frame
from tuner.running import (
    SearchRequest,
    StudyRequest,
    open_data_in_memory,
    open_study,
    open_to_read,
    read_record,
    run_search,
)
from tuner.storage import mask, parse_url

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report", "Study", "load_study", "search"]


class Study:
    """A study in its database: trials, report.  Made by :func:`search` and :func:`load_study`."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self._address = address

    @property
    def storage(self) -> str:
        """The database's URL as it may be shown: a password in it is masked."""
        return mask(parse_url(self._address))

    def __repr__(self) -> str:
        return f"Study(name={self.name!r}, storage={self.storage!r})"

    def trials(self) -> pd.DataFrame:
        """All trials, one row each, with the columns of ``trials.csv``."""
        return trials_frame(read_record(self.name, self._address))

    def report(self, *, baseline: Any = None, material_gap: float | None = None) -> Report:
        """Errors, gaps, verdict and next actions, as of now.

        ``baseline``: human-level or Bayes error, a number or ``{"wrong": 3, "of": 200}``; ``material_gap``: a smaller
        gap does not matter.  Both stand in for [diagnosis] of the definition.
        """
        return build_report(read_record(self.name, self._address), baseline=baseline, material_gap=material_gap)

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


def search(
    study: Any,
    *,
    target: Any = None,
    trials: int | None = None,
    total: int | None = None,
    workers: int = 1,
    timeout: float | None = None,
    storage: str | None = None,
    name: str | None = None,
    from_study: str | None = None,
    allow_changed: bool = False,
    allow_trainers: Sequence[str] = (),
) -> Study:
    """Search the hyperparameters of a study and return it; the same call again goes on where the last one ended.

    ``study``: a TOML path, a data file (``target`` names a column), or a name; or a DataFrame (``target`` names a
    column), or
    an array (n, n_features) (``target`` holds the n classes).  ``trials``: exactly so many more by this call;
    ``total``: so many in all; neither: the study's budget.  ``timeout`` in seconds.  ``allow_trainers``: trainers of
    your own, "package.module:function", that may be run though only the database names them.  Raises a TunerError for
    what cannot be searched, and KeyboardInterrupt after putting the running trial back.
    """
    if isinstance(study, str | Path):
        request = StudyRequest(str(study), target, storage, name, from_study, allow_changed, tuple(allow_trainers))
        opened = open_study(request)
    else:
        opened = open_data_in_memory(study, target, name=name, storage=storage, allow_changed=allow_changed)
    result = run_search(opened, SearchRequest(trials, total, workers, timeout))
    if result.signal == signal.SIGINT:
        raise KeyboardInterrupt
    if result.signal is not None:
        raise SystemExit(128 + result.signal)
    return Study(result.study, opened.database.address)


def load_study(study: str | Path, *, storage: str | None = None) -> Study:
    """A study that was searched before.  Raises UsageError where there is none."""
    database, name = open_to_read(str(study), storage)
    address = database.address
    database.close()
    return Study(name, address)
