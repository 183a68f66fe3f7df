"""``tuner cancel``: end a study's running trials and its budget."""

from __future__ import annotations

from dataclasses import asdict

from tuner.cli.options import JsonOption, QueuedArgument, StorageOption
from tuner.cli.printing import print_result
from tuner.commands import command_text, study_words
from tuner.formatting import count


def cancel(study: QueuedArgument, storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """End the study's running trials as failed, and set its budget to the trials that are finished."""
    from tuner.workspace.administration import cancel as cancel_studies

    where, changes = cancel_studies(study, storage)
    lines = [
        f"canceled: {each.study}; {count(each.ended, 'running trial')} ended. "
        f"To run more: {command_text('submit', *study_words(each.study, where), '--trials', 'N')}"
        for each in changes
    ]
    print_result({"storage": where, "studies": [asdict(each) for each in changes]}, lines, as_json=as_json)
