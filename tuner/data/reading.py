"""Readers of rows: data files of a definition, or rows in memory, each opened, hashed and parsed once."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from tuner.data.encoders import Reads
from tuner.data.number_forms import NumericForm
from tuner.data.settings import DataSettings
from tuner.errors import DataError
from tuner.printable import visible

if TYPE_CHECKING:
    from tuner.data.assembling import Assembly
    from tuner.data.encoding import Encoding
    from tuner.data.sources import DataFile, Raw

Made = TypeVar("Made")
LOGGER = logging.getLogger("tuner.data")
LARGE = 1 << 25
"""Bytes from which a file takes seconds to read, so that it is said."""

FITTED_KEYS = frozenset({"numeric"})
"""Keys of [data] that the encodings alone heed, which are fitted on assembled rows."""
SPLIT_KEYS = FITTED_KEYS | frozenset(
    {"source", "split", "split_column", "group", "time", "folds", "seed", "image", "eyeball"}
)
"""Keys of [data] that do not change how a file is parsed."""


def fingerprint_of(*files: Path) -> str:
    """Return a SHA-256 of the contents of files, in order."""
    from tuner.data.sources import DataFile

    digests = []
    for path in files:
        with DataFile(path, stream=True) as file:
            digests += file.digests
    return _fingerprint(digests)


def _fingerprint(digests: list[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()


@dataclass
class _Kept:
    """Opened, hashed and parsed files; readers of the same files share it."""

    blocks: int = 0
    stack: ExitStack = field(default_factory=ExitStack)
    files: dict[str, DataFile] = field(default_factory=dict)
    fingerprint: str | None = None
    raws: dict[str, Raw] | None = None
    assemblies: dict[str, Assembly] = field(default_factory=dict)
    encodings: dict[str, list[Encoding]] = field(default_factory=dict)

    def forget(self) -> None:
        """Close the files and drop the rows."""
        self.stack.close()
        self.files, self.fingerprint, self.raws = {}, None, None
        self.assemblies, self.encodings = {}, {}


class RowReader:
    """Reads raw rows, again when needed.

    A reentrant context manager: what is read is kept until the outermost block ends.
    """

    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings
        self._kept = _Kept()

    def __enter__(self) -> Self:
        self._kept.blocks += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.blocks -= 1
        if not self._kept.blocks:
            self._kept.forget()

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_kept": _Kept()}  # another process reads the files itself

    @property
    def path(self) -> Path | None:
        """The file of the training rows; None for rows in memory."""
        return None

    def measure(self) -> None:
        """Refuse what is too large for the memory; nothing has been parsed yet."""

    def fingerprint(self) -> str:
        """Return a SHA-256 of the contents."""
        raise NotImplementedError

    def raws(self) -> dict[str, Raw]:
        """Return the parsed rows of each table: "source", "dev", "test"."""
        raise NotImplementedError

    def assemble(self) -> Assembly:
        """Label, split and type the rows."""
        from tuner.data.assembling import assemble

        assembly = self._once(
            self._kept.assemblies,
            lambda: assemble(self.raws(), self.settings, self.fingerprint(), self.path),
            but_for=FITTED_KEYS,
        )
        return replace(assembly, settings=self.settings)

    def in_form(self, form: NumericForm) -> Self:
        """Return a reader of the same rows whose numbers are inputs in another form; it shares what this one reads."""
        other = copy.copy(self)
        other.settings = self.settings.model_copy(update={"numeric": form})
        other._kept = self._kept
        return other

    def encodings(self) -> list[Encoding]:
        """Fit the encoding of each network on its training rows."""
        from tuner.data.encoding import fit_encodings

        return self._once(self._kept.encodings, lambda: fit_encodings(self.assemble(), self.assemble().train))

    def _once(self, kept: dict[str, Made], make: Callable[[], Made], but_for: Collection[str] = ()) -> Made:
        """Return what was made with these settings, or make it; inside ``with`` it is kept.

        ``but_for``: keys of [data] that do not change it.
        """
        key = repr(self.settings.model_copy(update=dict.fromkeys(("source", *but_for))).described())
        with self:
            if key not in kept:
                kept[key] = make()
            return kept[key]


class FileReader(RowReader):
    """Reads the data files of a definition in ``folder``."""

    def __init__(self, settings: DataSettings, folder: Path) -> None:
        super().__init__(settings)
        self.folder = folder

    def paths(self) -> dict[str, Path]:
        """Return the absolute path of each table's file; refuse missing and unknown files."""
        from tuner.data.sources import find_file

        if self.settings.source is None:
            raise DataError("[data] source is missing; expected the data file")
        named = {"source": self.settings.source, "dev": self.settings.dev, "test": self.settings.test}
        return {key: find_file(self.folder, name, key) for key, name in named.items() if name is not None}

    @property
    def path(self) -> Path:
        """The file of the training rows."""
        return self.paths()["source"]

    def with_settings(self, settings: DataSettings, folder: Path) -> FileReader:
        """Return a reader of the same files with other settings; it shares what this one has read, if possible."""
        other = FileReader(settings, folder)
        changed = {key for key in DataSettings.model_fields if getattr(settings, key) != getattr(self.settings, key)}
        if changed <= SPLIT_KEYS and other.paths() == self.paths():
            other._kept = self._kept
        return other

    def measure(self) -> None:
        """Refuse files too large for the memory; nothing has been parsed yet."""
        from tuner.data.sources import format_of, readable

        with self:
            for file in self._files().values():
                with readable(file.path):
                    format_of(file.path).measure(file, self.settings)

    def fingerprint(self) -> str:
        """Return a SHA-256 of the contents of all data files, in the order source, dev, test."""
        with self:
            if self._kept.fingerprint is None:
                self._kept.fingerprint = _fingerprint([d for file in self._files().values() for d in file.digests])
            return self._kept.fingerprint

    def raws(self) -> dict[str, Raw]:
        """Parse the files, the source first, since it defines the columns and which of them are text."""
        with self:
            if self._kept.raws is None:
                self.fingerprint()
                self._kept.raws = dict(self._parsed())
            return self._kept.raws

    def _files(self) -> dict[str, DataFile]:
        from tuner.data.sources import open_file
        from tuner.data.sources.memory import show_bytes

        if not self._kept.files:
            for key, path in self.paths().items():
                file = open_file(path, self.settings.target if key == "source" else None)
                if file.size >= LARGE:
                    of_file = {"file": str(path), "bytes": file.size}
                    LOGGER.info("reading %s (%s)", visible(str(path)), show_bytes(file.size), extra={"read": of_file})
                self._kept.files[key] = self._kept.stack.enter_context(file)
        return self._kept.files

    def _parsed(self) -> Iterator[tuple[str, Raw]]:
        from tuner.data.sources import Wanted, format_of, readable
        from tuner.data.sources.raw import with_text_names
        from tuner.data.weights import weight_column

        settings = self.settings
        wanted = Wanted(settings, text=_overruled_text(settings))
        for key, file in self._files().items():
            with readable(file.path):
                raw = format_of(file.path).read(file, wanted)
            file.refuse_changed()
            raw = replace(raw, frame=with_text_names(raw.frame))
            if key == "source":
                settings = settings.model_copy(update={"weight": weight_column(raw, settings)})
            raw = _counting(key, raw, settings)
            yield key, raw
            if key == "source":
                wanted = replace(wanted, names=tuple(raw.frame.columns), text=wanted.text | _text_columns(raw))


