"""Locate, create, open and administer studies in folders and databases; nothing here runs a trial."""

from tuner.workspace.creating import PreparedStudy
from tuner.workspace.listing import TrialList, open_trials, open_trials_again
from tuner.workspace.locating import StudyPlace, write_definition, write_example
from tuner.workspace.memory import DataInMemory, dataset_again, open_data_in_memory, tables_of
from tuner.workspace.opening import (
    StudyRequest,
    find_searched,
    list_studies,
    load_checked,
    load_searched,
    load_study_data,
    make_definition_file,
    open_study,
    open_to_read,
    read_again,
    read_again_with_data,
    read_prepared,
    read_record,
    read_to_refine,
    read_with_data,
    trainer_to_train,
)
from tuner.workspace.viewing import StudyView
