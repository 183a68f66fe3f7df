"""How trials run: claim, draw, run, record; processes on one machine, more of them on many."""

from tuner.running.cluster import check_executor
from tuner.running.search import SearchProgress, SearchRequest, SearchResult, run_search
from tuner.running.signals import StopSignal
