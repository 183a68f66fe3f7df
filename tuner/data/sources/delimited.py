"""CSV, TSV and similar text: the dialect is detected or given, and every line checked before pandas reads it."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data.encoders import NOISE
from tuner.data.missing import missing_cells
from tuner.data.settings import DataSettings
from tuner.data.sources.memory import refuse_if_too_large
from tuner.data.sources.opening import DataFile, read_bytes, unpacked_size
from tuner.data.sources.raw import LARGEST_EXACT, Raw, Wanted, most_spelled, target_names
from tuner.errors import DataError
from tuner.formatting import message_of, quoted

if TYPE_CHECKING:
    import pandas as pd

HEAD = 1 << 18  # bytes used to detect the dialect
SCAN = 1 << 24  # bytes scanned at once for ragged lines
LONGEST = 1 << 26  # bytes of a record
FIRST_ROWS = 5000  # rows that show how missing cells are written
NOT_TEXT = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"})
DELIMITERS = (";", "\t", "|", ",")  # of two that fit, the comma may be the decimal sign
QUOTE, NEWLINE = ord('"'), ord("\n")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The format of a file.  ``start`` is the byte where the rows begin, ``first_line`` the number of that line.

    ``quoted``: whether quotes enclose cells; if not, they are characters like others.
    """

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    start: int
    first_line: int
    notices: tuple[str, ...] = ()
    quoted: bool = True


def looks_numeric(cell: str) -> bool:
    """Whether a cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


# --- encoding ---------------------------------------------------------------------------------------------------------


def detect_encoding(path: Path, head: bytes) -> str:
    """Return UTF-8 or UTF-16 by the byte order mark, UTF-8 if the head is valid UTF-8, else Windows-1252."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zero = head.find(b"\0")
    if zero >= 0:
        raise DataError(f"{path}: expected text, got a binary file (byte 0x00 at offset {zero}); {IF_TEXT}")
    control = sum(head.count(bytes([code])) for code in range(1, 32) if code not in (9, 10, 12, 13))
    if control > len(head) // 100:
        raise DataError(f"{path}: expected text, got a binary file ({control} control characters near its start)")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def to_utf8(path: Path, data: bytes, encoding: str, *, given: bool) -> tuple[bytes, str]:
    """Return the text as UTF-8 bytes without a byte order mark, and the encoding that was used."""
    if encoding == "utf-8" and not given and not is_utf8([data]):
        encoding = "cp1252"
    return Utf8(path, encoding).convert(data, final=True), encoding


def is_utf8(pieces: Iterable[bytes]) -> bool:
    """Whether pieces of a text are UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            if not piece.isascii() or decoder.getstate()[0]:
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class Utf8:
    """Turns a text, piece by piece, into UTF-8 bytes without a byte order mark; refuses what is not text."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = encoding
        self._line = 1
        self._decoder: codecs.IncrementalDecoder | None = None
        try:
            known = codecs.lookup(encoding)
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise DataError(f"{path}: unknown encoding {quoted(encoding)} in [data] encoding; {EXPECTED}") from error
        if known.name in NOT_TEXT or known.incrementaldecoder is None:
            raise DataError(f"{path}: {quoted(encoding)} in [data] encoding is not an encoding of tables; {EXPECTED}")
        self._make = known.incrementaldecoder

    def convert(self, data: bytes, *, final: bool) -> bytes:
        """Return the next piece."""
        if self._decoder is None:
            data = data.removeprefix(codecs.BOM_UTF8)
            self._decoder = self._make()
        is_plain = self._encoding.startswith("utf-8") and not self._decoder.getstate()[0]
        if not is_plain or not data.isascii():
            data = self._decoded(self._decoder, data, final=final)
        if b"\0" in data:
            line = self._line + data.count(b"\n", 0, data.find(b"\0"))
            raise DataError(f"{self._path}, line {line}: expected text, got a zero byte")
        self._line += data.count(b"\n")
        return data

    def _decoded(self, decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool) -> bytes:
        try:
            return decoder.decode(data, final).encode()
        except UnicodeDecodeError as error:  # its bytes begin with what was left of the piece before
            line = self._line + error.object.count(b"\n", 0, error.start)
            why = f"byte 0x{error.object[error.start]:02x} is not {self._encoding}; set [data] encoding (--encoding)"
            raise DataError(f"{self._path}, line {line}: {why}") from error
        except UnicodeError as error:
            why = f"the text is not {self._encoding} ({message_of(error)}); set [data] encoding (--encoding)"
            raise DataError(f"{self._path}: {why}") from error


