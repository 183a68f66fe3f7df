"""The command line: one module per command, imported on use; plain help imports only typer."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

# One BLAS thread per process: small products gain nothing from more, and workers would compete for cores.
# It must be set before NumPy is first imported.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


ALLOCATIONS = 200_000
"""Objects made before garbage is collected: imports make as many without garbage, and a trial leaves ten."""

OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Why writing on stdout fails, in errors that name no file."""

LEAST_ADDRESS_SPACE, OF_EACH_THREAD = 320 * 2**20, 64 * 2**20
"""Bytes that NumPy and the other libraries need: with less, some crash or never return when they are imported."""

RESUMABLE = ("search", "learning-curve")
"""Commands that keep finished work; the same command continues."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run ``tuner``; print errors as one line on stderr."""
    gc.set_threshold(ALLOCATIONS)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    atexit.register(gc.freeze)  # collecting garbage at exit would cost a third of a second

    from tuner.printable import protect, show_safely

    given = sys.argv[1:] if arguments is None else arguments
    for name, mode in (("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:  # closed; the next file must not take its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, mode), "w", encoding="utf-8"))
    protect([*given, os.environ.get("TUNER_STORAGE", "")])
    show_safely()
    lack = _lack_of_address_space()
    if lack is not None:
        sys.exit(_complain(lack, 2))
    status = _run([argument for argument in given if argument != "--traceback"], "--traceback" in given)
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _output_is_full(error)
    sys.exit(status)


def _lack_of_address_space() -> str | None:
    """Why the libraries could not be imported, where ``ulimit -v`` leaves them too little."""
    try:
        import resource
    except ImportError:  # on Windows, which has no such limit
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    threads = os.environ["OPENBLAS_NUM_THREADS"]
    others = min(int(threads) if threads.isdecimal() else 1, os.cpu_count() or 1) - 1
    least = LEAST_ADDRESS_SPACE + max(others, 0) * OF_EACH_THREAD
    if limit == resource.RLIM_INFINITY or limit >= least:
        return None
    return (
        f"ulimit -v: the address space is limited to {limit // 2**10:,} kB; expected at least {least // 2**10:,}. "
        "Raise it with: ulimit -v unlimited"
    )


def _terminate(number: int, _: object) -> NoReturn:
    """End with the exit status of the signal, wherever the command is; a search has its own way."""
    raise SystemExit(128 + number)


def _run(given: list[str], show_traceback: bool) -> int:
    """Run a command and return its exit status."""
    import typer

    from tuner.cli.app import command
    from tuner.cli.printing import print_traceback
    from tuner.errors import TunerError

    try:
        status = command().main(given, prog_name="tuner", standalone_mode=False)
    except typer.Exit as error:
        return error.exit_code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        message = error.format_message().replace("Value error, ", "").rstrip(".") + _got(error, given)
        return _complain(message + hint, error.exit_code)
    except typer.Abort as error:
        return _complain(_stopped(given), 130) if isinstance(error.__cause__, KeyboardInterrupt) else 130
    except MemoryError:
        return _complain("out of memory. Use fewer workers, a smaller network or a smaller batch size", 1)
    except Exception as error:
        if show_traceback:
            print_traceback(error)
            return error.exit_status if isinstance(error, TunerError) else 1
        return _complain_about(error)
    return status if isinstance(status, int) else 0


def _complain_about(error: Exception) -> int:
    """Print one line on an error, and return the exit status."""
    from tuner.errors import TunerError
    from tuner.files import refusal_of_system
    from tuner.formatting import error_line

    match error:
        case TunerError():
            return _complain(str(error), error.exit_status)
        case OSError() if error.filename is None and error.errno in OUTPUT_ERRORS:
            return _output_is_full(error)
    refusal = refusal_of_system(error)
    if refusal is not None:
        return _complain(str(refusal), refusal.exit_status)
    return _complain(f"internal error: {error_line(error)} (show the traceback with --traceback)", 1)


def _output_is_full(error: OSError) -> int:
    """Say that stdout could not be written, and send what is left of it nowhere, so that the exit does not fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _complain(f"the output cannot be written: {error.strerror}. Write it to a place with room", 1)


def _got(error: Exception, given: list[str]) -> str:
    """The refused value of an option, if the message does not include it."""
    for option in getattr(getattr(error, "param", None), "opts", []):
        for word, following in zip(given, [*given[1:], ""], strict=True):
            value = following if word == option else word.partition("=")[2] if word.startswith(f"{option}=") else ""
            if value and repr(value) not in str(error):
                return f", got {value!r}"
    return ""


def _stopped(given: list[str]) -> str:
    """The message for a command that SIGINT ended."""
    if not given or given[0] not in RESUMABLE:
        return "stopped by SIGINT"
    from tuner.cli.search_command import again

    return f"stopped by SIGINT. Continue with: {again(given, None)}"


def _complain(message: str, status: int) -> int:
    from tuner.cli.printing import print_lines
    from tuner.formatting import one_line

    with suppress(OSError):  # a full stderr, too, leaves the status
        print_lines(f"tuner: {one_line(message)}", err=True)
    return status
