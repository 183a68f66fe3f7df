"""The table of commands, and the group that imports a command's module when it is used."""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections import UserDict
from keyword import iskeyword
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from tuner.cli.printing import print_lines

SEARCH, UNDERSTAND, USE, DATABASE, SET_UP = "Search", "Understand", "Use a model", "Database", "Set-up"


class Entry(NamedTuple):
    """A command's help: its group, what it does, and an example."""

    group: str
    help: str
    example: str


COMMANDS = {
    "search": Entry(SEARCH, "Run trials until the study's budget is complete.", "search churn.csv --target churned"),
    "refine": Entry(SEARCH, "Write the next study file, with the report's advice applied.", "refine churn"),
    "enqueue": Entry(SEARCH, "Choose the next trial's hyperparameters by hand.", "enqueue churn alpha=0.1"),
    "submit": Entry(
        SEARCH, "Raise a study's budget; any available worker runs the trials.", "submit churn --trials 50"
    ),
    "pause": Entry(SEARCH, "Keep workers from a study; resume lifts it.", "pause churn"),
    "resume": Entry(SEARCH, "Let workers serve a study that was paused or set aside.", "resume 'churn-*'"),
    "cancel": Entry(SEARCH, "End a study's running trials, and its budget.", "cancel churn"),
    "worker": Entry(SEARCH, "Run open trials of every study; --forever runs as a service.", "worker --forever"),
    "workers": Entry(SEARCH, "Show who runs which trials, across studies.", "workers"),
    "watch": Entry(SEARCH, "Follow a running study.", "watch churn"),
    "report": Entry(UNDERSTAND, "Report bias, variance, and what to do next.", "report churn --baseline 5%"),
    "learning-curve": Entry(UNDERSTAND, "Estimate what more training data would bring.", "learning-curve churn"),
    "errors": Entry(
        UNDERSTAND,
        "Show which dev rows are wrong, and labels that look wrong.",
        "errors churn --suspects --csv fix.csv",
    ),
    "data": Entry(UNDERSTAND, "Show columns, encoding, splits and data checks.", "data churn.csv --target churned"),
    "trials": Entry(UNDERSTAND, "List the trials of a study, as a table or CSV.", "trials churn --csv"),
    "studies": Entry(UNDERSTAND, "List the studies of the database.", "studies"),
    "serve": Entry(UNDERSTAND, "Serve studies and reports that follow the search, JSON and metrics.", "serve"),
    "dashboard": Entry(UNDERSTAND, "Open Optuna's dashboard on the same database.", "dashboard"),
    "train": Entry(USE, "Train the model of a trial, and save it.", "train churn"),
    "evaluate": Entry(
        USE, "Show a model's errors and calibration; --test uses the test set.", "evaluate models/churn.tuner"
    ),
    "predict": Entry(USE, "Predict the rows of a file.", "predict models/churn.tuner new.csv --output predicted.csv"),
    "export": Entry(USE, "Write a model as one ONNX graph.", "export models/churn.tuner --onnx churn.onnx"),
    "backup": Entry(DATABASE, "Copy the database into a new file while others write.", "backup studies/backup.db"),
    "restore": Entry(DATABASE, "Put a backup in the place of the database.", "restore studies/backup.db"),
    "merge": Entry(DATABASE, "Add the studies and trials of another database.", "merge other/studies/tuner.db"),
    "import": Entry(DATABASE, "Bring in a study of plain Optuna, to begin with its trials.", "import optuna.db"),
    "prune-history": Entry(
        DATABASE, "Remove the epochs of old trials that are not among the best.", "prune-history --dry-run"
    ),
    "delete": Entry(DATABASE, "Delete a study and its trials.", "delete churn"),
    "init": Entry(SET_UP, "Write a commented study file for a data file.", "init churn.csv --target churned"),
    "check": Entry(SET_UP, "Validate a study and estimate time and memory.", "check churn"),
    "deploy": Entry(
        SET_UP, "Print a job file for Slurm, Kubernetes, systemd or cron.", "deploy systemd churn > tuner-churn.service"
    ),
    "gradcheck": Entry(SET_UP, "Check the network's gradients, layer by layer.", "gradcheck churn"),
    "schema": Entry(SET_UP, "Print the JSON schema of a study file, for editors.", "schema > study.schema.json"),
    "doctor": Entry(SET_UP, "Check this machine, its libraries and the database.", "doctor"),
}
"""Name -> help; the module is ``tuner.cli.<name>_command`` with a typer function of that ``function_name``."""


def function_name(command: str) -> str:
    """The name of a command's function in its module; Python has some words to itself."""
    name = command.replace("-", "_")
    return f"{name}_" if iskeyword(name) else name


FIRST_STEPS = """\
tuner searches the hyperparameters of a neural network and tells whether its errors come from bias or variance.

Start with your own table: one row per example, one column to predict.
  tuner search my.csv --target COLUMN      search, then print what to do next and the verdict

Or start with the 1,797 handwritten digits that are included (about a minute):
  tuner search digits                      search
  tuner init --example                     copy their study file here, to read and edit

Then:
  tuner studies                            list what was searched here
  tuner report digits --open               open the report with all figures
  tuner doctor                             check this machine

All commands: tuner --help. One command: tuner search --help."""


class LazyCommands(UserDict[str, Any]):
    """The commands; a module is imported when its command is looked up."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            module = importlib.import_module(f"tuner.cli.{name.replace('-', '_')}_command")
            app = typer.Typer(rich_markup_mode=None, add_completion=False)
            about = COMMANDS[name]
            app.command(name, help=about.help, epilog=f"Example: tuner {about.example}")(
                getattr(module, function_name(name))
            )
            self.data[name] = get_command(app)
        return self.data[name]


def _reader_has_left() -> bool:
    """Whether the reader of stdout has closed it, as ``| head`` does."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # errors are always reported
    return any(event & select.POLLERR for _, event in poll.poll(0))


class LazyGroup(TyperGroup):
    """A group whose help and completion come from the table alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands(dict.fromkeys(COMMANDS))

    def invoke(self, ctx: Any) -> Any:
        """Report an interruption, and exit with 0 if the reader of stdout has left.

        Typer would exit silently for both, for the second with status 1.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error
        except BrokenPipeError:
            if not _reader_has_left():
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the final flush does not fail
            raise typer.Exit from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands by group without importing them."""
        for group in dict.fromkeys(entry.group for entry in COMMANDS.values()):
            with formatter.section(group):
                formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if entry.group == group])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete a command's name without importing its module."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from tuner.cli.typer_internals import completion

        return [completion(name, entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)]


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="Search hyperparameters, and tell bias from variance.",
    epilog="Every command takes --traceback, to show the whole error. For examples: tuner COMMAND --help.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_lines(f"tuner {version('tuner-search')}")
        raise typer.Exit


@app.callback()
def tuner(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Show the first steps if no command was given."""
    if context.invoked_subcommand is None:
        print_lines(*FIRST_STEPS.split("\n"))


def command() -> Any:
    """The whole command line as one command."""
    return get_command(app)
