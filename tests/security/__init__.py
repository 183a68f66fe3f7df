"""Hostile inputs: what comes from a shared database, folder, cache or file is refused in one line."""

from __future__ import annotations

import os

SECONDS = int(os.environ.get("TUNER_FUZZ_SECONDS", "60"))
"""How long the long form of each fuzzer runs."""

SEED = int(os.environ.get("TUNER_FUZZ_SEED", "0"))
"""Where each fuzzer begins: the same inputs every time, unless another seed is asked for."""
