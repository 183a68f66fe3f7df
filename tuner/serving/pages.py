"""The pages: each report is made once per state of its study, and in its own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from tuner.serving.reading import Reader

MOST_PAGES = 20
"""Pages that are kept; one of a large study has a megabyte or two."""
SHORTEST_PAUSE = 5.0
SHARE = 10
"""A study that changes is reported again only after so many times the seconds that its last report took."""


@dataclass(frozen=True, slots=True)
class CachedPage:
    """The page of a study in one ``version``; ``fresh_until`` (`time.monotonic`) it is shown although it is older."""

    version: str
    text: str
    fresh_until: float


class ReportPages:
    """The reports of a database as pages.

    One is made at a time, in a thread of its own: other requests are answered meanwhile, and those that wait for the
    same page share it.  Used from one event loop.
    """

    def __init__(self, reader: Reader, links: Sequence[tuple[str, str]]) -> None:
        self._reader = reader
        self._links = links
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._made: dict[str, CachedPage] = {}
        self._making: dict[str, asyncio.Task[CachedPage]] = {}

    async def get(self, name: str) -> CachedPage:
        """The page of a study.  Raises UsageError for a name that no study has."""
        version = await run_in_threadpool(self._reader.version, name)
        made = self._made.get(name)
        if made is not None and (made.version == version or time.monotonic() < made.fresh_until):
            return made
        if name not in self._making:
            self._making[name] = asyncio.create_task(self._make(name, version))
            self._making[name].add_done_callback(lambda _: self._making.pop(name))
        return await asyncio.shield(self._making[name])

    async def _make(self, name: str, version: str) -> CachedPage:
        began = time.monotonic()
        text = await asyncio.get_running_loop().run_in_executor(
            self._maker, self._reader.report, name, version, self._links
        )
        now = time.monotonic()
        page = CachedPage(version, text, now + max(SHORTEST_PAUSE, SHARE * (now - began)))
        self._made.pop(name, None)
        while len(self._made) >= MOST_PAGES:
            del self._made[next(iter(self._made))]
        self._made[name] = page
        return page
