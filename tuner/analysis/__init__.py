"""Numbers in, numbers out: intervals, bias and variance, selection, effects, learning curve, recipe.

No file, no SQL and no Optuna here: what is analysed arrives as counts and arrays, what is found leaves as small
frozen dataclasses with intervals.
"""

from tuner.analysis.diagnosis import GAPS, Baseline, Diagnosis, Gap, diagnose
from tuner.analysis.intervals import Z95, ErrorEstimate, difference_interval, wilson
from tuner.analysis.smoothing import exponentially_weighted_average

__all__ = [
    "GAPS",
    "Z95",
    "Baseline",
    "Diagnosis",
    "ErrorEstimate",
    "Gap",
    "diagnose",
    "difference_interval",
    "exponentially_weighted_average",
    "wilson",
]
