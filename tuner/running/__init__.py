"""Run trials: claim, sample, train, record; in processes on one machine or on several."""

from tuner.running.cluster import check_executor
from tuner.running.search import SearchProgress, SearchRequest, SearchResult, run_search
from tuner.running.signals import StopSignal