IF_TEXT = "if it is text, name its encoding, like utf-16-le (--encoding)"
EXPECTED = "expected a name like utf-8"


def encoding_of(file: DataFile, settings: DataSettings) -> str:
    """Return the encoding of a whole file, which is not kept in memory."""
    with file.unpacked() as opened:
        head = read_bytes(file.path, opened, HEAD)
        encoding = settings.encoding or detect_encoding(file.path, head)
        if encoding != "utf-8" or settings.encoding is not None:
            return encoding
        rest = iter(partial(read_bytes, file.path, opened, SCAN), b"")
        return encoding if is_utf8(chain([head], rest)) else "cp1252"


def with_newlines(data: bytes) -> bytes:
    """Replace the line ends of old Macintosh files (CR only) by newlines."""
    return data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data


# --- dialect ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def long_cells() -> Iterator[None]:
    """Lift the csv module's limit on the length of cells, which is global to the process."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def records(text: str, delimiter: str) -> list[list[str]]:
    """Split text into records of stripped cells, without blank lines, up to an unclosed quote."""
    rows: list[list[str]] = []
    with long_cells(), contextlib.suppress(csv.Error):
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True):
            cells = [cell.strip() for cell in record]
            if any(cells):
                rows.append(cells)
    return rows


def usual_width(rows: list[list[str]]) -> tuple[int, float]:
    """Return the most frequent number of cells and the share of rows that have it."""
    if not rows:
        return 0, 0.0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return width, count / len(rows)


def detect_delimiter(path: Path, text: str) -> str:
    """Return the delimiter for which most lines have the same number of cells, above 1."""
    widths = {delimiter: usual_width(records(text, delimiter)) for delimiter in DELIMITERS}
    shares = {delimiter: share for delimiter, (width, share) in widths.items() if width > 1}
    if not shares:
        raise DataError(
            f"{path}, line 1: expected a target and at least one more column, got one column (no comma, tab, semicolon "
            f"or |): {_quoted(text.strip())}. Set [data] delimiter (--delimiter) if it is another character"
        )
    return max(shares, key=shares.__getitem__)


def detect_decimal(rows: list[list[str]], delimiter: str) -> str:
    """Return "," if there are cells like 3,14 and none like 3.14, and the delimiter is not a comma."""
    if delimiter == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    commas = any("," in cell and looks_numeric(cell.replace(",", ".", 1)) for cell in cells)
    points = any("." in cell and looks_numeric(cell) for cell in cells)
    return "," if commas and not points else "."


def _quoted(text: str) -> str:
    """Return the start of a text's first line, quoted."""
    return quoted(text.splitlines()[0] if text else "")


def header_names(path: Path, cells: list[str]) -> tuple[str, ...]:
    """Return the column names of a header line; an empty name becomes column_POSITION."""
    names = tuple(name or f"column_{position}" for position, name in enumerate(cells))
    first: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if first.setdefault(name, position) != position:
            way_out = ", or set header = false in [data] if line 1 is data (--no-header)" if looks_numeric(name) else ""
            places = f"columns {first[name]} and {position}"
            raise DataError(f"{path}, line 1: duplicate column name {quoted(name)} ({places}); rename one{way_out}")
    return names


def detect_dialect(path: Path, head: bytes, encoding: str, wanted: Wanted, *, whole: bool) -> Dialect:
    """Detect the format of a file from its first bytes (in UTF-8); settings of the definition come first."""
    settings = wanted.settings
    complete = head if whole else head[: head.rfind(b"\n") + 1] or head
    text = complete.decode("utf-8", errors="replace")
    if not text.strip():
        raise DataError(f"{path}: the file is empty; expected {'a header and ' if settings.header else ''}rows")
    delimiter = settings.delimiter or ("\t" if ".tsv" in path.suffixes else detect_delimiter(path, text))
    rows = records(text, delimiter)
    refuse_wrong_delimiter(path, settings, delimiter, rows, text)
    decimal = settings.decimal or detect_decimal(rows[1:], delimiter)
    notices = [f"{path.name}: numbers are read with a decimal comma"] if decimal == "," else []
    if encoding == "cp1252":
        notices.append(
            f"{path.name}: not UTF-8, read as Windows-1252; if that is wrong, set [data] encoding (--encoding)"
        )
    skipped = settings.header  # the first line is not a row
    if settings.header:
        names = header_names(path, rows[0])
        if any(looks_numeric(cell) for cell in rows[0]):
            notices.append(
                f"{path.name}: line 1 is read as column names, though some are numbers; if it is data: header = false "
                "(--no-header)"
            )
    else:
        width = usual_width(rows)[0]
        skipped = len(rows) > 1 and len(rows[0]) == 1 and width > 1
        if skipped:
            notices.append(f"{path.name}: skipped line 1, which is not a row: {_quoted(rows[0][0])}")
        names = positional_names(width, wanted)
    start = bytes_of_first_lines(head, int(skipped))
    return Dialect(encoding, delimiter, decimal, names, start, head.count(b"\n", 0, start) + 1, tuple(notices))


