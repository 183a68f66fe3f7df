"""Everything of Optuna that is not public: its tables, their migrations, and what a distribution contains.

The next minor version may change any of it: pyproject.toml names the one that this was written for, and
``tests/storage/test_optuna_internals.py`` says what a newer one broke.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table

metadata = models.BaseModel.metadata
versions = models.VersionInfoModel.__table__
studies = models.StudyModel.__table__
directions = models.StudyDirectionModel.__table__
trials = models.TrialModel.__table__
params = models.TrialParamModel.__table__
values = models.TrialValueModel.__table__
intermediate_values = models.TrialIntermediateValueModel.__table__
study_system_attributes = models.StudySystemAttributeModel.__table__
trial_system_attributes = models.TrialSystemAttributeModel.__table__

alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Which of Optuna's migrations its tables have been through."""

SCHEMA_VERSION = models.SCHEMA_VERSION
FINITE = models.TrialValueModel.TrialValueType.FINITE
FINITE_INTERMEDIATE = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE

MIGRATIONS = Path(optuna.__file__).parent / "storages" / "_rdb" / "alembic" / "versions"
REVISIONS = re.compile(r'^revision = "(.+)"\ndown_revision = (?:"(.+)"|None)$', re.MULTILINE)
"""Which of Optuna's migrations a file is, and which comes before it."""


def newest_revision() -> str | None:
    """The one of Optuna's migrations that none follows; None where their files are not as they are known here."""
    found = [REVISIONS.search(path.read_text(encoding="utf-8")) for path in MIGRATIONS.glob("*.py")]
    ways = [each.groups() for each in found if each is not None]
    newest = {revision for revision, _ in ways} - {before for _, before in ways}
    return newest.pop() if len(ways) == len(found) and len(newest) == 1 else None


def id_of(trial: FrozenTrial) -> int:
    """The key of a trial in a storage."""
    return int(trial._trial_id)


def contains(distribution: BaseDistribution, external: Any) -> bool:
    """Whether a value can be drawn from a distribution."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(external)))
    except ValueError:  # a choice that is not there
        return False
