"""What keeps workers from a study, or one of them: paused, canceled, or set aside for its failures."""

from __future__ import annotations

import getpass
import json
import os
import socket
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tuner.limits import LATEST_SECONDS
from tuner.outcomes import STRICT

LONGEST_NAME, LONGEST_REASON = 200, 1000
OPENED_AGAIN = "opened again"
"""The reason of a canceled study that got more budget since."""


class HoldKind(StrEnum):
    """PAUSED and FAILING: no trial is claimed.

    CANCELED: no search that began before runs another one.  SET_ASIDE: a worker could not run the study where it is.
    """

    PAUSED = "paused"
    CANCELED = "canceled"
    FAILING = "failing"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on a study: since when (seconds since 1970), by whom ("ann@host"), and why, if there is more to say."""

    __pydantic_config__ = STRICT
    kind: HoldKind
    since: Annotated[float, Field(ge=0, le=LATEST_SECONDS)]
    by: Annotated[str, Field(max_length=LONGEST_NAME)]
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] | None = None

    @property
    def stops_claims(self) -> bool:
        """Whether nothing is claimed until somebody resumes the study."""
        return self.kind in (HoldKind.PAUSED, HoldKind.FAILING)

    def to_json(self) -> str:
        """As the study's column holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Hold | None:
        """The inverse of :meth:`to_json`; None for no hold."""
        if text is None:
            return None
        fields = json.loads(text)
        return cls(**{**fields, "kind": HoldKind(fields["kind"])})

    def opened_again(self) -> Hold:
        """The same of a canceled study that got more budget: it still ends the searches that began before."""
        return replace(self, reason=OPENED_AGAIN)

    @classmethod
    def present(cls, text: str | None, *, has_budget: bool) -> Hold | None:
        """The same, but None for a study that was canceled and has got more budget since."""
        hold = cls.from_json(text)
        if hold is not None and hold.kind is HoldKind.CANCELED and (has_budget or hold.reason == OPENED_AGAIN):
            return None
        return hold

    def __str__(self) -> str:
        match self.kind:
            case HoldKind.FAILING:
                return f"set aside: {self.reason}"
            case HoldKind.SET_ASIDE:
                return f"set aside by {self.by}: {self.reason}"
        return f"{self.kind} by {self.by}"


def user_name() -> str:
    """The name of the user of this process, its number where there is none."""
    try:
        return getpass.getuser()[:LONGEST_NAME]
    except (ImportError, KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def user_and_host() -> str:
    """Who gives an order, and where: ``ann@host``."""
    return f"{user_name()}@{socket.gethostname()}"[:LONGEST_NAME]
