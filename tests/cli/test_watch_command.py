"""``tuner watch``: one frame in a pipe, a live picture in a terminal."""

import io
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

from rich.console import Console

from tests.cli.test_progress import Terminal
from tests.conftest import DEADLINE, Run
from tests.reporting.building import make_study
from tuner.errors import TunerError
from tuner.reporting import build_report, view
from tuner.reporting.frames import dev_error
from tuner.reporting.watching import best_curve, seconds_a_trial
from tuner.storage import BestTrial, Progress, RunningTrial, StudyLook
from tuner.workspace import StudyView


def shown(n_trials: int, running: list[RunningTrial], *, large: bool = False) -> str:
    """A made-up study as a terminal of 100 columns shows it."""
    out, record = io.StringIO(), make_study(n_trials)
    best = record.best
    errors = [dev_error(trial) or 0.0 for trial in record.judged]
    top = None if best is None else BestTrial(best.number, best.value or 0.0, min(errors), 0.0, "{}")
    progress = Progress(record.count(), len(running), record.budget, top)
    ends = [trial.finished for trial in record.trials if trial.finished is not None]
    look = StudyLook(record.name, record.storage, progress, running, errors, ends)
    Console(file=out, width=100).print(view(look, None if large else build_report(record)))
    return out.getvalue()


def test_a_pipe_gets_one_frame(small_study: Path, here: Run) -> None:
    """Progress, curve, verdict and gaps; nothing is written."""
    here("search", "small", "--quiet")
    before = {path.name: path.stat().st_mtime for path in small_study.parent.glob("*.db")}
    result = here("watch", "small")
    assert result.returncode == 0, result.stderr
    for part in ("small: 4 of 4 trials", "lowest dev error so far", "variance", "0 running"):
        assert part in result.stdout
    assert {path.name: path.stat().st_mtime for path in small_study.parent.glob("*.db")} == before


def test_a_study_that_was_never_searched_is_refused(small_study: Path, here: Run) -> None:
    """With the command that searches it."""
    result = here("watch", "small")
    assert result.returncode == 2
    assert "tuner search small" in result.stderr


def test_a_terminal_follows_a_search_of_another_process(small_study: Path) -> None:
    """The worker's process is named while it runs; the picture ends by itself once the study is finished."""
    text = small_study.read_text(encoding="utf-8").replace("trials = 4", "trials = 40")
    small_study.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "tuner", "search", "small", "--quiet", "--references", "none"]
    search = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    hold_in_a_trial(search)
    terminal = Terminal("watch", "small", "--every", "0.1s")
    terminal.read_until(rf"process {search.pid}")
    search.send_signal(signal.SIGCONT)
    assert terminal.wait() == 0
    assert search.wait(DEADLINE) == 0
    assert re.search(rf"process {search.pid}", terminal.shown)
    assert "40 of 40 trials" in terminal.shown


def hold_in_a_trial(search: subprocess.Popen[bytes]) -> None:
    """Stop a search where one of its trials runs, so that however slow whoever watches is, there is one to see."""
    while True:
        assert search.poll() is None, "the search ended before a trial of it was seen"
        search.send_signal(signal.SIGSTOP)
        with suppress(TunerError), closing(StudyView("small")) as viewed:  # there may be no study yet
            if viewed.look()[0].running:
                return
        search.send_signal(signal.SIGCONT)
        time.sleep(0.05)


def test_control_c_ends_watching_and_leaves_the_last_frame(small_study: Path, here: Run) -> None:
    """Exit status 0: the study goes on, whoever searches it."""
    here("search", "small", "--trials", 1, "--quiet")
    terminal = Terminal("watch", "small")
    terminal.read_until("1 of 4 trials")
    terminal.press(b"\x03")
    assert terminal.wait() == 0
    assert "Inconclusive: too few examples" in " ".join(terminal.shown.split())


def test_workers_and_time_left_are_told_while_it_runs() -> None:
    """The made-up trials end every two seconds: 30 a minute."""
    told = shown(24, [RunningTrial(24, "big-machine", 4711, 75.0, 2)])
    assert "24 of 24 trials" in told
    assert "30 trials/min" in told
    assert "1 running" in told
    assert re.search(r"24\s+big-machine, process 4711\s+0:01:15\s+2", told)


def test_a_large_study_is_shown_without_its_verdict() -> None:
    """With the command that tells it."""
    told = shown(24, [], large=True)
    assert "lowest dev error so far" in told
    assert told.rstrip().splitlines()[-1] == "verdict: tuner report made"


def test_before_the_first_trial_there_is_only_the_progress() -> None:
    """No curve, no gaps, no speed."""
    told = shown(0, [])
    assert "0 of 0 trials" in told
    assert "lowest dev error" not in told
    assert seconds_a_trial([]) is None


def test_the_curve_falls_from_its_top_to_the_best() -> None:
    """The first column is full, the last as high as the best error's share of the first."""
    rows = best_curve([0.4, 0.4, 0.2, 0.1])  # type: ignore[arg-type]
    columns = [row.partition("│")[2] for row in rows]
    assert [row[0] for row in columns] == ["█"] * 6
    assert [row[3] for row in columns] == [" ", " ", " ", " ", "▄", "█"]
    assert rows[0].endswith("now 10.0%")
