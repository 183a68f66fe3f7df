"""The commands of a report's actions, for the folder in which the report was made."""

from __future__ import annotations

from pathlib import Path

from tuner.analysis import Action, Diagnosis, Verb
from tuner.commands import command_text, study_folder, study_words
from tuner.paths import defined_studies
from tuner.storage import StudyRecord
from tuner.study import StudyDefinition, next_name


def command_of(action: Action, record: StudyRecord, definition: StudyDefinition, judged: Diagnosis) -> str:
    """Return the command of an action; empty if a person must act, or if no other process has the data.

    A study without a database has no name. ``judged``: the report's baseline and threshold, which the command needs
    too. No command permits a custom trainer: a person who copies one
    from a shared study must not run code that only the database names.
    """
    if action.verb is None or not record.storage or definition.data.source is None:
        return ""
    if action.verb is Verb.REFINE:
        following = next_definition(record)
        how = [*_judged_options(definition, judged), "--output", following]
        return f"{command_text('refine', *record.words, *how)} && {search_next_command(record, following)}"
    options = [
        word
        for name, given in action.options.items()
        for word in ((f"--{name}",) if given is True else (f"--{name}", str(given)))
    ]
    return command_text(action.verb, *record.words, *options)


def report_command(record: StudyRecord, *options: str) -> str:
    """Return the command that writes a study's page, from the current folder."""
    return command_text("report", *record.words, *options)


def errors_command(record: StudyRecord) -> str:
    """Return the command that shows all wrong rows of a study, and writes them as a page."""
    return command_text("errors", *record.words, "--html")


def search_next_command(record: StudyRecord, definition: Path) -> str:
    """Return the command that searches the next definition, beginning with the study's trials."""
    _, *storage = study_words(definition.stem, record.storage, definition)
    return command_text("search", definition, "--from", record.name, *storage)


def again_commands(record: StudyRecord) -> str:
    """Return the commands that repeat a study and its report; empty without a database."""
    if not record.storage:
        return ""
    return f"{command_text('search', record.name)} && {command_text('report', record.name)}"


def next_definition(record: StudyRecord) -> Path:
    """Return the file of the next definition, beside the study's; its name is not taken there or in the database."""
    folder = study_folder(record.file)
    return folder / f"{next_name(record.name, {*defined_studies(folder), *record.beside})}.toml"


def judged_by(definition: StudyDefinition, judged: Diagnosis) -> dict[str, float]:
    """Return the baseline and threshold of ``judged`` that differ from the definition, by their options' names."""
    given, baseline = definition.diagnosis, judged.errors["baseline"]
    others = {}
    if judged.baseline_given and baseline is not None and given.baseline != baseline.value:
        others["baseline"] = baseline.value
    if judged.material_gap != given.threshold(judged.unit):
        others["material-gap"] = judged.material_gap
    return others


def _judged_options(definition: StudyDefinition, judged: Diagnosis) -> list[str]:
    return [word for name, value in judged_by(definition, judged).items() for word in (f"--{name}", f"{value:.6g}")]
