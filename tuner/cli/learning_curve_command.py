"""``tuner learning-curve``: would more data help?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import AllowTrainerOption, JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import print_changes_since_search, print_lines, print_result
from tuner.formatting import headline
from tuner.limits import MOST_SEEDS, MOST_SIZES

if TYPE_CHECKING:
    from tuner.analysis import LearningPoint
    from tuner.reporting import Learning


def learning_curve(
    study: StudyArgument,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", min=2, max=MOST_SEEDS, help="Networks trained per size.")
    ] = 4,
    sizes: Annotated[
        int,
        typer.Option(
            "--sizes", metavar="N", min=1, max=MOST_SIZES, help="Training-set sizes, including the whole set."
        ),
    ] = 5,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the best trial's hyperparameters again on growing random subsets; finished sizes are kept."""
    import tuner
    from tuner.running import StopSignal

    loaded = tuner.load_study(study, storage=storage)
    print_changes_since_search(loaded.name, loaded.changes_since_search)
    print_lines(headline(loaded.name, loaded.storage, f"data {loaded.data}"), err=as_json)
    stop = StopSignal()
    with stop.listening():
        learning = loaded.learning_curve(
            seeds=seeds, sizes=sizes, on_size=_print_size, should_stop=stop, allow_trainers=allow_trainer or ()
        )
    if stop.number is not None:
        print_lines("tuner: stopped; finished sizes are kept. Continue with the same command", err=True)
        raise typer.Exit(128 + stop.number)
    print_result({"study": loaded.name, **learning.to_dict()}, _lines(learning), as_json=as_json)


def _print_size(point: LearningPoint | None) -> None:
    if point is not None:
        print_lines(f"{point.n_train:,} examples: dev error {point.unit.text(point.dev_error)}", err=True)


def _lines(learning: Learning) -> list[str]:
    lines = ["examples   train error   dev error   trainings"]
    points = learning.to_dict()["points"]
    text = learning.points[0].unit.text if learning.points else str
    lines += [
        f"{point['n_train']:>8,}   {text(point['train_error']):>11}   {text(point['dev_error']):>9}   "
        f"{point['seeds']:>9}"
        for point in points
    ]
    if learning.uses_left_out:
        beside = ["error on rows left out", *(text(point["left_out_error"]) for point in points)]
        lines = [f"{line}   {one:>22}" for line, one in zip(lines, beside, strict=True)]
    return ["", f"trial {learning.trial}, trained again", *lines, "", learning.sentence]
