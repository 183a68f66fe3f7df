"""``tuner export``: write a model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import ForceOption, ModelArgument
from tuner.cli.printing import print_lines
from tuner.files import refuse_overwriting


def export(
    model: ModelArgument,
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help="The ONNX file to write.", show_default=False)],
    force: ForceOption = False,
) -> None:
    """Write the encoding and the networks as one ONNX graph: raw numbers and categories in, probabilities out."""
    from tuner.data import raw_names
    from tuner.modeling import export_onnx, load_model

    refuse_overwriting(onnx, force=force)
    loaded = load_model(model)
    size = export_onnx(loaded, onnx, force=force)
    numbers, categories = raw_names(loaded.encodings)
    print_lines(f"study {loaded.metadata.study} · {loaded.metadata.described()}")
    if numbers:
        print_lines(f"input numbers: float64 (n, {len(numbers)}), missing cells NaN: {_some(numbers)}")
    if categories:
        print_lines(f"input categories: text (n, {len(categories)}), missing cells empty: {_some(categories)}")
    classes = loaded.metadata.class_names
    if not loaded.metadata.unit.is_share:
        targets = [target.name for target in loaded.metadata.unit.targets]
        shape = f"(n, {len(targets)}): {', '.join(targets)}, each" if targets else "(n,),"
        print_lines(f"output: predicted float64 {shape} in the unit of the target")
    else:
        print_lines(f"outputs: predicted (n,), probabilities float32 (n, {len(classes)}): {_some(classes)}")
    print_lines(f"written: {onnx} ({size:,} bytes)")


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", … (all {len(names)} in the file's metadata)" if len(names) > most else "")
