"""The one database: engines, tables, claims, records.  SQLAlchemy lives here."""

from sqlalchemy.engine import URL

from tuner.storage.address import mask, parse_url, shown, sqlite_file, sqlite_url, without_password
from tuner.storage.checked import BadValueError
from tuner.storage.claims import Budget, Claim, claim_trial, fail, requeue
from tuner.storage.confirmations import (
    Confirmation,
    ConfirmationClaim,
    claim_confirmation,
    finish_confirmation,
    plan_confirmations,
    requeue_confirmation,
)
from tuner.storage.counting import Counts
from tuner.storage.database import MOST_LOG, Database
from tuner.storage.facts import Begun, StudyFacts
from tuner.storage.failures import PATIENTLY, Patience, waiting_for_database
from tuner.storage.health import Check, check_database
from tuner.storage.history import History, frozen_trial
from tuner.storage.holds import Hold, HoldKind
from tuner.storage.imported import count_imported, is_imported, only_to_begin_with, read_imported
from tuner.storage.importing import OptunaStudy, insert_optuna_study, name_for, read_optuna_study
from tuner.storage.jobs import JobClaim, claim_job, finish_job, requeue_job
from tuner.storage.learning import write_learning
from tuner.storage.leases import CLAIM_SECONDS, HEARTBEAT_SECONDS, renew
from tuner.storage.live import Standing, read_hold_by, read_standing, read_version
from tuner.storage.losses import pack_losses
from tuner.storage.merging import Merged, merge_database
from tuner.storage.networks import CURVE_COLUMNS, NetworkRecord, middle_epoch
from tuner.storage.optuna_internals import id_of
from tuner.storage.owner import Owner
from tuner.storage.predictions import DevPredictions
from tuner.storage.progress import (
    BestTrial,
    EndedTrial,
    EndedTrials,
    Progress,
    RunningTrial,
    StudyLook,
    read_counts,
    read_ended,
    read_errors,
    read_failures,
    read_last_ends,
    read_progress,
    read_running,
    read_state_counts,
)
from tuner.storage.pruning import HistoryLimits, PrunedHistory, prune_study
from tuner.storage.queueing import (
    OpenStudy,
    cancel_study,
    open_studies,
    pause_study,
    read_hold,
    resume_study,
    set_aside,
)
from tuner.storage.reading import (
    HeldOutEvaluation,
    StudyRecord,
    TrialRecord,
    count_trials,
    list_trials,
    read_hyperparameter_names,
    read_study,
)
from tuner.storage.records import (
    Outcome,
    SampledTrial,
    enqueue_trial,
    read_sampled,
    require_definition,
    require_hyperparameters,
    write_outcome,
    write_sampled,
)
from tuner.storage.restoring import restore
from tuner.storage.schema import back_up, open_database, optuna_storage
from tuner.storage.studies import (
    NewStudy,
    StoredStudy,
    StudyLine,
    WarmStartTrial,
    delete_study,
    ensure_study,
    find_study,
    get_study,
    no_study,
    raise_budget,
    read_dev_set,
    read_encoding,
    read_points,
    record_test_evaluation,
    set_budget,
    study_ids,
    study_lines,
    study_names,
    update_study,
)
from tuner.storage.unclaimed import TAKE_OVER_SECONDS, UnclaimedTrial, take_over_unclaimed, unclaimed_text
