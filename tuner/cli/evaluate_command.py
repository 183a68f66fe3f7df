"""``tuner evaluate``: evaluate a model; the test set only with ``--test``, recorded each time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.decision import decision_lines
from tuner.cli.options import AllowTrainerOption, JsonOption, ModelArgument, StorageOption
from tuner.cli.printing import print_lines, print_result
from tuner.errors import UsageError
from tuner.formatting import headline, percent, quoted, times
from tuner.metrics import ABSOLUTE_ERROR, ERROR, METRICS
from tuner.outcomes import ERROR_NAMES

if TYPE_CHECKING:
    from tuner.modeling import Evaluation, Model, NumberEvaluation
    from tuner.units import Unit

MOST_CLASSES = 20  # a larger confusion matrix is only in --json


def evaluate(
    model: ModelArgument,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="A labeled file [default: the study's own sets].")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Evaluate on the test set; this is recorded in the study's database.")
    ] = False,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a model's errors by set and class, with intervals, confusion matrix and calibration."""
    from tuner.modeling import load_model

    loaded = load_model(model, allow_trainers=allow_trainer or ())
    metadata = loaded.metadata
    print_lines(
        headline(metadata.study, metadata.storage, f"data {data or metadata.data_path or 'arrays'}"), err=as_json
    )
    judged, evaluations = _judge(loaded, model, data, test, storage)
    print_result(_dict(loaded, model, judged, evaluations), _lines(loaded, judged), as_json=as_json)
    if evaluations is not None:
        print_lines(
            f"the test set was evaluated {times(evaluations)}; this is recorded in the study's database", err=as_json
        )
    if evaluations is not None and evaluations > 1:
        why = "may be optimistic: earlier evaluations may have guided choices"
        print_lines(f"tuner: note: a test error evaluated {times(evaluations)} {why}", err=True)


def _judge(
    model: Model, file: Path, data: Path | None, test: bool, storage: str | None
) -> tuple[list[Evaluation | NumberEvaluation], int | None]:
    """The evaluations, and the number of test-set evaluations; each is recorded before it is shown."""
    from tuner.modeling import evaluate as judge
    from tuner.modeling import evaluate_file
    from tuner.workspace.test_set import TestSetLog, load_models_data, own_file

    metadata = model.metadata
    if data is not None:
        own = own_file(metadata.parsed_definition, metadata.folder, metadata.fingerprint, data)
        if own is None and test:
            raise UsageError(f"--test and the file {data} are mutually exclusive: --test uses the study's own test set")
        if own == "test" and not test:
            raise UsageError(f"{data}: is the study's test set. Pass --test, which records the evaluation")
        if own in ("source", "dev"):
            raise UsageError(f"{data}: has the study's train or dev rows. Leave it out to evaluate on those")
        if own is None:
            return [evaluate_file(model, data)], None
    log = TestSetLog(metadata.study, storage, metadata.storage, metadata.fingerprint) if test else None
    judged = judge(model, load_models_data(metadata.parsed_definition, metadata.folder), test=test)
    if log is None:
        return judged, None
    evaluations = log.record(
        trial=metadata.only_trial, **judged[-1].counts, model=f"{file.name}: {metadata.described()}"
    )
    return judged, evaluations


def _dict(
    model: Model, file: Path, judged: list[Evaluation | NumberEvaluation], evaluations: int | None
) -> dict[str, Any]:
    metadata = model.metadata
    return {
        "study": metadata.study,
        "model": str(file.absolute()),
        "trial": metadata.trial,
        "kind": metadata.kind,
        "class_names": metadata.class_names,
        "metric": ABSOLUTE_ERROR.name if metadata.unit.is_absolute else metadata.counted_by.name,
        "decision": None if metadata.decision is None else metadata.decision.model_dump(),
        "sets": {one.name: one.to_dict() for one in judged},
        "errors_on_file": model.errors,
        "references": metadata.references,
        "test_looks": evaluations,
    }


def _lines(model: Model, judged: list[Evaluation | NumberEvaluation]) -> list[str]:
    unit = model.metadata.unit
    lines = [f"model: {model.metadata.described()}", "", *_table(judged, unit)]
    for name, error in model.metadata.errors.items():
        if not error.of.startswith("this model"):
            shown = f"{unit.text(error.value)} ({unit.text(error.low)} to {unit.text(error.high)})"
            of_metric = model.metadata.counted_by.label if unit.is_share else unit.name
            lines.append(f"stored in the model: {ERROR_NAMES.get(name, name)} {of_metric} {shown} of {error.of}")
    references = [
        f"{name.replace('_', ' ')} {unit.text(of)}" for name, of in model.metadata.references.items() if of is not None
    ]
    if references:
        lines.append(f"reference models, on dev: {', '.join(references)}")
    from tuner.modeling import NumberEvaluation

    counted_by, last = model.metadata.counted_by, judged[-1]
    if counted_by != ERROR and not isinstance(last, NumberEvaluation):
        lines.append(
            f"every error is the {counted_by.label}: {counted_by.meaning}; rows wrong: {percent(last.rows_wrong)}"
        )
    if last.weighted and model.metadata.data_settings.weight is not None:
        lines.append(f"rows are weighted by {quoted(model.metadata.data_settings.weight)} in every error and mean")
    lines += decision_lines(model, with_curve=False)
    return [*lines, *_detail(judged[-1], unit)]


