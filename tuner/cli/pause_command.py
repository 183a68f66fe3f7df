"""``tuner pause``: keep workers from a study."""

from __future__ import annotations

from dataclasses import asdict

from tuner.cli.options import JsonOption, QueuedArgument, StorageOption
from tuner.cli.printing import print_result
from tuner.commands import command_text, study_words


def pause(study: QueuedArgument, storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Let no worker claim trials of the study; running trials are re-queued with a checkpoint, or finish."""
    from tuner.workspace.administration import pause as pause_studies

    where, changes = pause_studies(study, storage)
    lines = [
        f"paused: {each.study}. To go on: {command_text('resume', *study_words(each.study, where))}" for each in changes
    ]
    print_result({"storage": where, "studies": [asdict(each) for each in changes]}, lines, as_json=as_json)
