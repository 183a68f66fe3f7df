"""The table of commands, and the group that imports a command's module when it is used."""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS = {
    "search": "Run trials until the study's budget is complete.",
    "report": "Bias, variance, and what to do next.",
    "learning-curve": "Would more data help? Train on growing subsets, and look ahead.",
    "refine": "Write the next definition: the report's advice as changed lines.",
    "studies": "What the database holds.",
    "watch": "A live view of a study, whoever runs it.",
    "trials": "The trials of a study, as a table or CSV.",
    "train": "Train the chosen trial again, to the bit, and save it as a model.",
    "evaluate": "Errors, confusions and calibration of a model; --test opens the test set.",
    "predict": "Predict the rows of a file with a model.",
    "export": "Write a model as one ONNX graph.",
    "init": "Write a commented definition for a data file.",
    "check": "Validate everything, train one epoch, and estimate time and memory.",
    "data": "Columns, encoding, splits and honesty checks of the data.",
    "gradcheck": "The gradient check, layer by layer.",
    "schema": "The JSON schema of a definition.",
    "doctor": "Is this machine, and the database, fit for a search?",
    "dashboard": "Optuna's dashboard on the same database.",
    "submit": "Raise a study's budget, for whichever worker comes by.",
    "worker": "Run whatever is open in the database; --forever is a service.",
    "enqueue": "Pick the next trial's hyperparameters by hand.",
    "delete": "Remove a study and its trials from the database.",
    "backup": "Copy the database into a new file while others write.",
    "merge": "Bring the studies and trials of another database in.",
}
"""Name -> what it does; the module is ``tuner.cli.<name>_command`` with a typer function of the same name."""

FIRST_STEPS = """\
tuner searches the hyperparameters of a neural network and tells whether it suffers from bias or from variance.

Start with your own data, a table with one row an example and one column to predict:
  tuner search my.csv --target COLUMN      search, then print the verdict and what to do next

or with 1,797 handwritten digits that come along (about a minute):
  tuner search digits                      search them
  tuner init --example                     or first put their definition here, to read and to edit

Then:
  tuner studies                            what was searched here
  tuner report digits --open               the page with all figures
  tuner doctor                             is this machine fit for it?

All commands: tuner --help. One of them: tuner search --help."""


class LazyCommands(MutableMapping[str, Any]):
    """The commands of the table; a module is imported when its command is looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            module = importlib.import_module(f"tuner.cli.{name.replace('-', '_')}_command")
            app = typer.Typer(rich_markup_mode=None, add_completion=False)
            app.command(name, help=COMMANDS[name])(getattr(module, name.replace("-", "_")))
            self._loaded[name] = get_command(app)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _nobody_reads() -> bool:
    """Whether the reader of stdout has closed it, as ``| head`` does once it has seen enough."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # an error is always told
    return any(event & select.POLLERR for _, event in poll.poll(0))


class LazyGroup(TyperGroup):
    """A group whose help and completion come from the table alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands()

    def invoke(self, ctx: Any) -> Any:
        """Let whoever runs the command line see that it was interrupted, and take a reader that left for no failure.

        Typer would make a silent exit of both, the second with status 1.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error
        except BrokenPipeError:
            if not _nobody_reads():
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to be flushed fails no more
            raise typer.Exit from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete a command's name without importing its module."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from tuner.cli.typer_internals import completion

        return [completion(name, text) for name, text in COMMANDS.items() if name.startswith(incomplete)]


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="Hyperparameter search that says whether your network suffers from bias or from variance.",
    epilog="Every command takes --traceback, which shows the whole error.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tuner {version('tuner-search')}")
        raise typer.Exit


@app.callback()
def tuner(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Say what to do first, where no command was given."""
    if context.invoked_subcommand is None:
        typer.echo(FIRST_STEPS)


def command() -> Any:
    """The whole command line as one command."""
    return get_command(app)
