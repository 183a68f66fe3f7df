"""The error tree: every refusal of the package, each with the exit status the command line ends with.

TunerError                    1   something failed
├── InputError                2   wrong usage, definition, data or argument: nothing was started
│   ├── UsageError                the command line, or a name that leads nowhere
│   ├── DefinitionError           a study definition (file, key, value, what was expected)
│   ├── DataError                 a data file or table (file, row, column)
│   ├── StorageError              a database that cannot be opened, read or continued
│   ├── ModelError                a model file
│   └── ArgumentError             an argument of a Python function; a ValueError too
└── SearchError               1   a search that had to stop (three failures in a row)

A message is one line that names the value found and what was expected.
"""


class TunerError(Exception):
    """Base of all errors of this package; ``exit_status`` is what the command line ends with."""

    exit_status = 1


class InputError(TunerError):
    """What the user gave cannot be used; nothing was started and nothing was written."""

    exit_status = 2


class UsageError(InputError):
    """The command line was wrong, or a study, file or trial it names does not exist."""


class DefinitionError(InputError):
    """A study definition is malformed, or asks for something impossible."""


class DataError(InputError):
    """A data file or table cannot be used as it is."""


class StorageError(InputError):
    """A database cannot be opened, is not ours, or holds another study under this name."""


class NoDatabaseError(StorageError):
    """There is no database yet, or none of our tables in it: nobody searched there."""


class ModelError(InputError):
    """A model file is damaged, hostile, or does not fit the data."""


class ArgumentError(InputError, ValueError):
    """An argument of a Python function is outside its bounds."""


class SearchError(TunerError):
    """A search had to stop before its budget was complete."""
