"""``tuner deploy``: print a job file that runs a study."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import AllowTrainerOption, StorageOption, StudyArgument, TargetOption, seconds_of
from tuner.cli.printing import print_file, print_lines
from tuner.limits import MOST_PROCESSES


def deploy(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="slurm, kubernetes, systemd or cron.", show_default=False)
    ],
    study: StudyArgument,
    target: TargetOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="K",
            min=1,
            max=MOST_PROCESSES,
            help="Processes of each job [default: the cores of this machine].",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Jobs at a time, of Slurm and Kubernetes.")
    ] = 4,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long each job may run.")] = "5h",
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="NAME", help="The container image, of Kubernetes.", show_default=False),
    ] = None,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
) -> None:
    """Print a job file with this study's storage, and the memory that its trials need by tuner check."""
    seconds = seconds_of(timeout, "--timeout")

    from tuner.workspace import StudyRequest
    from tuner.workspace.deploying import make_job_file

    request = StudyRequest(study, target, storage, allow_trainers=tuple(allow_trainer or ()))
    job = make_job_file(kind, request, workers=workers, jobs=jobs, seconds=seconds, image=image)
    print_file(job.text)
    if job.has_password:
        where = "into the secret" if kind == "kubernetes" else "into ~/.pgpass"
        print_lines(f"tuner: note: the password of the database is left out; put it {where}", err=True)
