"""How trials run: claim, draw, run, record; processes on one machine, more of them on many."""

from tuner.running.catalog import write_definition, write_example
from tuner.running.cluster import check_executor
from tuner.running.estimating import Estimate, estimate_search
from tuner.running.looking import Seal, load_models_data, own_file
from tuner.running.machine import check_machine
from tuner.running.opening import (
    StudyRequest,
    StudyView,
    list_studies,
    load_searched,
    load_study_data,
    load_to_run,
    make_definition_file,
    open_data_in_memory,
    open_study,
    open_to_read,
    read_prepared,
    read_record,
    refuse_stored_trainer,
)
from tuner.running.preparing import PreparedStudy, prepare
from tuner.running.search import Report, SearchRequest, SearchResult, run_search
from tuner.running.signals import StopSignal
from tuner.running.worker import trial_settings

__all__ = [
    "Estimate",
    "PreparedStudy",
    "Report",
    "Seal",
    "SearchRequest",
    "SearchResult",
    "StopSignal",
    "StudyRequest",
    "StudyView",
    "check_executor",
    "check_machine",
    "estimate_search",
    "list_studies",
    "load_models_data",
    "load_searched",
    "load_study_data",
    "load_to_run",
    "make_definition_file",
    "open_data_in_memory",
    "open_study",
    "open_to_read",
    "own_file",
    "prepare",
    "read_prepared",
    "read_record",
    "refuse_stored_trainer",
    "run_search",
    "trial_settings",
    "write_definition",
    "write_example",
]
