"""Job files that run a study elsewhere: Slurm, Kubernetes, systemd or cron, filled with what is known of the study."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from tuner.commands import command_text
from tuner.errors import UsageError
from tuner.printable import visible
from tuner.storage import mask, sqlite_file, without_password
from tuner.storage.holds import user_name
from tuner.workspace.locating import locate
from tuner.workspace.machine import usable_cores
from tuner.workspace.opening import StudyRequest, load_checked

KINDS = ("slurm", "kubernetes", "systemd", "cron")
ON_SEVERAL_MACHINES = ("slurm", "kubernetes")
MEGABYTE, STEP = 1_000_000, 256
LEAST_MEGABYTES, MARGIN = 1024, 1.5
"""What a report takes, at least; and how many times the estimate of `tuner check` the limit is."""
LONGEST_LABEL = 52
"""Characters of a CronJob's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """What a job file is filled with; ``source``: the STUDY argument of its command, ``tuner``: the command itself.

    ``megabytes``: the limit of memory for all ``workers`` of one of the ``jobs``, ``measured``: what it is based on.
    ``has_password``: the storage had one, which is left out.
    """

    kind: str
    study: str
    source: str
    storage: str
    folder: str
    tuner: str
    user: str
    image: str
    workers: int
    jobs: int
    minutes: int
    megabytes: int
    measured: str
    has_password: bool = False

    @property
    def text(self) -> str:
        """The file."""
        from jinja2 import Environment, StrictUndefined

        environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
        environment.filters |= {"sh": shlex.quote, "cron": lambda text: text.replace("%", r"\%")}
        environment.filters |= {"unit": _unit_word}
        hours, rest = divmod(self.minutes, 60)
        timeout = f"{self.minutes}m" if rest else f"{hours}h"
        template = (files("tuner.workspace") / "templates" / self.kind).read_text(encoding="utf-8")
        made = f"Made by: {command_text('deploy', self.kind, self.source)}"
        return environment.from_string(template).render(
            asdict(self), made=made, label=_label(self.study), timeout=timeout
        )


def _unit_word(text: str) -> str:
    """A word of a unit, where % begins a specifier."""
    escaped = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(sign in text for sign in " \\\"'") else escaped


def _label(study: str) -> str:
    """A name that Kubernetes and systemd take."""
    label = "".join(sign if sign.isalnum() else "-" for sign in f"tuner-{study}".lower())
    return label[:LONGEST_LABEL].rstrip("-")


def make_job_file(
    kind: str,
    request: StudyRequest,
    *,
    workers: int | None = None,
    jobs: int = 4,
    seconds: float = 5 * 3600,
    image: str | None = None,
) -> JobFile:
    """Fill the job file of a study, whose memory is measured by training an epoch of it.

    Raises UsageError for an unknown kind, and for SQLite where the job runs on several machines.
    """
    if kind not in KINDS:
        raise UsageError(f"expected {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {kind!r}")
    with locate(request.study, request.storage, target=request.target) as located:
        name, url, file = located.name, located.url, located.file or located.unwritten
    if kind in ON_SEVERAL_MACHINES and sqlite_file(url) is not None:
        raise UsageError(
            f"{sqlite_file(url)}: SQLite serves one machine; for {kind} name a server: "
            "--storage postgresql://USER@HOST/DATABASE"
        )
    _, dataset, trainer, _ = load_checked(request)
    estimate = trainer.estimate(dataset)
    workers = workers or usable_cores()
    need = estimate.data_bytes + workers * max(estimate.peak_bytes - estimate.data_bytes, 0)
    megabytes = STEP * math.ceil(max(MARGIN * need / MEGABYTE, LEAST_MEGABYTES) / STEP)
    job = JobFile(
        kind=kind,
        study=name,
        source=name if file is None else _argument(file),
        storage=without_password(url),
        folder=str(Path.cwd()),
        tuner=shutil.which("tuner", path=str(Path(sys.executable).parent)) or shutil.which("tuner") or "tuner",
        user=user_name(),
        image=image or f"registry.example/{_label(name)}:latest",
        workers=workers,
        jobs=jobs,
        minutes=max(1, round(seconds / 60)),
        megabytes=megabytes,
        measured=f"tuner check: {need / MEGABYTE:,.0f} MB for {workers} at a time. The limit allows for a report, too.",
        has_password="***" in mask(url),
    )
    _refuse_line_ends([job.source, job.storage, job.folder, job.tuner, job.user, job.image])
    return job


def _argument(file: Path) -> str:
    """The path of a file from here, which no command takes for an option."""
    path = os.path.relpath(file)
    return os.path.join(os.curdir, path) if path.startswith("-") else path


def _refuse_line_ends(texts: Sequence[str]) -> None:
    for text in texts:
        if visible(text) != text:
            raise UsageError(f"{visible(text)}: has a character that no job file may have")
