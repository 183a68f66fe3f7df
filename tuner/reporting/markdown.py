"""``report.md``: the report as GitHub-flavored Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tuner.formatting import one_line, value
from tuner.printable import visible
from tuner.reporting.columns import HEADINGS
from tuner.reporting.data_checks import found_in_data
from tuner.reporting.frames import dev_error, train_error
from tuner.reporting.glossary import link_markdown
from tuner.reporting.headline_numbers import headline_numbers
from tuner.reporting.mismatch import HEADING as MISMATCH
from tuner.reporting.mismatch import HEADINGS as MISMATCH_HEADINGS
from tuner.reporting.mismatch import mismatch_rows, mismatch_sentences
from tuner.reporting.predictions import predictions_sentence
from tuner.reporting.provenance import provenance
from tuner.reporting.rows import class_table, error_rows, gap_rows

if TYPE_CHECKING:
    from tuner.reporting.comparing import Comparison
    from tuner.reporting.report import Report

TOP_TRIALS = 10


def markdown(report: Report) -> str:
    """Write the whole report as GitHub-flavored Markdown."""
    record = report.record
    verdict, *rest = map(escape, report.sentences)
    numbers = [f"{one.name} **{one.value}** ({one.about})" for one in headline_numbers(report)]
    parts = [f"# {escape(record.name)}", " · ".join(numbers), f"**{verdict}**", " ".join(rest)]
    parts += [f"**{escape(warning)}**" for warning in report.warnings]
    parts += _actions(report)
    if report.notes:
        parts.append("\n".join(f"- {escape(note)}" for note in report.notes))
    if report.best is not None:
        parts += ["## Bias and variance", *_tables(report), "## Best trial", *_best(report)]
        parts += [*_columns(report), *_learning(report), *_effects(report), *_top_trials(report)]
    parts += [*_mismatch(report), *_wrong_rows(report)]
    if notices := found_in_data(record):
        parts += ["## Data checks", "\n".join(f"- {escape(notice)}" for notice in notices)]
    parts += ["## Provenance", table(("", ""), provenance(report))]
    return link_markdown("\n\n".join(part for part in parts if part) + "\n")


def comparison_markdown(comparison: Comparison) -> str:
    """Write the comparison of studies."""
    names = [escape(report.record.name) for report in comparison.reports]
    rows = ((row.name, *row.cells) for row in comparison.rows)
    sentences = "\n\n".join(escape(sentence) for sentence in comparison.sentences)
    return link_markdown(f"# {' and '.join(names)}\n\n{sentences}\n\n{table(('', *names), rows)}\n")


def escape(text: object) -> str:
    """Escape what Markdown, or HTML within it, would interpret."""
    flat = visible(one_line(text))
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", flat).replace("&", "&amp;")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Write a Markdown table; ``right`` names the columns aligned to the right."""
    rule = ["---:" if place in right else "---" for place in range(len(headings))]
    lines = [headings, rule, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _actions(report: Report) -> list[str]:
    if not report.actions:
        return []
    lines = []
    for place, step in enumerate(report.steps, start=1):
        reasons = "<br>\n   ".join(map(escape, step.reasons))
        command = f"\n   ```\n   {visible(step.command)}\n   ```" if step.command else ""
        lines.append(f"{place}. {reasons}{command}")
    return ["## Next steps", "\n".join(lines)]


def _tables(report: Report) -> list[str]:
    return [
        table(
            (report.error_name, "", "95% interval", "based on"),
            ((row.name, row.value, row.interval, row.based_on) for row in error_rows(report)),
            right=(1,),
        ),
        table(
            ("gap", report.diagnosis.unit.of_gaps.strip(), "95% interval", "level", "confidence", "from"),
            (
                (row.name, row.value, row.interval, row.level_name, row.confidence, row.formula)
                for row in gap_rows(report.diagnosis)
            ),
            right=(1,),
        ),
    ]


def _best(report: Report) -> list[str]:
    assert report.best is not None
    classes = class_table(report)
    return [
        f"Trial {report.best.number}:",
        table(("hyperparameter", "value"), report.shown_params.items()),
        table(classes.headings, classes.rows, right=_numbers_of(classes.headings)) if classes.rows else "",
        escape(predictions_sentence(report.findings, report.error_name, report.chosen)),
    ]


def _numbers_of(headings: Sequence[str]) -> list[int]:
    return [place for place, heading in enumerate(headings) if place and heading != "95%"]


def _columns(report: Report) -> list[str]:
    rows = report.column_rows
    shown = table(HEADINGS, rows, right=(1,)) if rows else ""
    return ["## Columns", *map(escape, report.column_lines), shown] if report.column_lines else []


def _mismatch(report: Report) -> list[str]:
    mismatch = report.mismatch
    if mismatch is None:
        return []
    rows = mismatch_rows(mismatch)
    said = escape(" ".join(mismatch_sentences(mismatch)))
    return [f"## {MISMATCH}", said, table(MISMATCH_HEADINGS, rows, right=(1,)) if rows else ""]


def _wrong_rows(report: Report) -> list[str]:
    wrong = report.wrong_rows
    if wrong is None:
        return ["## Wrong rows", escape(f"Not shown: {report.no_wrong_rows}.")] if report.no_wrong_rows else []
    rows = wrong.frame[list(wrong.fixed)].head(TOP_TRIALS).to_numpy()
    cells = [[wrong.text(name, of) for name, of in zip(wrong.fixed, row, strict=True)] for row in rows]
    said = f"{wrong.headline[0].upper()}{wrong.headline[1:]}. {wrong.sentence()}"
    parts = ["## Wrong rows", escape(said), "" if wrong.eyeball is None else escape(wrong.eyeball.sentence)]
    parts += [table(wrong.fixed, cells) if cells else "", escape(wrong.footnote)]
    segments = wrong.segments
    if segments is not None and (segments.compared or segments.named):
        parts.append(escape(" ".join([segments.sentence, *segments.high_variance])))
        parts.append(table(segments.columns, segments.rows()) if segments.rows() else "")
    if (tally := report.tally) is not None:
        parts += [escape(tally.sentence), table(tally.columns, tally.rows(), right=(1, 2, 4)), escape(tally.footnote)]
    return parts


def _learning(report: Report) -> list[str]:
    learning, unit = report.learning, report.diagnosis.unit
    if learning is None:
        return []
    points = learning.to_dict()["points"]
    rows: list[tuple[object, ...]] = [
        (f"{point['n_train']:,}", unit.text(point["train_error"]), unit.text(point["dev_error"]), point["seeds"])
        for point in points
    ]
    headings: tuple[str, ...] = ("training examples", "train error", "dev error", "trainings")
    if learning.uses_left_out:
        rows = [(*row, unit.text(point["left_out_error"])) for row, point in zip(rows, points, strict=True)]
        headings = (*headings, "error on rows left out")
    return ["## Would more data help?", escape(learning.sentence), table(headings, rows, right=range(len(headings)))]


def _effects(report: Report) -> list[str]:
    effects, unit = report.effects, report.diagnosis.unit
    if effects is None:
        return []
    rows = [
        (
            row.label,
            *(unit.gap(row.train.value), unit.span(row.train.low, row.train.high)),
            *(unit.gap(row.gap.value), unit.span(row.gap.low, row.gap.high)),
        )
        for row in effects.effects
    ]
    about = (
        f"Change{' in pp' if unit.is_percent else ''} from the lower to the upper quarter of each range (for a choice: "
        f"compared with the others), with 95% intervals, based on {effects.trials:,} complete trials."
    )
    headings = ("", "train error (bias)", "95% interval", "gap (variance)", "95% interval")
    return ["## Effect of each hyperparameter on bias and variance", about, table(headings, rows, right=(1, 3))]


def _top_trials(report: Report) -> list[str]:
    ranked, unit = report.findings.ranked[:TOP_TRIALS], report.diagnosis.unit
    names = [name for name in ranked[0].params if len({str(trial.params.get(name)) for trial in ranked}) > 1]
    rows = [
        (
            *(trial.number, unit.text(dev_error(trial)), unit.text(train_error(trial))),
            *(value(trial.params.get(name)) for name in names),
        )
        for trial in ranked
    ]
    headings = ("trial", "dev error", "train error", *map(escape, names))
    return ["## The best trials", table(headings, rows, right=(0, 1, 2))]