def positional_names(width: int, wanted: Wanted) -> tuple[str, ...]:
    """Name the columns of a file without a header: column_0, column_1, … or as in the study's source."""
    if len(wanted.names) == width:
        return wanted.names
    without = tuple(name for name in wanted.names if name not in target_names(wanted.target))
    return without if len(without) == width else tuple(f"column_{position}" for position in range(width))


def refuse_wrong_delimiter(
    path: Path, settings: DataSettings, delimiter: str, rows: list[list[str]], text: str
) -> None:
    """Refuse a delimiter that gives a single column."""
    if usual_width(rows)[0] > 1:
        return
    others = (other for other in DELIMITERS if other != delimiter and usual_width(records(text, other))[0] > 1)
    hint = next((f". Try {other!r}" for other in others), "")
    origin = "[data] delimiter" if settings.delimiter else "its suffix"
    raise DataError(
        f"{path}, line 1: only one column with delimiter {delimiter!r} ({origin}): {_quoted(text.strip())}{hint}"
    )


def bytes_of_first_lines(head: bytes, count: int) -> int:
    """Return the offset after the first ``count`` lines that are not blank; newlines in quotes do not count."""
    start = end = n_lines = quotes = 0
    for line in io.BytesIO(head):
        end += len(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0 or end == len(head):
            if head[start:end].strip():
                if n_lines == count:
                    return start
                n_lines += 1
            start = end
    return start


# --- shape ------------------------------------------------------------------------------------------------------------


def line_is_regular(data: bytes, dialect: Dialect) -> bool:
    """Whether every line that is not empty has as many delimiters outside quotes as the names need.

    One vectorized pass: the number of quotes so far is even outside quotes.
    """
    expected = len(dialect.names) - 1
    inside, open_count, length = 0, 0, 0  # the state carried over a block's end
    for begin in range(dialect.start, len(data), SCAN):
        block = np.frombuffer(data, dtype=np.uint8, offset=begin, count=min(SCAN, len(data) - begin))
        delimiters, newlines = block == ord(dialect.delimiter), block == NEWLINE
        quotes = block == QUOTE
        if dialect.quoted and (inside or quotes.any()):
            outside = (np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ inside) == 0
            inside = 0 if outside[-1] else 1
            delimiters &= outside
            newlines &= outside
        ends = np.flatnonzero(newlines)
        before = np.searchsorted(np.flatnonzero(delimiters), ends)
        counts = np.diff(before, prepend=0)
        lengths = np.diff(ends, prepend=-1) - 1
        if len(ends):
            counts[0] += open_count
            lengths[0] += length
            open_count, length = int(delimiters.sum() - before[-1]), len(block) - int(ends[-1]) - 1
        else:
            open_count, length = open_count + int(delimiters.sum()), length + len(block)
        if np.any((counts != expected) & (lengths > 1)):  # length 1: the CR of an empty line
            return False
    return inside == 0 and (open_count == expected or length <= 1)


def with_lone_quotes(path: Path, data: bytes, dialect: Dialect) -> Dialect:
    """Take quotes as characters, like the inch in 5" pipe, if no cell is quoted and every line is a row only so."""
    sign = re.escape(dialect.delimiter.encode())
    head = data[dialect.start : dialect.start + HEAD]
    if b'"' not in data or re.search(rb'(^|%b)"[^"\n]*"\r?($|%b)' % (sign, sign), head, re.MULTILINE):
        return dialect
    if line_is_regular(data, dialect) and not _has_long_cells(data, dialect.start):
        return dialect
    literal = replace(dialect, quoted=False)
    if not line_is_regular(data, literal):
        return dialect
    notice = f"{path.name}: quotes are read as characters, since they do not enclose cells"
    return replace(literal, notices=(*dialect.notices, notice))


def _has_long_cells(data: bytes, start: int) -> bool:
    """Whether a quoted cell would have a newline."""
    inside = 0
    for begin in range(start, len(data), SCAN):
        block = np.frombuffer(data, dtype=np.uint8, offset=begin, count=min(SCAN, len(data) - begin))
        quoted = np.bitwise_xor.accumulate((block == QUOTE).view(np.uint8)) ^ inside
        if ((block == NEWLINE) & (quoted == 1)).any():
            return True
        inside = int(quoted[-1])
    return False


def each_record(data: bytes, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank with the number of the line it begins in; slow, for messages."""
    text = io.StringIO(data[dialect.start :].decode("utf-8", errors="replace"), newline="")
    quoting: Any = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    reader = csv.reader(text, delimiter=dialect.delimiter, skipinitialspace=True, strict=True, quoting=quoting)
    line = dialect.first_line
    with long_cells():
        for record in reader:
            if any(cell.strip() for cell in record) or len(record) > 1:
                yield line, record
            line = dialect.first_line + reader.line_num


def refuse_ragged(where: str, data: bytes, dialect: Dialect) -> None:
    """Refuse the first line with another number of cells than names, with exact quoting."""
    expected = len(dialect.names)
    line = dialect.first_line - 1
    try:
        for line, record in each_record(data, dialect):
            if len(record) != expected:
                n_cells = len(record)
                text = _quoted(dialect.delimiter.join(record))
                raise DataError(f"{where}, line {line}: expected {expected} cells, got {n_cells}: {text}")
    except csv.Error as error:
        raise DataError(f"{where}, after line {line}: expected a closing quote ({message_of(error)})") from error


def line_of_row(data: bytes, dialect: Dialect, row: int) -> str:
    """Return "line 17" for a row number, by reading up to it."""
    try:
        record = next(islice(each_record(data, dialect), row, None), None)
    except csv.Error:  # pandas reads more kinds of quotes
        record = None
    return f"row {row}" if record is None else f"line {record[0]}"


# --- reading ----------------------------------------------------------------------------------------------------------


def parse(where: str, data: bytes, dialect: Dialect, wanted: Wanted, targets: Sequence[str]) -> pd.DataFrame:
    """Parse UTF-8 bytes from ``dialect.start`` on; a column is numeric only if all its cells are numbers."""
    import pandas as pd

    if not line_is_regular(data, dialect):
        refuse_ragged(where, data, dialect)
    missing = dict.fromkeys(dialect.names, sorted(missing_cells(wanted.settings.missing, wanted.settings.keep)))
    missing |= {target: [""] for target in targets}  # a refusal shows how the others are spelled
    buffer = io.BytesIO(data)
    buffer.seek(dialect.start)
    try:
        frame = pd.read_csv(
            buffer,
            sep=dialect.delimiter,
            decimal=dialect.decimal,
            header=None,
            names=list(dialect.names),
            index_col=False,
            dtype=dict.fromkeys(wanted.text.intersection(dialect.names), str),
            na_values=missing,
            keep_default_na=False,
            skipinitialspace=True,
            low_memory=False,
            quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        )
    except pd.errors.ParserError as error:
        raise DataError(f"{where}: {message_of(error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: {error.reason}; set [data] encoding (--encoding)") from error
    rounded = frozenset(str(name) for name in frame if may_be_rounded(frame[name]))
    return parse(where, data, dialect, replace(wanted, text=wanted.text | rounded), targets) if rounded else frame


def may_be_rounded(series: pd.Series[Any]) -> bool:
    """Whether different integers of 17 and more digits could have become one number."""
    if series.dtype != np.float64:
        return False
    low, high = float(series.min()), float(series.max())
    largest = max(abs(low), abs(high))
    return LARGEST_EXACT <= largest < math.inf and high - low <= NOISE * largest


def target_among(names: tuple[str, ...], target: str | int | None) -> str | None:
    """Return the name of a target given as a name or as a position from 0 (negative: from the end)."""
    if isinstance(target, str) and (name := target if target in names else target.strip()) in names:
        return name
    try:
        position = int(target) if target is not None else len(names)
    except ValueError:
        return None
    return names[position] if -len(names) <= position < len(names) else None


def targets_among(names: tuple[str, ...], target: str | int | tuple[str | int, ...] | None) -> tuple[str, ...]:
    """Return the names of the columns to predict that there are."""
    given = target if isinstance(target, tuple) else (target,)
    return tuple(name for each in given if (name := target_among(names, each)) is not None)


def read_delimited(file: DataFile, wanted: Wanted) -> Raw:
    """Read a whole file of delimited text."""
    path = file.path
    with file.unpacked() as opened:
        data = read_bytes(path, opened)
    head = data[:HEAD]
    _refuse_if_too_large(path, head, len(data), wanted.settings)
    given = wanted.settings.encoding
    data, encoding = to_utf8(path, data, given or detect_encoding(path, head), given=given is not None)
    data = with_newlines(data)
    dialect = detect_dialect(path, data[:HEAD], encoding, wanted, whole=len(data) <= HEAD)
    dialect = with_lone_quotes(path, data, dialect)
    frame = parse(str(path), data, dialect, wanted, targets_among(dialect.names, wanted.settings.target))
    if not len(frame):
        raise DataError(f"{path}: no rows after the header; expected at least two of each class")
    return raw_of(path, frame, data, dialect)


def raw_of(path: Path, frame: pd.DataFrame, data: bytes, dialect: Dialect) -> Raw:
    """Return the rows parsed from ``data``, with their line numbers."""
    line_of = partial(line_of_row, data, dialect)
    spelling = partial(_spelling, data, dialect)
    return Raw(frame, str(path), line_of, decimal=dialect.decimal, spelling=spelling, notices=dialect.notices)


def _spelling(data: bytes, dialect: Dialect, name: str) -> str:
    """Return how the first missing cells of a column are written."""
    import pandas as pd

    buffer = io.BytesIO(data)
    buffer.seek(dialect.start)
    cells = pd.read_csv(
        buffer,
        sep=dialect.delimiter,
        header=None,
        names=list(dialect.names),
        usecols=[name],
        index_col=False,
        dtype=str,
        na_filter=False,
        skipinitialspace=True,
        nrows=FIRST_ROWS,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
    )
    return most_spelled(cells[name])


def measure_delimited(file: DataFile, settings: DataSettings) -> None:
    """Refuse a file that, by its size and first lines, does not fit in memory."""
    with file.unpacked() as opened:
        head = read_bytes(file.path, opened, HEAD)
    _refuse_if_too_large(file.path, head, unpacked_size(file), settings)


def _refuse_if_too_large(path: Path, head: bytes, size: int, settings: DataSettings) -> None:
    lines = head.count(b"\n") + 1
    delimiter = (settings.delimiter or max(DELIMITERS, key=lambda sign: head.count(sign.encode()))).encode()
    columns = head.count(delimiter) // lines + 1
    rows = size / max(len(head) / lines, 1) if head else 0
    # the text, and per cell 8 bytes in the frame, 4 in the network's input, 2 for temporary arrays
    refuse_if_too_large(str(path), size + rows * columns * 14, f"about {rows:,.0f} rows of {columns} columns")


def read_chunks(file: DataFile, wanted: Wanted, size: int) -> Iterator[Raw]:
    """Yield a file's rows in pieces of about ``size`` bytes, cut between records."""
    path, encoding = file.path, encoding_of(file, wanted.settings)
    text = Utf8(path, encoding)
    with file.unpacked() as opened:
        dialect: Dialect | None = None
        rest, lines, final = b"", 0, False
        while not final:
            packed = read_bytes(path, opened, size)
            final = len(packed) < size
            data = with_newlines(rest + text.convert(packed, final=final))
            if dialect is None:
                dialect = detect_dialect(path, data[:HEAD], encoding, wanted, whole=len(data) <= HEAD)
                dialect = with_lone_quotes(path, data if final else data[: data.rfind(b"\n") + 1], dialect)
            end = len(data) if final else last_record_end(data, quoted=dialect.quoted)
            targets = targets_among(dialect.names, wanted.target) if wanted.labeled else ()
            frame = parse(str(path), data[:end], dialect, wanted, targets)
            if len(frame):
                yield raw_of(path, frame, data, dialect)
            lines += data.count(b"\n", 0, end)
            dialect = replace(dialect, start=0, first_line=lines + 1)
            rest = data[end:]
            if len(rest) > LONGEST:
                raise DataError(
                    f"{path}, line {lines + 1}: a row of more than {LONGEST:,} bytes; is a quote not closed?"
                )


def last_record_end(data: bytes, *, quoted: bool) -> int:
    """Return the offset after the last newline outside quotes, 0 if there is none."""
    if not quoted:
        return data.rfind(b"\n") + 1
    block = np.frombuffer(data, dtype=np.uint8)
    newlines = block == NEWLINE
    quotes = block == QUOTE
    if quotes.any():
        newlines &= np.bitwise_xor.accumulate(quotes.view(np.uint8)) == 0
    return int(np.flatnonzero(newlines).max(initial=-1)) + 1
