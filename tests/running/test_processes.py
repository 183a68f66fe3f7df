"""Worker processes: forked by a process without threads, whatever the searching one is like."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import DEADLINE
from tests.running.conftest import Edit, finished

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
