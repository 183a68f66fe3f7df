"""What `[notify]` names: a web address that gets JSON, or a command, told of the best trial, the end and failures."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from http.client import HTTPException
from math import isfinite
from typing import Any

from tuner.commands import command_text
from tuner.errors import TunerError
from tuner.formatting import count, one_line, shorten
from tuner.outcomes import TrialState
from tuner.printable import visible
from tuner.running.outbox import Outbox
from tuner.storage import Budget, Database, EndedTrial, read_ended, read_hold_by, read_standing
from tuner.study import StudyDefinition, is_address, metric_text

SECONDS = 10.0
"""How long one attempt may take."""
PAUSES = (1.0, 4.0)
"""Seconds before the second and the third attempt."""
PASSING = (408, 425, 429)
"""Refusals of a server after which another attempt may succeed, beside those from 500 on."""
LONGEST_REASON = 300
LONGEST_OUTPUT = 4096
"""Bytes at the end of what a command writes, of which a warning has the last line."""
OUTPUT_SECONDS = 1.0
"""How long to wait for that once the command has ended: what it began may write on."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of a study, for the hook of its ``event``: on_best, on_done or on_failure.

    ``trial``: the best one, or the one that failed; None where a study was set aside.
    """

    event: str
    study: str
    text: str
    trial: EndedTrial | None = None
    finished: int | None = None
    budget: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON that a web address gets; many chats show its ``text``."""
        numbers = {} if self.trial is None else asdict(self.trial)
        trial = {name: None if isinstance(of, float) and not isfinite(of) else of for name, of in numbers.items()}
        return {
            "event": self.event,
            "study": self.study,
            "text": self.text,
            "finished": self.finished,
            "budget": self.budget,
            "trial": trial or None,
            "host": socket.gethostname(),
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }

    def variables(self) -> dict[str, str]:
        """The environment variables that a command gets."""
        trial = self.trial
        values = {
            "EVENT": self.event,
            "STUDY": self.study,
            "TEXT": self.text,
            "TRIAL": None,
            "DEV_ERROR": None,
            "REASON": None,
            **({} if trial is None else {"TRIAL": trial.number, "DEV_ERROR": trial.dev_error, "REASON": trial.reason}),
        }
        return {f"TUNER_{name}": "" if value is None else visible(str(value)) for name, value in values.items()}


class Notices:
    """Sends notices to the ``hooks`` of their events, each in its own time."""

    def __init__(self, hooks: Mapping[str, str]) -> None:
        self._outboxes = {event: _outbox(event, hook) for event, hook in hooks.items()}

    @property
    def outboxes(self) -> list[Outbox[Notice]]:
        """Those of all events."""
        return list(self._outboxes.values())

    def send(self, notice: Notice) -> None:
        """Send a notice, soon, if there is a hook for it."""
        if notice.event in self._outboxes:
            self._outboxes[notice.event].put(notice)


def notices_of(
    database: Database,
    definition: StudyDefinition,
    study_id: int,
    budget: Budget,
    trial_id: int,
    has_reached_goal: Callable[[], bool],
) -> Iterator[Notice]:
    """Yield what there is to tell of a trial that has just ended.  Raises StorageError.

    ``has_reached_goal()``: whether the study ends before its budget is complete.
    """
    study, trial = definition.name, read_ended(database, trial_id)
    if trial.state == TrialState.FAILED:
        reason = shorten(one_line(trial.reason or "for no known reason"), LONGEST_REASON)
        yield Notice("on_failure", study, f"{study}: trial {trial.number} failed: {reason}", trial)
        hold = read_hold_by(database, trial_id)
        if hold is not None:
            yield Notice("on_failure", study, f"{study}: {hold}; to go on: {command_text('resume', study)}")
        return
    standing = read_standing(database, study_id, trial_id, budget)
    so_far = f"{standing.finished:,} of {count(max(standing.budget, standing.finished), 'trial')}"
    numbers = (standing.finished, standing.budget)
    if standing.is_best:
        text = f"{study}: trial {trial.number} is the best so far, {_result(definition, trial)} ({so_far})"
        yield Notice("on_best", study, text, trial, *numbers)
    if standing.is_last and not standing.running and (standing.is_complete or has_reached_goal()):
        best = None if standing.best is None else read_ended(database, standing.best)
        result = "no usable result" if best is None else f"best: trial {best.number}, {_result(definition, best)}"
        yield Notice("on_done", study, f"{study}: done, {so_far}; {result}", best, *numbers)


