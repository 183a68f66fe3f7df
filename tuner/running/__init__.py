"""Run trials: claim, sample, train, record; in processes on one machine or on several."""

from tuner.running.cluster import check_executor
from tuner.running.hooks import LOGGER, Hooks, OnTrial
from tuner.running.search import OnProgress, SearchProgress, SearchRequest, SearchResult, run_search
from tuner.running.showing import show_where_seen
from tuner.running.signals import StopSignal
from tuner.running.worker import EndedEpoch
