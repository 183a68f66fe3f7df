"""``tuner learning-curve``: would more data help?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import print_result
from tuner.formatting import headline

if TYPE_CHECKING:
    from tuner.analysis import LearningPoint
    from tuner.reporting import Learning


def learning_curve(
    study: StudyArgument,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", min=2, max=64, help="Trainings of each size, side by side.")
    ] = 4,
    sizes: Annotated[
        int, typer.Option("--sizes", metavar="N", min=1, max=20, help="Sizes of the training set, the whole one too.")
    ] = 5,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the best trial's hyperparameters afresh on growing random subsets; finished sizes are kept."""
    import tuner
    from tuner.running import StopSignal

    found = tuner.load_study(study, storage=storage)
    typer.echo(headline(found.name, found.storage, f"data {found.data}"), err=as_json)
    stop = StopSignal()
    with stop.listening():
        learning = found.learning_curve(seeds=seeds, sizes=sizes, on_size=_tell, should_stop=stop)
    if stop.number is not None:
        typer.echo("tuner: stopped; finished sizes are kept, and the same command goes on", err=True)
        raise typer.Exit(128 + stop.number)
    print_result({"study": found.name, **learning.to_dict()}, _lines(learning), as_json=as_json)


def _tell(point: LearningPoint | None) -> None:
    """A size that is there, as progress."""
    if point is not None:
        typer.echo(f"{point.n_train:,} examples: dev error {point.each.mean():.2%}", err=True)


def _lines(learning: Learning) -> list[str]:
    lines = ["examples   train error   dev error   trainings"]
    lines += [
        f"{point.n_train:>8,}   {point.train_error:>11.2%}   {point.each.mean():>9.2%}   {len(point.wrong):>9}"
        for point in learning.points
    ]
    if learning.uses_left_out:
        errors = [point.left_out_error for point in learning.points]
        beside = ["error on rows left out", *("–" if error is None else f"{error:.2%}" for error in errors)]
        lines = [f"{line}   {one:>22}" for line, one in zip(lines, beside, strict=True)]
    return [f"\ntrial {learning.trial}, trained afresh", *lines, "", learning.sentence]
