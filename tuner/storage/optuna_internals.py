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

from tuner.storage.checked import JSON, NAME, check_columns, integer

made = models.BaseModel.metadata
"""Optuna's tables as it makes them."""
metadata = MetaData()
"""The same tables with the types that check what is read; NULL only where a date may be missing."""
for _table in made.sorted_tables:
    _table.to_metadata(metadata)
check_columns(
    metadata,
    {"study_name": NAME, "value_json": JSON, "objective": integer(0, 0)},
    not_null=[
        column.name for table in made.sorted_tables for column in table.c if not column.name.startswith("datetime")
    ],
)
versions = metadata.tables["version_info"]
studies = metadata.tables["studies"]
directions = metadata.tables["study_directions"]
trials = metadata.tables["trials"]
params = metadata.tables["trial_params"]
values = metadata.tables["trial_values"]
heartbeats = metadata.tables["trial_heartbeats"]
intermediate_values = metadata.tables["trial_intermediate_values"]
study_system_attributes = metadata.tables["study_system_attributes"]
trial_user_attributes = metadata.tables["trial_user_attributes"]
trial_system_attributes = metadata.tables["trial_system_attributes"]

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


def newest_revision() -> str:
    """The one of Optuna's migrations that none follows; Alembic is asked where their files are in another form."""
    matches = [REVISIONS.search(path.read_text(encoding="utf-8")) for path in MIGRATIONS.glob("*.py")]
    ways = [each.groups() for each in matches if each is not None]
    newest = {revision for revision, _ in ways} - {before for _, before in ways}
    if len(ways) == len(matches) and len(newest) == 1:
        return str(newest.pop())
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(MIGRATIONS.parent)).get_current_head())


def id_of(trial: FrozenTrial) -> int:
    """The key of a trial in a storage."""
    return int(trial._trial_id)


def contains(distribution: BaseDistribution, external: Any) -> bool:
    """Whether a value can be drawn from a distribution."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(external)))
    except ValueError:  # a choice that is not there
        return False
