"""Next steps: ranked actions, each with its reason, its evidence and its changes of the definition."""

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.ranking import ACTIONS, rank_actions
from tuner.analysis.actions.state import BestTrialState, DataState, Fit, SegmentState, StudyState
