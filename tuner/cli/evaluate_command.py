"""``tuner evaluate``: a model, judged; the test set only on ``--test``, and every look at it is written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.options import JsonOption, ModelArgument, StorageOption
from tuner.cli.printing import ERROR_NAMES, print_result
from tuner.errors import UsageError
from tuner.formatting import headline

if TYPE_CHECKING:
    from tuner.modeling import Evaluation, Model

MOST_CLASSES = 20  # a larger confusion matrix is for programs: --json has it


def evaluate(
    model: ModelArgument,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="A labeled file [default: the study's own sets].")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Open the study's test set; the look is written into its database.")
    ] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count errors on every set, by class, with intervals, confusions and calibration."""
    from tuner.modeling import load_model

    found = load_model(model)
    card = found.card
    typer.echo(headline(card.study, card.storage, f"data {data or card.data_path or 'arrays'}"), err=as_json)
    judged, looks = _judge(found, model, data, test, storage)
    print_result(_dict(found, model, judged, looks), _lines(found, judged), as_json=as_json)
    if looks is not None:
        times = "once" if looks == 1 else f"{looks} times"
        typer.echo(f"the test set was opened {times}, which is written down in the study's database", err=as_json)
    if looks is not None and looks > 1:
        why = "may have guided choices, and is no longer a clean one"
        typer.echo(f"tuner: a test error that was looked at more than once {why}", err=True)


def _judge(
    found: Model, file: Path, data: Path | None, test: bool, storage: str | None
) -> tuple[list[Evaluation], int | None]:
    """The judgments, and how often the test set was opened; the look is recorded before it is shown."""
    from tuner.modeling import evaluate as judge
    from tuner.modeling import evaluate_file
    from tuner.workspace.test_set import Seal, load_models_data, own_file

    card = found.card
    if data is not None:
        own = own_file(card.parsed_definition, card.folder, card.fingerprint, data)
        if own is None and test:
            raise UsageError(f"--test opens the study's own test set, {data} is another file: expected one of them")
        if own == "test" and not test:
            raise UsageError(f"{data}: is the study's test set; --test opens it, and writes the look down")
        if own in ("source", "dev"):
            raise UsageError(
                f"{data}: holds rows the model learned from or was chosen on; leave it out to count on those"
            )
        if own is None:
            return [evaluate_file(found, data)], None
    seal = Seal(card.study, storage, card.storage, card.fingerprint) if test else None
    judged = judge(found, load_models_data(card.parsed_definition, card.folder), test=test)
    if seal is None:
        return judged, None
    opened = judged[-1]
    looks = seal.record(
        trial=card.trial,
        wrong=opened.wrong,
        n=int(opened.confusion.sum()),
        n_effective=opened.error.n_effective,
        model=f"{file.name}: {card.described()}",
    )
    return judged, looks


def _dict(found: Model, file: Path, judged: list[Evaluation], looks: int | None) -> dict[str, Any]:
    card = found.card
    return {
        "study": card.study,
        "model": str(file.absolute()),
        "trial": card.trial,
        "kind": card.kind,
        "class_names": card.class_names,
        "sets": {one.name: one.to_dict() for one in judged},
        "errors_on_file": found.errors,
        "references": card.references,
        "test_looks": looks,
    }


def _lines(found: Model, judged: list[Evaluation]) -> list[str]:
    lines = [f"model: {found.card.described()}", ""]
    width = max(len(one.name) for one in judged)
    lines.append(f"{'':{width}}   error  95% interval           rows  log loss  calibration error")
    for one in judged:
        ends = f"{one.error.low:.2%} to {one.error.high:.2%}"
        lines.append(
            f"{one.name:{width}} {one.error.value:>7.2%}  {ends:18} {one.error.n:>9,}  "
            f"{one.calibration.log_loss:>8.4f}  {one.calibration.error:>7.2%}  {one.note}"
        )
    for name, error in found.card.errors.items():
        if not error.of.startswith("this model"):
            shown = f"{error.value:.2%} ({error.low:.2%} to {error.high:.2%})"
            lines.append(f"kept in the model: {ERROR_NAMES.get(name, name)} error {shown} of {error.of}")
    references = [f"{name.replace('_', ' ')} {of:.2%}" for name, of in found.card.references.items() if of is not None]
    if references:
        lines.append(f"reference lines, on dev: {', '.join(references)}")
    return [*lines, *_detail(judged[-1])]


def _detail(one: Evaluation) -> list[str]:
    """The classes, the confusions and the reliability curve of one set."""
    lines = ["", f"{one.name}: errors by class"]
    width = max(len(each.name) for each in one.classes)
    for each in one.classes:
        estimate = each.estimate
        shown = f"{estimate.value:>7.2%}  {estimate.low:.2%} to {estimate.high:.2%}" if estimate.n else "      –"
        lines.append(f"  {each.name:{width}} {shown}  of {estimate.n:,} rows")
    if len(one.classes) <= MOST_CLASSES:
        lines += ["", f"{one.name}: true class (rows), predicted class (columns)", *_confusion(one)]
    lines += ["", f"{one.name}: how sure, and how often right"]
    for part in one.calibration.bins:
        lines.append(f"  {part.low:.0%} to {part.high:.0%} sure: {part.accuracy:.1%} right of {part.n:,} rows")
    return lines


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
