"""``tuner resume``: let workers claim trials of a study again."""

from __future__ import annotations

from dataclasses import asdict

from tuner.cli.options import JsonOption, QueuedArgument, StorageOption
from tuner.cli.printing import print_result


def resume(study: QueuedArgument, storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Lift what keeps workers from the study: a pause, or that it was set aside."""
    from tuner.workspace.administration import resume as resume_studies

    where, changes = resume_studies(study, storage)
    lines = [f"resumed: {each.study}" + (f" (it was {each.before})" if each.before else "") for each in changes]
    print_result({"storage": where, "studies": [asdict(each) for each in changes]}, lines, as_json=as_json)
