"""What to do next: ranked actions, each with its reason, its evidence and what it changes in the next definition."""

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.ranking import ACTIONS, rank_actions
from tuner.analysis.actions.state import BestTrialState, DataState, Fit, StudyState
