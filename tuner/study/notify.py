"""What `[notify]` names: an address or a command per kind of event, and the variables that say otherwise.

Only a study file on this machine, a call of Python or the environment names them, never a database, in which others may
write: a command runs with the rights of whoever searches, and an address may hold a secret.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import tomlkit

from tuner.errors import UsageError

EVENTS = ("on_best", "on_done", "on_failure")
VARIABLE = "TUNER_NOTIFY_{}"
"""The variable that is used instead of a key of [notify], in capitals; empty, it switches the hook off."""
SCHEME = re.compile(r"\w[\w+.-]*:/")
EXPECTED = "expected an address like https://host/path, or a command like notify-send done"


def is_address(hook: str) -> bool:
    """Whether a hook is a web address, not a command."""
    return SCHEME.match(hook) is not None


def check_hook(hook: str) -> str:
    """Return a hook.  Raises ValueError unless it is an http(s) address or a command; the address is not repeated."""
    if not hook.isprintable():
        raise ValueError(f"{EXPECTED}, on one line")
    if not is_address(hook):
        try:
            words = shlex.split(hook)
        except ValueError as error:
            raise ValueError(f"{EXPECTED}; the command has {str(error).lower()}") from None
        if not words:
            raise ValueError(f"{EXPECTED}, got none")
        return hook
    try:
        parts = urlsplit(hook)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https") or " " in hook:
        raise ValueError(EXPECTED)
    if parts.username is not None:
        raise ValueError(f"{EXPECTED}; without user and password")
    return hook


def hooks_in_force(named: Mapping[str, str]) -> dict[str, str]:
    """Return the hook of each event: of its variable, else of ``named``, the keys of a [notify].

    Raises UsageError for a variable that is no hook, and for a command whose program is not found.
    """
    hooks = {}
    for event in EVENTS:
        variable = VARIABLE.format(event.upper())
        given = os.environ.get(variable)
        where, hook = (f"notify.{event}", named.get(event)) if given is None else (variable, given)
        if not hook:
            continue
        try:
            check_hook(hook)
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from None
        program = None if is_address(hook) else shlex.split(hook)[0]
        if program is not None and shutil.which(program) is None:
            raise UsageError(f"{where}: no program {program!r}. Give its path, or install it")
        hooks[event] = hook
    return hooks


def without_notify(text: str) -> str:
    """Return the text of a definition without [notify], which stays on the machine where it was written."""
    document: Any = tomlkit.parse(text) if "notify" in text else {}
    if "notify" not in document:
        return text
    del document["notify"]
    return tomlkit.dumps(document)
