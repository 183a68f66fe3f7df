"""The exceptions of the package, with the exit status of the command line for each.

TunerError                    1   something failed
├── InputError                2   wrong usage, definition, data or argument: nothing was started
│   ├── UsageError                the command line, or a name that does not exist
│   ├── DefinitionError           a study definition (file, key, value, what was expected)
│   ├── DataError                 a data file or table (file, row, column)
│   ├── StorageError              a database that cannot be opened, read or continued
│   │   └── UnavailableError  1   one that is locked, full or away: another start may succeed
│   ├── ModelError                a model file
│   └── ArgumentError             an argument of a Python function; a ValueError and a TypeError too
├── SearchError               1   a search that had to stop (three failures in a row)
└── StoppedError        130, 143   SIGINT or SIGTERM, while the database was away

A message is one line: what is wrong, where, what was found, what to do.
"""

from tuner.printable import visible


class TunerError(Exception):
    """Base of all errors of this package; ``exit_status`` is what the command line ends with."""

    exit_status = 1

    def __str__(self) -> str:
        return visible(super().__str__())


class InputError(TunerError):
    """The input cannot be used; nothing was started and nothing was written."""

    exit_status = 2


class UsageError(InputError):
    """The command line was wrong, or a study, file or trial it names does not exist."""


class DefinitionError(InputError):
    """A study definition is malformed or inconsistent."""


class DataError(InputError):
    """A data file or table cannot be used as it is."""


class StorageError(InputError):
    """A database cannot be opened, is not tuner's, or has another study of this name."""


class NoDatabaseError(StorageError):
    """The database does not exist yet, or has no tables of tuner."""


class UnavailableError(StorageError):
    """The database is locked or full, or its server away: the same may succeed later."""

    exit_status = 1


class NoRoomError(UnavailableError):
    """The disk of the database is full: to wait does not help."""


class ModelError(InputError):
    """A model file is damaged, unsafe, or does not fit the data."""


class ArgumentError(InputError, ValueError, TypeError):
    """An argument of a Python function is invalid: its value, or its type."""


class SearchError(TunerError):
    """A search ended before its budget was complete."""


class StoppedError(TunerError):
    """A signal ended the command before its trials could be re-queued, as the database could not be reached."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message, signal)
        self.exit_status = 128 + signal

    def __str__(self) -> str:
        return visible(str(self.args[0]))


class Stop(Exception):  # noqa: N818
    """Raised by a callback of `tuner.search` to end the search: running trials are re-queued, finished ones kept."""
