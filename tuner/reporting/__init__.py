"""Reports of a study: frames, figures and tables as HTML, Markdown, CSV, JSON and for the terminal."""

from tuner.reporting.building import build_report, compare
from tuner.reporting.columns import kept_columns
from tuner.reporting.commands import next_definition, report_command, search_next_command
from tuner.reporting.comparing import Comparison
from tuner.reporting.conditions import Condition, chosen_rows
from tuner.reporting.errors_page import write_errors_page
from tuner.reporting.files import csv_text, write_csv
from tuner.reporting.frames import trial_columns, trial_row, trials_frame
from tuner.reporting.learning import Learning, learning_of
from tuner.reporting.notes import few_updates_sentence, unrecorded_sentence
from tuner.reporting.odd_rows import OddRows, find_odd_rows
from tuner.reporting.refining import Refinement, refine
from tuner.reporting.report import Report
from tuner.reporting.watching import view
from tuner.reporting.wrong_rows import WrongRows, find_wrong_rows
