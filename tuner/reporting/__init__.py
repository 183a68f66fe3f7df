"""Reports of a study: frames, figures and tables as HTML, Markdown, CSV, JSON and for the terminal."""

from tuner.reporting.building import build_report, compare
from tuner.reporting.commands import next_definition, report_command, search_next_command
from tuner.reporting.comparing import Comparison
from tuner.reporting.files import csv_of_frame
from tuner.reporting.frames import trials_frame
from tuner.reporting.learning import Learning, learning_of
from tuner.reporting.notes import failures_of, unrecorded_sentence
from tuner.reporting.refining import Refinement, refine
from tuner.reporting.report import Report
from tuner.reporting.watching import view
