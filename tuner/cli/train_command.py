"""``tuner train``: train a trial again and save its networks as a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tuner.arguments import shown
from tuner.cli.decision import decision_lines
from tuner.cli.options import AllowTrainerOption, JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import print_changes_since_search, print_lines, print_result
from tuner.cli.progress import show_steps
from tuner.errors import UsageError
from tuner.formatting import headline
from tuner.limits import MOST_SEEDS, MOST_TRIALS
from tuner.outcomes import ERROR_NAMES

if TYPE_CHECKING:
    from tuner.modeling import Model

MODELS = Path("models")


def train(
    study: StudyArgument,
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", min=0, help="The trial to train [default: the best].")
    ] = None,
    one_se: Annotated[
        bool, typer.Option("--one-se", help="The simplest trial statistically tied with the best (one standard error).")
    ] = False,
    old_one_se: Annotated[bool, typer.Option("--sober", hidden=True)] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", min=1, max=MOST_SEEDS, help="Train with K seeds and show the spread.")
    ] = 1,
    on: Annotated[
        Literal["train", "train+dev", "all"],
        typer.Option(
            "--on",
            help="train+dev: one network on all rows outside the test set. With folds: --single. all: on all rows, "
            "those of the test set included.",
        ),
    ] = "train",
    single: Annotated[
        bool,
        typer.Option(
            "--single",
            help="One network instead of the ensemble of the trial's folds (fitted on all rows outside the test set) "
            "or seeds (the first).",
        ),
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="Keep the networks of all --seeds. Not needed without --seeds: the trial's networks are kept anyway.",
        ),
    ] = False,
    ensemble_of: Annotated[
        str | None,
        typer.Option(
            "--ensemble-of",
            metavar="N|auto",
            help="The average of N trials, chosen one after the other, instead of one trial (auto: 2 to 10).",
        ),
    ] = None,
    threshold_for: Annotated[
        str | None,
        typer.Option(
            "--threshold-for",
            metavar="GOAL",
            help="Of two classes: choose on dev from which probability on the rarer one is predicted, for f1, "
            "balanced_error, cost, 'precision>=0.9' or 'recall>=0.8' (in quotes).",
        ),
    ] = None,
    calibrate: Annotated[
        Literal["temperature", "isotonic", "none"],
        typer.Option("--calibrate", help="Calibrate the probabilities on dev."),
    ] = "none",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="The model file [default: models/STUDY.tuner, replaced by each training]."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace an existing FILE or model of this study, but never a database, data file, study file or "
            "another study's model.",
        ),
    ] = False,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a trial again and save its network, or with folds or seeds the ensemble of its networks, as one file.

    The model of a custom trainer is a folder.
    """
    one_se = one_se or old_one_se
    if one_se and trial is not None:
        raise UsageError("--one-se and --trial are mutually exclusive")

    import tuner
    from tuner.analysis import ThresholdGoal
    from tuner.modeling import replaced_by
    from tuner.reporting import few_updates_sentence

    if threshold_for is not None:
        ThresholdGoal.parse(threshold_for, "--threshold-for")

    loaded = tuner.load_study(study, storage=storage)
    file = output or MODELS / f"{loaded.name}.tuner"
    is_new_folder = file.parent == MODELS and not MODELS.exists()
    force = force or output is None
    before = None if is_new_folder else replaced_by(file, loaded.name, force=force)
    print_changes_since_search(loaded.name, loaded.changes_since_search)
    print_lines(headline(loaded.name, loaded.storage, f"data {loaded.data}"), err=as_json)
    with show_steps():
        model = loaded.train(
            trial=trial,
            one_se=one_se,
            seeds=seeds,
            on=on,
            single=single,
            ensemble=ensemble,
            ensemble_of=None if ensemble_of is None else _size(ensemble_of),
            threshold_for=threshold_for,
            calibrate=calibrate,
            allow_trainers=allow_trainer or (),
        )
    if is_new_folder:
        MODELS.mkdir(exist_ok=True)
    model.save(file, force=force)
    written = f"written: {file}" + ("" if before is None else f" (replaced {before})")
    print_result(_dict(model, file), [*_lines(model), written], as_json=as_json)
    if model.repetition is not None and not model.repetition.is_exact:
        print_lines(f"tuner: {_not_exact(model)}", err=True)
    if few := few_updates_sentence("The model's networks", model.metadata.updates, model.metadata.parsed_definition):
        print_lines(f"tuner: note: {few}", err=True)


def _size(text: str) -> int | Literal["auto"]:
    """Read --ensemble-of."""
    if text == "auto":
        return "auto"
    if text.isdecimal() and 2 <= int(text) <= MOST_TRIALS:
        return int(text)
    raise UsageError(f"--ensemble-of: expected 2 to {MOST_TRIALS} trials or auto, got {shown(text)}")


def _dict(model: Model, file: Path) -> dict[str, Any]:
    metadata, again = model.metadata, model.repetition
    seeds: dict[str, Any] | None = None
    if again is not None and again.spread is not None:
        seeds = {"train_errors": again.train_errors, "dev_errors": again.dev_errors}
        seeds |= {"mean": again.spread.value, "low": again.spread.low, "high": again.spread.high}
    return {
        "study": metadata.study,
        "storage": metadata.storage,
        "trial": metadata.trial,
        "params": metadata.params,
        "members": None
        if metadata.members is None
        else [{"trial": member.trial, "params": member.params} for member in metadata.members],
        "model": str(file.absolute()),
        "kind": metadata.kind,
        "rows": metadata.rows,
        "networks": len(model.networks),
        "updates": metadata.updates,
        "repeated": None if again is None else again.is_exact,
        "differences": [] if again is None else again.differences,
        "seeds": seeds,
        "errors": model.errors,
        "decision": None if metadata.decision is None else metadata.decision.model_dump(),
    }


def _lines(model: Model) -> list[str]:
    metadata, again, unit = model.metadata, model.repetition, model.metadata.unit
    lines = [f"model: {metadata.described()}"]
    if metadata.members is not None:
        n_parameters = sum(shape.n_parameters for shape in metadata.architectures)
        lines = [f"{lines[0]} ({n_parameters:,} parameters in all)"]
    elif metadata.architecture is not None:
        each = " each" if len(model.networks) > 1 else ""
        lines = [f"{lines[0]} ({metadata.architecture.n_parameters:,} parameters{each})"]
    if again is not None and again.is_exact:
        lines.append(f"trial {metadata.trial} repeated bit for bit")
    of_metric = metadata.counted_by.label if unit.is_share else unit.name
    if again is not None and again.spread is not None:
        spread = again.spread
        lines.append(f"dev {of_metric} over {spread.seeds} seeds: {', '.join(map(unit.text, again.dev_errors))}")
        ends = f"{unit.text(spread.low)} to {unit.text(spread.high)}"
        lines.append(f"  mean {unit.text(spread.value)} ({ends}, from examples and seeds)")
    for name, error in metadata.errors.items():
        shown = f"{unit.text(error.value)} ({unit.text(error.low)} to {unit.text(error.high)}, {error.n:,} rows)"
        lines.append(f"{ERROR_NAMES.get(name, name)} {of_metric} {shown}: of {error.of}")
    return [*lines, *decision_lines(model, with_curve=True)]


def _not_exact(model: Model) -> str:
    assert model.repetition is not None
    differences = model.repetition.differences
    more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
    return (
        f"trial {model.metadata.trial} was not repeated bit for bit: {differences[0]}{more}. It was trained with other "
        "versions or on another kind of machine; the model's errors are those measured now"
    )