def _result(definition: StudyDefinition, trial: EndedTrial) -> str:
    metric = definition.search.metric
    return f"dev {metric.replace('_', ' ')} {metric_text(metric, trial.value)}"


class HookError(TunerError):
    """A hook that did not do its work; ``is_final``: nor would it at the next attempt."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


def _outbox(event: str, hook: str) -> Outbox[Notice]:
    command = None if is_address(hook) else _Command(hook)
    return Outbox[Notice](
        f"notify.{event}",
        lambda: _sender(command or partial(_post, hook)),
        lambda notice: f"not sent: {notice.text!r}",
        give_up=None if command is None else command.end,
    )


def _sender(tell: Callable[[Notice], None]) -> Callable[[Notice], None]:
    """What tells a hook of a notice, in a few attempts.  Raises HookError, whose text does not repeat the address."""

    def send(notice: Notice) -> None:
        for pause in PAUSES:
            try:
                return tell(notice)
            except HookError as error:
                if error.is_final:
                    raise
                time.sleep(pause)
        return tell(notice)

    return send


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Goes to no other address than the one that was named."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


def _post(address: str, notice: Notice) -> None:
    body = json.dumps(notice.to_dict(), allow_nan=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "tuner"}
    request = urllib.request.Request(address, body, headers, method="POST")
    try:
        urllib.request.build_opener(_Unredirected).open(request, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        is_final = error.code < 500 and error.code not in PASSING
        raise HookError(f"the server answered {error.code}", is_final=is_final) from None
    except urllib.error.URLError as error:
        raise HookError(one_line(error.reason)) from None
    except (OSError, HTTPException) as error:
        raise HookError(type(error).__name__) from None


class _Command:
    """A command that is told of one notice at a time; what it says is not kept, but for the end."""

    def __init__(self, hook: str) -> None:
        self._words = shlex.split(hook)
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False

    def __call__(self, notice: Notice) -> None:
        """Run it.  Raises HookError."""
        if self._is_over:
            raise HookError("the search ended first", is_final=True)
        body = json.dumps(notice.to_dict(), allow_nan=False).encode()
        reading, writing = os.pipe()
        said = bytearray()
        reader = threading.Thread(target=_read_end, args=(reading, said), name="tuner-notify-output", daemon=True)
        reader.start()
        try:
            self._process = process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=subprocess.STDOUT,
                env=os.environ | notice.variables(),
                start_new_session=True,
            )
        except OSError as error:
            raise HookError(f"the command cannot be run: {error.strerror}", is_final=True) from None
        finally:
            os.close(writing)
        with process:
            try:
                process.communicate(body, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                self._kill()
                raise HookError(f"the command took longer than {SECONDS:g} s") from None
        if process.returncode:
            reader.join(OUTPUT_SECONDS)
            last = bytes(said).decode(errors="replace").strip().splitlines()[-1:]
            raise HookError(
                f"the command ended with status {process.returncode}" + "".join(f": {line}" for line in last)
            )

    def end(self) -> None:
        """Kill it where it runs, and run it no more: it would outlive this process."""
        self._is_over = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _read_end(descriptor: int, end: bytearray) -> None:
    """Read a pipe until all who write to it have ended, and keep the end."""
    with open(descriptor, "rb", buffering=0) as file:
        while piece := file.read(1 << 16):
            end[:] = (end + piece)[-LONGEST_OUTPUT:]
