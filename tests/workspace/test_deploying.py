"""Job files: the tools that will read them accept them, whatever the paths are called."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from docs.generate import DEPLOYED, JOB
from tests.running.conftest import command
from tuner.cli.app import COMMANDS
from tuner.workspace.deploying import KINDS, JobFile

EXAMPLES = Path(__file__).parents[2] / "examples" / "deploy"
ODD = replace(
    JOB,
    folder='/srv/it\'s 100% "$HOME"',
    source="studies/50% `id` $(id).toml",
    storage="postgresql://ann@db.example/tuner?application_name=50%25",
    tuner="/opt/my tools/$x/tuner",
    image="registry.example/x: y",
)
"""What a careless quotation would let a shell, systemd, cron or YAML read as something else."""
JOBS = pytest.mark.parametrize("job", [JOB, ODD], ids=["plain", "odd"])


def text(job: JobFile, kind: str) -> str:
    """The job file of a kind."""
    return replace(job, kind=kind).text


def test_the_examples_are_what_deploy_prints() -> None:
    """Written by docs/generate.py."""
    assert {path.name for path in EXAMPLES.iterdir()} == set(DEPLOYED)
    for name, kind in DEPLOYED.items():
        assert (EXAMPLES / name).read_text("utf-8") == text(JOB, kind), name


@pytest.mark.parametrize("name", ["churn.cron", "tuner-churn.service"])
def test_the_page_on_nightly_jobs_shows_what_deploy_prints(name: str) -> None:
    """Line by line."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "nightly-jobs.md"
    assert f"\n{text(JOB, DEPLOYED[name])}```\n" in page.read_text("utf-8")


@JOBS
def test_bash_reads_the_slurm_script(job: JobFile, tmp_path: Path) -> None:
    """Its words are those that were meant, and shellcheck has nothing to say."""
    script = tmp_path / "job.sh"
    script.write_text(text(job, "slurm"), encoding="utf-8")
    body = (
        script.read_text("utf-8")
        .replace("cd ", "printf '%s\\n' ")
        .replace("exec ", "printf '%s\\n' \"$TUNER_STORAGE\" ")
    )
    run = subprocess.run(
        ["bash", "-c", body], capture_output=True, text=True, env={"SLURM_CPUS_PER_TASK": "4"}, check=True
    )
    assert run.stdout.splitlines() == [
        *(job.folder, job.storage, job.tuner, "search", job.source, "--workers", "4", "--timeout", "5h", "--quiet")
    ]
    assert re.search(rf"^#SBATCH --mem={job.megabytes}M$", script.read_text("utf-8"), re.MULTILINE)
    if shutil.which("shellcheck") is not None:
        checked = subprocess.run(
            ["shellcheck", "--severity=warning", str(script)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


@JOBS
def test_cron_runs_one_line(job: JobFile) -> None:
    """Five fields and a command, in which cron takes no % for the end of the line."""
    line = text(job, "cron").splitlines()[-1]
    *times, shell = line.split(" ", 5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in times)
    assert not re.search(r"(?<!\\)%", shell)
    shell = shell.replace(r"\%", "%").replace("cd ", "printf '%s\\n' ").replace("/tuner", "/tuner", 1)
    subprocess.run(["bash", "-n"], input=shell, text=True, check=True)
    folder = subprocess.run(["bash", "-c", shell.partition(" && ")[0]], capture_output=True, text=True, check=True)
    assert folder.stdout == f"{job.folder}\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@JOBS
def test_systemd_accepts_the_unit(job: JobFile, tmp_path: Path) -> None:
    """``systemd-analyze verify``, with a program, a folder and a user that exist."""
    program = tmp_path / ("my tools $x 5%" if job is ODD else "tools") / "tuner"
    program.parent.mkdir()
    program.write_text("#!/bin/true\n")
    program.chmod(0o755)
    folder = tmp_path / "it's 100% done"
    folder.mkdir()
    unit = tmp_path / "tuner-churn.service"
    unit.write_text(
        text(replace(job, tuner=str(program), folder=str(folder), user="root"), "systemd"), encoding="utf-8"
    )
    result = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert not [line for line in result.stderr.splitlines() if "tuner-" in line], result.stderr
    assert result.returncode == 0, result.stderr


@JOBS
def test_kubernetes_knows_the_cron_job(job: JobFile) -> None:
    """Its command, the rules that a pod failure policy must keep to, and, where it is installed, the schema."""
    document = pytest.importorskip("yaml").safe_load(text(job, "kubernetes"))
    spec = document["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # what podFailurePolicy asks for
    (container,) = pod["containers"]
    drained, wrong = spec["podFailurePolicy"]["rules"]  # the first rule that fits counts
    assert (drained["action"], drained["onPodConditions"]) == (
        "Ignore",
        [{"type": "DisruptionTarget", "status": "True"}],
    )
    assert (wrong["onExitCodes"]["containerName"], wrong["onExitCodes"]["values"]) == (container["name"], [2])
    program, name, source, *_ = container["command"]
    assert not re.search(r"(?<!\$)\$\(", source)  # $(NAME) is a variable there
    assert source.replace("$$", "$") == job.source
    assert (program, name in COMMANDS, container["image"]) == ("tuner", True, job.image)
    assert container["resources"]["limits"]["memory"] == f"{job.megabytes}M"
    pytest.importorskip("kubernetes_validate").validate(document, "1.31", strict=True)


def test_a_job_file_has_what_check_measured(small_study: Path) -> None:
    """Memory for its workers, and the storage without its password."""
    storage = "postgresql://ann:s3cret@db.example/tuner?sslmode=require"
    status, output, errors = command(
        "deploy", "slurm", "small", "--storage", storage, "--workers", 3, "--jobs", 7, "--timeout", "90m"
    )
    assert status == 0, errors
    assert "s3cret" not in output
    assert "export TUNER_STORAGE='postgresql://ann@db.example/tuner?sslmode=require'" in output
    assert "the password of the database is left out; put it into ~/.pgpass" in errors
    for part in ("--array=1-7", "--cpus-per-task=3", "--time=100", "studies/small.toml", "--timeout 90m"):
        assert part in output
    assert re.search(r"tuner check: [\d,]+ MB for 3 at a time", output)


def test_a_study_file_is_no_option(small_study: Path) -> None:
    """Even if its name begins as one."""
    (small_study.parent / "small.toml").rename("-small.toml")
    (small_study.parent / "small.csv").rename("small.csv")
    status, output, errors = command("deploy", "cron", "--", "-small.toml")
    assert (status, "search ./-small.toml --workers" in output) == (0, True), errors


@pytest.mark.parametrize("kind", KINDS)
def test_sqlite_serves_one_machine(small_study: Path, kind: str) -> None:
    """A job for several machines needs a server; an unknown kind is refused, and nothing is made."""
    status, _, errors = command("deploy", kind, "small")
    assert (status, "SQLite serves one machine" in errors) == (
        (2, True) if kind in ("slurm", "kubernetes") else (0, False)
    )
    status, _, errors = command("deploy", f"{kind}x", "small")
    assert (status, errors) == (2, f"tuner: expected slurm, kubernetes, systemd or cron, got '{kind}x'\n")
    assert not (small_study.parent / "tuner.db").exists()
