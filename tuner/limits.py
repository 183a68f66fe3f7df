"""The most of something that a definition, the command line or a call may ask for, where more would fill memory."""

MOST_SEEDS = 64
"""Networks of one trial, one per seed."""
MOST_SIZES = 20
"""Sizes of the training set on a learning curve."""
MOST_THREADS = 256
"""Threads of one worker."""
MOST_PROCESSES = 1000
"""Worker processes on one machine."""
MOST_TRIALS = 100
"""In an ensemble of trials."""
MOST_CONFIRMED = 20
"""Trials that are trained again: the best ones, whose predictions are kept."""
LOWEST_PRIORITY, HIGHEST_PRIORITY = -1000, 1000
"""Of a study among those that workers serve."""
LATEST_SECONDS = 2200 * 365.25 * 86400
"""A time in a database, since 1970: what is later was not written by tuner."""
