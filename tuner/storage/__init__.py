"""The one database: engines, tables, claims, records.  SQLAlchemy lives here."""

from sqlalchemy.engine import URL

from tuner.storage.address import mask, parse_url, shown, sqlite_file, sqlite_url
from tuner.storage.claims import (
    CLAIM_SECONDS,
    HEARTBEAT_SECONDS,
    OUT_OF_MEMORY,
    WALL_LIMIT,
    Budget,
    Claim,
    Standing,
    claim_trial,
    fail,
    put_back,
    renew,
)
from tuner.storage.database import Database
from tuner.storage.history import History, frozen_trial
from tuner.storage.owner import Owner
from tuner.storage.progress import BestTrial, Counts, Progress, read_counts, read_progress
from tuner.storage.reading import StudyRecord, TrialRecord, read_study
from tuner.storage.records import (
    CURVE_COLUMNS,
    Drawn,
    NetworkRecord,
    Outcome,
    read_drawn,
    write_drawn,
    write_outcome,
)
from tuner.storage.schema import back_up, open_database
from tuner.storage.studies import (
    NewStudy,
    StoredStudy,
    StudyLine,
    delete_study,
    ensure_study,
    find_study,
    get_study,
    raise_budget,
    read_dev_set,
    study_lines,
    study_names,
    update_study,
)

__all__ = [
    "CLAIM_SECONDS",
    "CURVE_COLUMNS",
    "HEARTBEAT_SECONDS",
    "OUT_OF_MEMORY",
    "URL",
    "WALL_LIMIT",
    "BestTrial",
    "Budget",
    "Claim",
    "Counts",
    "Database",
    "Drawn",
    "History",
    "NetworkRecord",
    "NewStudy",
    "Outcome",
    "Owner",
    "Progress",
    "Standing",
    "StoredStudy",
    "StudyLine",
    "StudyRecord",
    "TrialRecord",
    "back_up",
    "claim_trial",
    "delete_study",
    "ensure_study",
    "fail",
    "find_study",
    "frozen_trial",
    "get_study",
    "mask",
    "open_database",
    "parse_url",
    "put_back",
    "raise_budget",
    "read_counts",
    "read_dev_set",
    "read_drawn",
    "read_progress",
    "read_study",
    "renew",
    "shown",
    "sqlite_file",
    "sqlite_url",
    "study_lines",
    "study_names",
    "update_study",
    "write_drawn",
    "write_outcome",
]