def _table(judged: list[Evaluation | NumberEvaluation], unit: Unit) -> list[str]:
    """The errors of all sets."""
    from tuner.modeling import Evaluation

    width = max(len(one.name) for one in judged)
    ends = {one.name: f"{unit.text(one.error.low)} to {unit.text(one.error.high)}" for one in judged}
    if unit.is_share:
        what = "error" if unit.loss is None else METRICS[unit.loss.metric].label
        size = max(len(what), 7)
        lines = [f"{'':{width}} {what:>{size}}  95% interval           rows  log loss  calibration error"]
    else:
        other = "RMSE" if unit.is_absolute else "mean absolute error"
        columns = f"{unit.name:>10}  {'95% interval':22} {'rows':>9}  {other:>19}      R²"
        lines = [f"errors {unit.of_target}:", f"{'':{width}} {columns}"]
    for one in judged:
        if isinstance(one, Evaluation):
            lines.append(
                f"{one.name:{width}} {unit.text(one.error.value):>{size}}  {ends[one.name]:18} {one.error.n:>9,}  "
                f"{_calibration(one):17}  {one.note}"
            )
        else:
            of_other = one.root_mean_squared_error if unit.is_absolute else one.mean_absolute_error
            lines.append(
                f"{one.name:{width}} {unit.text(one.error.value):>10}  {ends[one.name]:22} {one.error.n:>9,}  "
                f"{unit.text(of_other):>19}  {one.r2:>6.3f}  {one.note}"
            )
    return lines


def _by_tenth(one: NumberEvaluation, unit: Unit) -> list[str]:
    lines = ["", f"{one.name}: by tenth of the target", f"  {'from':>10} {'to':>10} {'rows':>7} {unit.name:>10}  "]
    lines[-1] += "mean residual (predicted − true)"
    for tenth in one.tenths:
        ends = f"{unit.text(tenth.low):>10} {unit.text(tenth.high):>10}"
        lines.append(f"  {ends} {tenth.n:>7,} {unit.text(tenth.error.value):>10}  {unit.gap(tenth.residual):>10}")
    if one.intervals:
        lines += ["", f"{one.name}: predicted intervals"]
    for interval in one.intervals:
        outside = interval.outside
        within = (percent(1 - share) for share in (outside.value, outside.high, outside.low))
        lines.append(
            f"  quantiles {interval.low:g} to {interval.high:g}: {'{} ({} to {})'.format(*within)} of the rows are "
            f"within, expected {percent(interval.expected)}; mean width {unit.text(interval.width)}"
        )
    return lines


def _by_target(one: NumberEvaluation, unit: Unit) -> list[str]:
    width = max(6, *map(len, one.targets))
    lines = ["", f"{one.name}: by target, each in its unit", f"  {'target':{width}} {'RMSE':>12} {'MAE':>12} {'R²':>7}"]
    for target in unit.targets:
        errors, text = one.targets[target.name], target.unit.text
        both = f"{text(errors.root_mean_squared_error):>12} {text(errors.mean_absolute_error):>12}"
        lines.append(f"  {target.name:{width}} {both} {errors.r2:>7.3f}")
    return lines


def _detail(one: Evaluation | NumberEvaluation, unit: Unit) -> list[str]:
    """Errors by class, confusion matrix and calibration of one set, or errors by target or by tenth of it."""
    from tuner.modeling import NumberEvaluation

    if isinstance(one, NumberEvaluation):
        return _by_target(one, unit) if one.targets else _by_tenth(one, unit)
    lines = ["", f"{one.name}: errors by class"]
    width = max(len(each.name) for each in one.classes)
    for each in one.classes:
        estimate = each.estimate
        shown = (
            f"{percent(estimate.value):>7}  {percent(estimate.low)} to {percent(estimate.high)}"
            if estimate.n
            else "      –"
        )
        lines.append(f"  {each.name:{width}} {shown}  of {estimate.n:,} rows")
    if one.positive is not None:
        scores = one.positive
        parts = {"precision": scores.precision, "recall": scores.recall, "F1": scores.f1}
        texts = [f"{name} {percent(of.value)} ({percent(of.low)} to {percent(of.high)})" for name, of in parts.items()]
        lines += ["", f"{one.name}: class {scores.name}: {', '.join(texts)}"]
    if len(one.classes) <= MOST_CLASSES:
        lines += ["", f"{one.name}: true class (rows), predicted class (columns)", *_confusion(one)]
    if one.calibration is None:
        return [*lines, "", "the model predicts classes without probabilities: no log loss and no calibration"]
    lines += ["", f"{one.name}: predicted probability and share correct"]
    for part in one.calibration.bins:
        lines.append(f"  {part.low:.0%} to {part.high:.0%}: {percent(part.accuracy)} correct of {part.n:,} rows")
    return lines


def _calibration(one: Evaluation) -> str:
    of_set = one.calibration
    return f"{'–':>8}  {'–':>7}" if of_set is None else f"{of_set.log_loss:>8.4f}  {percent(of_set.error):>7}"


def _confusion(one: Evaluation) -> list[str]:
    names = [each.name for each in one.classes]
    cells = [[f"{count:,}" for count in row] for row in one.confusion]
    widths = [max(len(name), *(len(row[k]) for row in cells)) for k, name in enumerate(names)]
    left = max(map(len, names))
    head = "  ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    rows = [
        f"  {name:{left}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for name, row in zip(names, cells, strict=True)
    ]
    return [f"  {'':{left}}  {head}", *rows]
