"""The process of a custom trainer: it calls the user's function, again and again."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tuner.errors import UsageError
from tuner.formatting import error_line
from tuner.inputs import Inputs
from tuner.outcomes import FailureCause
from tuner.trainer_child.function import TrainerFunction
from tuner.trainer_child.messages import (
    Ended,
    EpochErrors,
    Failed,
    Loaded,
    NewData,
    PredictCall,
    Predicted,
    Returned,
    TrainCall,
    TrainerData,
    TrialEnded,
)
from tuner.trainer_child.report import EpochReport, TrainerError
from tuner.trainer_child.returned import checked, probabilities_of, save

PR_SET_PDEATHSIG = 1


def main(channel: int, parent: int) -> None:
    """Serve the search that started this process, until it ends."""
    os.set_inheritable(channel, False)
    _die_with(parent)
    signal.signal(signal.SIGTERM, _end)
    with suppress(OSError):  # of all processes this one is to end where the memory does
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    connection = Connection(channel)
    with suppress(EOFError, ConnectionError):
        try:
            _serve(connection)
        except TrialEnded:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)


def _die_with(parent: int) -> None:
    """Let the system kill this process with its parent, also while it runs C code."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        sys.exit()


def _end(*_: object) -> None:
    raise TrialEnded


def _serve(connection: Connection) -> None:
    function: TrainerFunction = connection.recv()
    try:
        call = function.load()
    except UsageError as error:
        connection.send(Loaded(str(error)))
        return
    connection.send(Loaded(None))
    parts: list[TrainerData] = []
    models: dict[str, Any] = {}
    while True:
        message = connection.recv()
        if isinstance(message, NewData):
            parts = pickle.loads(message.content)
        elif isinstance(message, PredictCall):
            connection.send(_predict(function, message, models))
        else:
            connection.send(_train(connection, function, call, message, parts[message.part]))


def _with_arrays(data: TrainerData) -> TrainerData:
    """Make each table's X once for a trial, and let no trainer change the rows under the next one's feet."""
    tables: dict[str, Any] = {name: replace(table, inputs=Inputs.of(table.X)) for name, table in data.tables.items()}
    for table in tables.values():
        for array in (table.X, table.y, table.rows, table.weights):
            if array is not None:
                array.flags.writeable = False
    return replace(data, **tables)


def _train(
    connection: Connection, function: TrainerFunction, call: Callable[..., Any], task: TrainCall, data: TrainerData
) -> Returned | Ended | Failed:
    def goes_on(epoch: EpochErrors) -> bool:
        connection.send(epoch)
        answer: bool = connection.recv()
        return answer

    report = EpochReport(function.name, task.max_epochs, goes_on, is_regression=data.is_regression)
    try:
        with function.importable(), threadpool_limits(limits=1):
            data = _with_arrays(data)
            returned = call(dict(task.params), data, task.seed, report)
            if report.has_ended:
                return Ended()
            answer = checked(function.name, returned, data)
            if task.save_to is not None:
                save(function.name, returned, task.save_to)
            return answer
    except TrainerError as error:
        return Failed(str(error))
    except TrialEnded:
        if not report.has_ended:  # told to by SIGTERM
            raise
        return Ended()
    except MemoryError:
        return Failed(FailureCause.OUT_OF_MEMORY)
    except BaseException as error:
        if report.has_ended:
            return Ended()
        return Failed(f"trainer {function.name} raised {error_line(error)}{_place(error)}")


def _predict(function: TrainerFunction, task: PredictCall, models: dict[str, Any]) -> Predicted | Failed:
    """Predict; ``models`` keeps those that were loaded."""
    given = pickle.loads(task.content)
    who = f"trainer {function.name}"
    try:
        with function.importable(), threadpool_limits(limits=1):
            models |= {path: function.load_model(path) for path in task.saved if path not in models}
            each = given if len(given) == len(task.saved) else given * len(task.saved)
            answers = [
                probabilities_of(who, models[path], inputs.array(), task.n_classes, task.n_targets)
                for path, inputs in zip(task.saved, each, strict=True)
            ]
            return Predicted([own for own, _ in answers], all(known for _, known in answers))
    except (TrainerError, UsageError) as error:
        return Failed(str(error))
    except MemoryError:
        return Failed(FailureCause.OUT_OF_MEMORY)
    except Exception as error:
        return Failed(f"{who} raised {error_line(error)}{_place(error)}")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
