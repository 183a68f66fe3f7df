"""Our tables, beside Optuna's own in the same database.  Each fact has one owner.

Optuna's tables hold studies, trials, states, parameters, values and intermediate values; ours hold what Optuna has no
place for.  Byte columns are little-endian NumPy arrays; ``*_bits`` are packed, most significant bit first.  A cost is
NULL, and ``dev_fold_wrong`` empty, where a custom trainer does not tell; ``dev_bits`` are empty where such a
trial was pruned.  ``left_out_bits`` and ``left_wrong_bits`` are of ``n_watched`` training rows, the same for a whole
learning curve; NULL where a network left out none, or where they do not stand for dev rows.  ``n_effective`` are the
independent rows that ``n`` count for; NULL where each is.  ``dev_weights`` are multiples of their mean; NULL where all
rows count alike.  Rows that are wrong are counted by such weights, too.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    event,
)

from tuner.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from tuner.outcomes import StopReason
from tuner.storage.checked import (
    FACTS,
    HOLD,
    IDENTITY,
    LAYERS,
    MOMENT,
    MOST,
    NUMBER,
    OBJECT,
    OFFERED,
    OWNER,
    PATH,
    POSITIVE,
    REASON,
    ROWS,
    VALUES,
    array_of,
    check_columns,
    integer,
)

SCHEMA_VERSION = 15


class StopReasonText(TypeDecorator[StopReason]):
    """A stop reason as its text."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As the column holds it."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StopReason | None:
        """As the rest of the package compares it."""
        return None if value is None else StopReason(value)


class Rows(TypeDecorator[float]):
    """How many rows, or the sum of their relative weights, where they have any; an integer is read as an int."""

    impl = Double
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:
        """As the rest of the package uses it."""
        return int(value) if value is not None and float(value).is_integer() else value


metadata = MetaData()

versions = Table(
    "tuner_version",
    metadata,
    Column("schema_version", Integer, primary_key=True, autoincrement=False),
    Column("optuna_version", String(64), nullable=False),
)

