"""The command line: one module per command, imported on use; plain help imports only typer."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

# One BLAS thread per process: small products gain nothing from more, and workers would compete for cores.
# It must be set before NumPy is first imported.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


ALLOCATIONS = 200_000
"""Objects made before garbage is collected: imports make as many without garbage, and a trial leaves ten."""

RESUMABLE = ("search", "learning-curve")
"""Commands that keep finished work; the same command continues."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run ``tuner``; print errors as one line on stderr."""
    gc.set_threshold(ALLOCATIONS)
    atexit.register(gc.freeze)  # collecting garbage at exit would cost a third of a second

    import typer

    from tuner.cli.app import command
    from tuner.errors import TunerError

    given = sys.argv[1:] if arguments is None else arguments
    show_traceback = "--traceback" in given
    given = [argument for argument in given if argument != "--traceback"]
    try:
        status = command().main(given, prog_name="tuner", standalone_mode=False)
    except TunerError as error:
        if show_traceback:
            raise
        sys.exit(_complain(str(error), error.exit_status))
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        message = error.format_message().replace("Value error, ", "").rstrip(".") + _got(error, given)
        sys.exit(_complain(message + hint, error.exit_code))
    except typer.Abort as error:
        sys.exit(_complain(_stopped(given), 130) if isinstance(error.__cause__, KeyboardInterrupt) else 130)
    except MemoryError:
        sys.exit(_complain("out of memory. Use fewer workers, a smaller network or a smaller batch size", 1))
    except Exception as error:
        if show_traceback:
            raise
        from tuner.formatting import error_line

        sys.exit(_complain(f"internal error: {error_line(error)} (show the traceback with --traceback)", 1))
    sys.exit(status if isinstance(status, int) else 0)


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

    print_lines(f"tuner: {one_line(message)}", err=True)
    return status
