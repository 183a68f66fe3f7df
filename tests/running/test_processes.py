"""Worker processes: forked by a process without threads, whatever the searching one is like."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import Edit, finished
from tuner.errors import SearchError
from tuner.running.processes import ALIVE, WorkerProcesses


def stuck(sender: Connection) -> BaseProcess:
    """A worker that says once that it lives, and then no more."""
    context = multiprocessing.get_context("fork")

    def work() -> None:
        sender.send(ALIVE)
        time.sleep(DEADLINE)

    process = context.Process(target=work, daemon=True)
    process.start()
    return process


def test_a_silent_worker_is_killed_and_replaced() -> None:
    """As one that died: no other way ends a call into C that does not return."""
    deaths: list[str] = []
    processes = WorkerProcesses(stuck, lambda: 0, on_death=deaths.append, silence=0.2)
    with pytest.raises(SearchError, match="3 workers in a row died, the last one by SIGKILL"):
        processes.run(1, lambda: False)
    assert len(deaths) == 3


SCRIPT = """
import threading
import tuner

threading.Thread(target=threading.Event().wait, daemon=True).start()
tuner.search("small", workers=2)
print("searched once")
"""


def test_a_script_with_threads_and_without_a_guard_may_search(edit: Edit, workplace: Path) -> None:
    """No worker runs the script again, and a file in the current folder stands in for no library."""
    file = edit()
    (workplace / "script.py").write_text(SCRIPT, encoding="utf-8")
    here = workplace / "elsewhere"
    here.mkdir()
    (here / "numpy.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    (here / "studies").symlink_to(workplace / "studies")
    ended = subprocess.run(
        [sys.executable, workplace / "script.py"],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "searched once\n"), ended.stderr
    assert ended.stderr == ""
    assert finished(file) == [0, 1, 2, 3]
