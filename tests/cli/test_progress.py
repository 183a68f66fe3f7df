"""What a search shows while it runs, and how it ends: in a real terminal, in a log, as JSON."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import DEADLINE, Run
from tuner.cli import progress
from tuner.cli.progress import JsonLines, TextLines, show_steps
from tuner.cli.search_command import again
from tuner.data import DataSettings, FileReader, dataset_from
from tuner.formatting import rough_duration
from tuner.metrics import METRICS, Metric, cross_entropies
from tuner.running import SearchProgress
from tuner.running.showing import ended_text, progress_text
from tuner.storage import BestTrial, Counts, EndedTrial, Progress
from tuner.study import metric_text

BEST = BestTrial(3, 0.05, 0.05, 0.01, "{}")
RUNNING = SearchProgress(Progress(Counts(30, 6, 1, 2), 2, 100, BEST), 100, new=16, seconds=8.0)
ENDED = EndedTrial(7, "pruned", "pruned", 0.25, 4, 1.5, {"alpha": 0.123456, "initializer": "he"})


def take_the_terminal() -> None:
    """Become a process that a shell started in its terminal, even if these tests run in a shell's background.

    There SIGINT is ignored, and children inherit that: Ctrl-C would do nothing.
    """
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # it becomes the controlling terminal
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A process whose three streams are one pseudo-terminal; ``shown`` is all it has written."""

    def __init__(self, *arguments: str) -> None:
        leader, follower = pty.openpty()
        self._leader = leader
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tuner", *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            preexec_fn=take_the_terminal,
        )
        os.close(follower)
        self.shown = ""

    def read_until(self, pattern: str, seconds: float = DEADLINE) -> None:
        """Read until the pattern stands in what was shown, or the process has ended."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.shown):
            assert time.monotonic() < end, self.shown
            try:
                self.shown += os.read(self._leader, 4096).decode(errors="replace")
            except OSError:
                return

    def press(self, keys: bytes) -> None:
        """Type into the terminal."""
        os.write(self._leader, keys)

    def wait(self, seconds: float = DEADLINE) -> int:
        """Read the rest; the exit status."""
        end = time.monotonic() + seconds
        with suppress(OSError):
            while select.select([self._leader], [], [], max(end - time.monotonic(), 0))[0]:
                self.shown += os.read(self._leader, 4096).decode(errors="replace")
            self.process.kill()
            raise AssertionError(f"does not end: {self.shown}")
        os.close(self._leader)
        return self.process.wait(DEADLINE)


def test_a_terminal_shows_a_bar_and_then_the_verdict(small_study: Path) -> None:
    """Trials, best error and gap while it runs; table, verdict and the page's command at the end."""
    terminal = Terminal("search", "small", "--references", "none")
    assert terminal.wait() == 0
    parts = (
        "4/4",
        "best dev error",
        "dev − train",
        "trials/s",
        "avoidable bias",
        "Next steps",
        "tuner report small --open",
    )
    for part in parts:
        assert part in terminal.shown, part


def test_control_c_puts_the_trial_back_and_says_how_to_go_on(small_study: Path, here: Run) -> None:
    """Exit status 130, no trial left running, and a command that does exactly the rest."""
    terminal = Terminal("search", "small", "--trials", "400", "--references", "none")
    terminal.read_until(r"[1-9]\d*/400")
    terminal.press(b"\x03")
    assert terminal.wait() == 130
    shown = " ".join(terminal.shown.split())
    found = re.search(r"Continue with: tuner search small --trials (\d+) --references none", shown)
    assert found
    line = json.loads(here("studies", "--json").stdout)["studies"][0]
    assert line["running"] == 0
    assert line["complete"] + line["pruned"] == 400 - int(found[1])


def test_quiet_prints_the_result_alone(small_study: Path, here: Run) -> None:
    """The first line and the best trial: no progress, no verdict."""
    result = here("search", "small", "--quiet")
    assert result.stderr == ""
    assert "best: trial" in result.stdout
    assert "avoidable bias" not in result.stdout


def test_verbose_json_logs_tell_every_trial(small_study: Path, here: Run) -> None:
    """Every line on stderr is an object with time and event; stdout stays for people."""
    result = here("search", "small", "--verbose", "--log-format", "json")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["started", *["trial"] * 4, "ended"]
    assert sorted(line["number"] for line in lines[1:-1]) == [0, 1, 2, 3]
    assert all(line["time"].endswith("+00:00") for line in lines)
    assert lines[-1]["trials"]["failed"] == 0
    assert "avoidable bias" in result.stdout


def test_a_log_format_that_there_is_not_is_refused(small_study: Path, here: Run) -> None:
    """By the option's name, before anything is made."""
    result = here("search", "small", "--log-format", "xml")
    assert result.returncode == 2
    assert "--log-format: expected text or json, got 'xml'" in result.stderr
    assert not (small_study.parent / "tuner.db").exists()


def test_the_line_of_progress_says_all_that_matters() -> None:
    """16 trials in 8 s are 2 a second; 64 more take 32 s."""
    assert progress_text(RUNNING) == (
        "best dev error 5.0%, dev − train 4.0 pp · 2 trials/s · 32 s left · 2 running · 6 pruned · 2 diverged"
        " · 1 failed"
    )


