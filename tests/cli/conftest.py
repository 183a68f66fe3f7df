"""The searched studies and their model, for the commands that use them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.modeling.conftest import model_bytes, place, searched
from tests.running.conftest import command

__all__ = ["model_bytes", "place", "searched"]


@pytest.fixture
def here(workplace: Path) -> Run:
    """Run ``tuner ARGUMENTS`` in this process, which has everything imported already."""

    def tuner(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(list(map(str, arguments)), *command(*arguments))

    return tuner