studies = Table(
    "tuner_studies",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("definition", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("data_path", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("encoding", Text, nullable=False),
    Column("dev_rows", LargeBinary, nullable=False),
    Column("dev_classes", LargeBinary, nullable=False),
    Column("dev_groups", LargeBinary),
    Column("dev_weights", LargeBinary),
    Column("dev_folds", LargeBinary, nullable=False),
    Column("test_rows", LargeBinary, nullable=False),
    Column("offered", Text),
    Column("budget", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("hold", Text),
    Column("resumed", Double),
)

claims = Table(
    "tuner_claims",
    metadata,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("study_id", Integer, nullable=False),
    Column("token", String(32)),
    Column("call", String(32), index=True),
    Column("owner", Text, nullable=False),
    Column("claimed", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Column("checkpoint", LargeBinary),
)
LIVE_CLAIMS = DDL("CREATE INDEX ix_tuner_claims_live ON tuner_claims (study_id) WHERE token IS NOT NULL")  # type: ignore[no-untyped-call]
"""As SQL: an ``Index`` with a condition imports the dialect of every kind of database."""
event.listen(claims, "after_create", LIVE_CLAIMS)

jobs = Table(
    "tuner_jobs",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("token", String(32)),
    Column("owner", Text),
    Column("expires", Double),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Column("finished", Double),
)
"""The job of training each new study's reference models; a study of 0.1 has them in its facts."""

trials = Table(
    "tuner_trials",
    metadata,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("study_id", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("exploring", Boolean, nullable=False),
    Column("hyperparameters", Text, nullable=False),
    Column("finish_order", Integer),
    Column("stop_reason", StopReasonText),
    Column("best_epoch", Integer),
    Column("epochs", Integer),
    Column("seconds", Double),
    Column("tie_break", Double, nullable=False, server_default="0"),
    Index("ix_tuner_trials_finish", "study_id", "finish_order", unique=True),
)
"""``tie_break``: see ``ranking.Rank``; 0 of versions to 0.3."""

counts = Table(
    "tuner_counts",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("pruned", Integer, nullable=False),
    Column("diverged", Integer, nullable=False),
    Column("best_trial_id", Integer),
)
"""What no index tells of a study's finished trials, kept in the transaction in which each of them ends."""

networks = Table(
    "tuner_networks",
    metadata,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("network", Integer, primary_key=True, autoincrement=False),
    Column("stop_reason", StopReasonText, nullable=False),
    Column("best_epoch", Integer, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("updates", Integer, nullable=False),
    Column("n_train", Integer, nullable=False),
    Column("train_wrong", Rows, nullable=False),
    Column("train_cost", Double),
    Column("n_train_dev", Integer),
    Column("train_dev_wrong", Rows),
    Column("n_dev", Integer, nullable=False),
    Column("dev_wrong", Rows, nullable=False),
    Column("dev_cost", Double),
    Column("dev_bits", LargeBinary, nullable=False),
    Column("layers", Text),
    Column("diverged_layer", Integer),
)

epochs = Table(
    "tuner_epochs",
    metadata,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("network", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("train_cost", Double),
    Column("train_error", Double, nullable=False),
    Column("dev_cost", Double),
    Column("dev_error", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("dev_fold_wrong", LargeBinary, nullable=False),
)

learning = Table(
    "tuner_learning",
    metadata,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("n_train", Integer, primary_key=True, autoincrement=False),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("stop_reason", StopReasonText, nullable=False),
    Column("best_epoch", Integer, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("train_wrong", Rows, nullable=False),
    Column("error", Double, nullable=False),
    Column("n_dev", Integer, nullable=False),
    Column("dev_bits", LargeBinary, nullable=False),
    Column("n_watched", Integer),
    Column("left_out_bits", LargeBinary),
    Column("left_wrong_bits", LargeBinary),
    Column("seconds", Double, nullable=False),
)

confirmations = Table(
    "tuner_confirmations",
    metadata,
    Column("confirmation_id", Integer, primary_key=True),
    Column("study_id", Integer, nullable=False, index=True),
    Column("trial_id", Integer, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("split", Integer, nullable=False),
    Column("token", String(32)),
    Column("owner", Text),
    Column("expires", Double),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Column("finished", Double),
    Column("value", Double),
    Column("seconds", Double),
    Index("ix_tuner_confirmations_trial", "trial_id", "repeat", unique=True),
)
"""The best trials trained again: ``repeat`` counts from 1, ``split`` 0 is the study's own."""

predictions = Table(
    "tuner_predictions",
    metadata,
    Column("trial_id", Integer, primary_key=True, autoincrement=False),
    Column("study_id", Integer, nullable=False, index=True),
    Column("classes", LargeBinary, nullable=False),
    Column("log_probabilities", LargeBinary),
    Column("train_losses", LargeBinary),
)
"""What the best trials of each study predict of the dev rows."""

test_evaluations = Table(
    "tuner_test_looks",
    metadata,
    Column("look_id", Integer, primary_key=True),
    Column("study_id", Integer, nullable=False, index=True),
    Column("trial_number", Integer),
    Column("looked", Double, nullable=False),
    Column("wrong", Rows, nullable=False),
    Column("n", Integer, nullable=False),
    Column("n_effective", Double),
    Column("model", Text, nullable=False),
)

check_columns(
    metadata,
    {
        "identity": IDENTITY,
        "data_path": PATH,
        "facts": FACTS,
        "encoding": OBJECT,
        "offered": OFFERED,
        "owner": OWNER,
        "hold": HOLD,
        "priority": integer(LOWEST_PRIORITY, HIGHEST_PRIORITY),
        "hyperparameters": VALUES,
        "layers": LAYERS,
        "stop_reason": REASON,
        "dev_rows": array_of(8),
        "dev_classes": array_of(4),
        "dev_groups": array_of(8),
        "dev_weights": array_of(8),
        "test_rows": array_of(8),
        "classes": array_of(2),
        "log_probabilities": array_of(2),
        "schema_version": integer(1, MOST),
        "seed": integer(0, 2**63 - 1),
        "created": MOMENT,
        "resumed": MOMENT,
        "claimed": MOMENT,
        "expires": MOMENT,
        "finished": MOMENT,
        "looked": MOMENT,
        "seconds": POSITIVE,
        "value": POSITIVE,
        "train_cost": NUMBER,
        "dev_cost": NUMBER,
        "train_error": POSITIVE,
        "dev_error": POSITIVE,
        "error": POSITIVE,
        "n_effective": POSITIVE,
        "train_wrong": ROWS,
        "train_dev_wrong": ROWS,
        "dev_wrong": ROWS,
        "wrong": ROWS,
    },
)

TRIALS_BY_STATE = "CREATE INDEX IF NOT EXISTS tuner_trials_by_state ON trials (study_id, state, number)"
"""Optuna has no index that finds the trials of a study in one state, or the last number, without reading them all."""

TRIALS_BY_NUMBER = "CREATE UNIQUE INDEX IF NOT EXISTS tuner_trials_by_number ON trials (study_id, number)"
"""Optuna leaves it to locks that no number is there twice; a server's settings can undo those."""

STUDY: BindParameter[int] = bindparam("study")
TRIAL: BindParameter[int] = bindparam("trial")
"""Whose rows are meant, in the statements of every trial: made once, for to make one takes longer than to run it."""