def test_once_the_budget_is_complete_trainings_are_counted() -> None:
    """Instead of a speed that falls while no trial is run; before that they are no matter."""
    progress = replace(RUNNING.progress, confirmations_done=3, confirmations=10)
    assert "trained again" not in progress_text(replace(RUNNING, progress=progress))
    confirming = replace(RUNNING, progress=progress, allowed=36)
    assert progress_text(confirming, 76) == (
        "best dev error 5.0%, dev − train 4.0 pp · trained again: 3 of 10 · 1 failed"
    )


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (200, progress_text(RUNNING)),
        (74, "best dev error 5.0%, dev − train 4.0 pp · 32 s left · 6 pruned · 1 failed"),
        (68, "best dev error 5.0%, dev − train 4.0 pp · 32 s left · 1 failed"),
        (10, "1 failed"),
    ],
)
def test_a_narrow_line_says_what_matters_most(width: int, text: str) -> None:
    """Whole parts are left out, none is cut."""
    assert progress_text(RUNNING, width) == text


def test_the_count_of_trials_is_whole_at_80_columns(small_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever there is to say, the bar gives way, not the count."""
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal("search", "small", "--trials", "30", "--references", "none")
    assert terminal.wait() == 0
    drawn = [
        line for line in re.split(r"[\r\n]+", terminal.shown) if "best dev error" in line and "dev − train" in line
    ]
    assert drawn
    assert all(re.search(r"\d/30 ", re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", line)) for line in drawn)


def test_before_the_first_trial_nothing_is_claimed() -> None:
    """No speed, no time left, no best."""
    assert progress_text(SearchProgress(Progress(Counts(), 1, 100, None), 100, seconds=3.0)) == "1 running"


def test_a_log_gets_one_line_a_minute(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing within the minute; then a line with the time of day."""
    lines = TextLines(verbose=False)
    lines(RUNNING)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines(RUNNING)
    assert re.fullmatch(r"\d\d:\d\d:\d\d 36 of 100 trials · best dev error .*\n", capsys.readouterr().err)


def test_a_json_log_gets_the_same_as_fields(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object a minute."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    JsonLines(verbose=False)(RUNNING)
    found = json.loads(capsys.readouterr().err)
    assert (found["event"], found["done"], found["allowed"], found["trials_per_second"]) == ("progress", 36, 100, 2.0)
    assert found["best"] == {"number": 3, "dev_error": 0.05, "train_error": 0.01}


def test_a_trial_that_ended_is_one_line() -> None:
    """State, value, epochs, time and hyperparameters; a failed one says why."""
    assert ended_text(ENDED, "error") == (
        "trial 7 pruned, value 25.0%, 4 epochs (pruned), 1.5 s, alpha 0.1235, initializer he"
    )
    failed = EndedTrial(8, "failed", "failed", None, None, None, {}, "out of memory")
    assert ended_text(failed, "error") == "trial 8 failed: out of memory"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (42, "42 s"), (150, "2.5 min"), (9000, "2.5 h"), (259200, "3 days")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    """In the largest unit of which there are two."""
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["search", "digits"], "tuner search digits"),
        (["search", "digits", "--trials", "50"], "tuner search digits --trials 12"),
        (["search", "digits", "--trials=50", "--quiet"], "tuner search digits --trials=12 --quiet"),
        (
            ["search", "digits", "--storage", "postgresql://me:secret@host/db"],
            "tuner search digits --storage 'postgresql://me:***@host/db'",
        ),
    ],
)
def test_the_command_that_goes_on_does_the_rest(arguments: list[str], line: str) -> None:
    """``--trials`` becomes what is left of it; a password is not repeated."""
    assert again(arguments, 12).replace("'", "") == line.replace("'", "")


@pytest.mark.parametrize(
    ("metric", "shown"),
    [("error", "4.2%"), ("balanced_error", "4.2%"), ("cost", "0.042"), ("log_loss", "0.042"), ("gone", "0.042")],
)
def test_only_a_share_of_wrong_rows_is_written_in_percent(
    metric: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of metrics decides; a mean of another loss, or of a metric that is not known here, is a number."""
    monkeypatch.setitem(METRICS, "log_loss", Metric(name="log_loss", label="log loss", worst=9, losses=cross_entropies))
    assert metric_text(metric, 0.042) == shown
    assert metric_text(metric, None) == "–"


@pytest.mark.parametrize(("log_format", "begins"), [("text", "tuner: reading "), ("json", '{"time": ')])
def test_a_large_file_is_named_before_it_is_read(
    log_format: str, begins: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line on stderr, however often its rows are used; none if it is small or nothing is to be said."""
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n" + "1,a\n2,b\n" * 20)
    reader = FileReader(DataSettings(source="rows.csv", target="y"), tmp_path)
    for large, quiet, lines in ((1 << 20, False, 0), (1, True, 0), (1, False, 1)):
        monkeypatch.setattr("tuner.data.reading.LARGE", large)
        with show_steps(quiet=quiet, log_format=log_format), reader:
            dataset_from(reader, cache=False)
            reader.raws()
        printed = capsys.readouterr().err
        assert printed.count("\n") == lines
    assert printed.startswith(begins)
    assert str(path) in printed
