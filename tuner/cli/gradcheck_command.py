"""``tuner gradcheck``: check the network's gradients"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument, TargetOption
from tuner.cli.printing import print_result

if TYPE_CHECKING:
    from tuner.nn.gradient_check import GradientCheck, PointCheck

FAILED = 1


def gradcheck(
    study: StudyArgument,
    target: TargetOption = None,
    entries: Annotated[
        int, typer.Option("--entries", metavar="N", min=1, help="Entries of each W and b to compare.")
    ] = 100,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare gradients with central differences, layer by layer, in the middle of the study's space."""
    from tuner.nn import Examples, output_for
    from tuner.nn.gradient_check import check_gradients
    from tuner.trial import data_of_trial
    from tuner.workspace import StudyRequest, load_study_data

    source, dataset = load_study_data(StudyRequest(study, target, storage))
    definition = source.definition
    definition.require_training_again("tuner gradcheck")
    space = definition.searched_space
    middle = space.middle()
    dataset = data_of_trial(dataset, middle)
    train = dataset.parts[0].train
    check = check_gradients(
        Examples(train.inputs, train.y),
        n_classes=dataset.n_classes,
        hyperparameters=space.hyperparameters(middle),
        seed=definition.search.seed,
        output=output_for(definition.network.output_name, is_numeric=not dataset.unit.is_share),
        periodic=dataset.periodic,
        penalty_per=definition.training.penalty_per,
        entries=entries,
    )
    verdict = {"verdict": check.verdict, "passed": check.passed}
    print_result(
        {"study": definition.name, **asdict(check), **verdict}, _lines(definition.name, check), as_json=as_json
    )
    if not check.passed:
        raise typer.Exit(FAILED)


def _lines(name: str, check: GradientCheck) -> Iterator[str]:
    notes = [f"{check.n_parameters:,} parameters, {check.n_examples} examples, ε = {check.epsilon:g}, float64"]
    if check.lambda_ or check.l1:
        notes.append(f"penalty included (lambda {check.lambda_:.4g}, l1 {check.l1:.4g})")
    if check.keep_prob_forced:
        notes.append("keep_prob forced to 1: dropout has no fixed gradient")
    yield f"study {name}: {'; '.join(notes)}"
    for point in check.points:
        yield from ["", _title(point), *_table(point)]
    yield from ["", f"{check.verdict}: relative difference {check.relative_difference:.2e}"]


def _title(point: PointCheck) -> str:
    when = "at initialization" if point.updates == 0 else f"after {point.updates} updates"
    return f"{when}: relative difference {point.relative_difference:.2e} ({point.verdict}), cost {point.cost:.4f}"


def _table(point: PointCheck) -> list[str]:
    lines = [f"  {'part':5} {'checked':>14} {'difference':>11}  {'worst entry':16} {'analytic':>13} {'numeric':>13}"]
    for part in point.parts:
        worst = part.worst[0] if part.worst else None
        entry = "" if worst is None else f"{part.name}{part.layer}[{', '.join(map(str, worst.index))}]"
        values = "" if worst is None else f"{worst.analytic:>13.6e} {worst.numeric:>13.6e}"
        checked = f"{part.checked:,} of {part.size:,}"
        lines.append(
            f"  {part.name + str(part.layer):5} {checked:>14} {part.relative_difference:>11.2e}  {entry:16} {values}"
        )
    return lines
