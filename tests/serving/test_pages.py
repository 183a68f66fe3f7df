"""Reports are made once per state of a study, one at a time, beside everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("fastapi")
from tuner.errors import UsageError
from tuner.serving import pages
from tuner.serving.pages import ReportPages


class Studies:
    """A reader whose reports are their versions; one is made as soon as it may ``go_on``."""

    def __init__(self) -> None:
        self.versions = {"a": "1", "b": "1"}
        self.made: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def version(self, name: str) -> str:
        """The version of a study."""
        if name not in self.versions:
            raise UsageError(f"no study {name}")
        return self.versions[name]

    def report(self, name: str, version: str, links: Any) -> str:
        """Make a report."""
        self.go_on.wait()
        self.made.append(name + version)
        return name + version


@pytest.fixture
def studies() -> Studies:
    """Two studies."""
    return Studies()


def run(studies: Studies, work: Callable[[ReportPages], Awaitable[Any]]) -> Any:
    """Let a coroutine use the pages of the studies."""

    async def main() -> Any:
        return await work(ReportPages(studies, []))  # type: ignore[arg-type]

    return asyncio.run(main())


def test_an_unchanged_study_is_reported_once(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has changed is reported again, but not sooner than a share of the work allows."""

    async def work(of: ReportPages) -> list[str]:
        texts = [(await of.get("a")).text, (await of.get("a")).text]
        studies.versions["a"] = "2"
        return [*texts, (await of.get("a")).text]

    assert run(studies, work) == ["a1", "a1", "a1"]
    assert studies.made == ["a1"]
    monkeypatch.setattr(pages, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(pages, "SHARE", 0)
    studies.versions["a"] = "1"
    assert run(studies, work) == ["a1", "a1", "a2"]


def test_readers_of_a_slow_report_share_it_and_hold_up_nobody(studies: Studies) -> None:
    """Fifty wait for one report, more than there are threads for requests, and the event loop and threads are free."""

    async def work(of: ReportPages) -> set[str]:
        studies.go_on.clear()
        waiting = [asyncio.create_task(of.get("a")) for _ in range(50)]
        await asyncio.sleep(0.05)
        with pytest.raises(UsageError, match="no study c"):
            await asyncio.wait_for(of.get("c"), 5)
        assert not any(task.done() for task in waiting)
        studies.go_on.set()
        return {page.text for page in await asyncio.gather(*waiting)}

    assert run(studies, work) == {"a1"}
    assert studies.made == ["a1"]


def test_a_report_that_fails_is_tried_again(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next request: a database that was away may be there again."""
    report, errors = studies.report, [UsageError("away")]

    def failing(*given: Any) -> str:
        if errors:
            raise errors.pop()
        return report(*given)

    monkeypatch.setattr(studies, "report", failing)

    async def work(of: ReportPages) -> str:
        with pytest.raises(UsageError, match="away"):
            await of.get("a")
        return (await of.get("a")).text

    assert run(studies, work) == "a1"