class FrameReader(RowReader):
    """Rows in memory; ``content`` is their SHA-256."""

    def __init__(self, settings: DataSettings, raws: dict[str, Raw], content: str) -> None:
        super().__init__(settings)
        self._raws = raws
        self._content = content

    def with_settings(self, settings: DataSettings) -> FrameReader:
        """Return a reader of the same rows with other settings; it shares what this one has read."""
        other = FrameReader(settings, self._raws, self._content)
        other._kept = self._kept
        return other

    def fingerprint(self) -> str:
        """Return the SHA-256 of the contents."""
        return self._content

    def raws(self) -> dict[str, Raw]:
        """Return the rows."""
        return {key: _counting(key, raw, self.settings) for key, raw in self._raws.items()}


def _counting(key: str, raw: Raw, settings: DataSettings) -> Raw:
    """Return the rows of a table without those of weight 0, and those that are left out for want of a class."""
    if settings.weight is not None:
        from tuner.data.weights import weighted_rows

        raw = weighted_rows(raw, settings)
    if not settings.drop_unlabeled:
        return raw
    from tuner.data.sources.delimited import targets_among
    from tuner.data.targets import labeled_rows

    targets = targets_among(raw.names, settings.target) if raw.target is None else (raw.target,)
    return labeled_rows(raw, settings, targets, alone=key == "source")


def _overruled_text(settings: DataSettings) -> frozenset[str]:
    """Return the columns that must be read as text because of their kind in the definition."""
    as_text = {Reads.TEXT, Reads.SECONDS, Reads.BOOLEANS}
    return frozenset(name for name in settings.columns if settings.column(name).reads in as_text)


def _text_columns(raw: Raw) -> frozenset[str]:
    """Return the columns that contain text; other files read them as text, to keep the spelling of categories."""
    return frozenset(str(name) for name, dtype in raw.frame.dtypes.items() if getattr(dtype, "kind", "O") in "OTU")
