"""How trials run: claim, draw, run, record; processes on one machine, more of them on many."""

from tuner.running.opening import StudyRequest, list_studies, open_study, open_to_read, read_record
from tuner.running.preparing import PreparedStudy, prepare
from tuner.running.search import Report, SearchRequest, SearchResult, run_search

__all__ = [
    "PreparedStudy",
    "Report",
    "SearchRequest",
    "SearchResult",
    "StudyRequest",
    "list_studies",
    "open_study",
    "open_to_read",
    "prepare",
    "read_record",
    "run_search",
]
