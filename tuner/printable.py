r"""Text as it may be shown in a terminal or log: nothing that steers or hides, and no password.

``printable("a\x1b[2Jb")`` is ``a\x1b[2Jb`` with a backslash: names of columns, classes, studies and files come from
files and databases that others write.
"""

from __future__ import annotations

import io
import json
import logging
import os.path
import re
import shlex
import sys
import unicodedata
import warnings
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
INVISIBLE = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])
"""Unicode's categories of controls (C0, C1), formats (bidirectional ones, zero width), surrogates and line ends."""
NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
FIRST_BYTE, LAST_BYTE = "\udc80", "\udcff"
"""What a byte of a file's name that is not UTF-8 is read as."""

WITHOUT_SCHEME = re.compile(r"((?://)?[^\s/:@=]+):(?!/).+@([^@]+/[^@]*)", re.DOTALL)
"""A login, a host and a database: an address whose scheme was forgotten."""
SCHEME = re.compile(r"(?!sqlite\b)[a-z][a-z0-9+.-]*:/+", re.IGNORECASE)
PORT = re.compile(r"\d{0,5}(?:[/?#]|$)")
OPTION = re.compile(r"--[\w-]+=")
IN_QUERY = re.compile(r"(?<=[?&;])([^=&?;]+)(=)[^&]*")
IN_CONNECTION_STRING = re.compile(r"([\w%]+)(\s*=\s*)('(?:\\.|[^'\\])*'?|.*?(?=\s+\w+\s*=|$))", re.DOTALL)
IN_TEXT = re.compile(r"([\w%]+)(=)('(?:\\.|[^'\\])*'|\"[^\"]*\"|[^&\s'\"]+)")
ADDRESSES_IN_TEXT = tuple(
    re.compile(rf"(?<![\w+.-])((?!sqlite\b)[a-z][a-z0-9+.-]*:/+{rest}", re.IGNORECASE)
    for rest in (
        r"[^\s:'\"]*):\S*(?=@)",
        r"[^\s:/@'\"]*):(?!\d{0,5}(?:\W|$))[^@'\"\n]*(?=@)",
        r"[^\s:/@'\"\[]*):(?!\d{0,5}(?:\W|$))[^\s@'\"]+",
    )
)
"""A user and a password within a line: up to the last ``@`` of a word, with blanks in it, and without a host."""


def printable(text: object) -> str:
    """Return the text on one line, without passwords, each invisible character as Python would escape it."""
    return visible(without_passwords(str(text)))


def visible(text: str) -> str:
    """Return the text with its invisible characters escaped: a line end, ESC, a bidirectional override."""
    if text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in INVISIBLE else c for c in text)


def is_unicode(text: str) -> bool:
    """Whether the text can be written: half of a surrogate pair stands for a byte that is not UTF-8."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _escaped(character: str) -> str:
    if character in NAMED:
        return NAMED[character]
    code = ord(character)
    if FIRST_BYTE <= character <= LAST_BYTE or code < 0x100:
        return rf"\x{code & 0xFF:02x}"
    return rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}"


def show_safely() -> None:
    """Let logs and warnings of libraries pass :func:`printable`, and stdout and stderr take any text."""
    if logging.getLogRecordFactory() is not _safe_record:
        logging.setLogRecordFactory(_safe_record)
        warnings.formatwarning = _safe_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _safe_record(*given: Any, **named: Any) -> logging.LogRecord:
    record = logging.LogRecord(*given, **named)
    record.msg, record.args = printable(record.getMessage()), ()
    return record


def _safe_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: Any = None) -> str:
    return f"{printable(filename)}:{lineno}: {category.__name__}: {printable(message)}\n"


def shell_escaped(text: str) -> str:
    """Return a text as it is written between ``$'`` and ``'`` for bash and zsh."""
    return visible(re.sub(r"[\\']", r"\\\g<0>", text))


def _within_quotes(text: str) -> str:
    return text.replace("'", shlex.quote("'")[1:-1])


# --- passwords --------------------------------------------------------------------------------------------------------

_KNOWN: dict[str, str] = {}


def protect(words: Iterable[str]) -> None:
    """Keep the passwords of these words, as typed or in a variable, out of every later text, however it quotes them."""
    for word in words:
        shown = mask_word(word)
        if shown != word:
            address, masked = (OPTION.sub("", each, count=1) for each in (word, shown))
            for whole, hidden in ((address, masked), (address.rpartition("/")[0], masked.rpartition("/")[0])):
                if HIDDEN in hidden:  # a message may name the folder of what it takes for a path
                    _KNOWN.update(dict.fromkeys(_forms(whole), hidden))


def _forms(word: str) -> set[str]:
    """How a message may spell a word: as a path, decoded, quoted or on one line."""
    spelled = {word, unquote(word), re.sub(r"/+", "/", word), os.path.normpath(word)}
    for quote in (repr, json.dumps):
        spelled |= {quote(each)[1:-1] for each in spelled}
    spelled |= {spell(each) for each in spelled for spell in (visible, shell_escaped, _within_quotes)}
    return spelled | {" ".join(each.split()) for each in spelled}


def mask_word(word: str) -> str:
    """Return a word that may be a URL or connection string, or an option with one, without its password.

    What stands before the last ``@`` of a URL is taken for user and password, even where ``#``, ``/``, ``?`` or blanks
    in them are not encoded.
    """
    option = OPTION.match(word)
    start = option.end() if option else 0
    scheme = SCHEME.match(word, start)
    if scheme is None:
        if bare := WITHOUT_SCHEME.fullmatch(word, start):
            return f"{word[:start]}{bare[1]}:{HIDDEN}@{bare[2]}"
        masked = IN_CONNECTION_STRING.sub(_without_value, word[start:]) if "=" in word[start:] else word[start:]
        return word[:start] + masked
    body = IN_QUERY.sub(_without_value, word[scheme.end() :])
    login, at, place = body.rpartition("@") if "@" in body else (body, "", "")
    user, colon, password = login.partition(":")
    if colon and (at or not (user.startswith("[") or PORT.match(password))):
        body = f"{user}:{HIDDEN}{at}{place}"
    return word[: scheme.end()] + body


def without_passwords(text: str) -> str:
    """Return a text with every password of a URL or connection string in it masked."""
    for form in sorted(_KNOWN, key=len, reverse=True):
        text = text.replace(form, _KNOWN[form])
    for address in ADDRESSES_IN_TEXT:
        text = address.sub(rf"\1:{HIDDEN}", text)
    return IN_TEXT.sub(_without_value, text) if "=" in text else text


def _without_value(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{HIDDEN}" if _is_secret(match[1]) else match[0]


def _is_secret(key: str) -> bool:
    name = unquote(key).strip().lower()
    return name in ("pass", "passwd", "pwd") or name.endswith("password")
