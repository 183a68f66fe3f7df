"""Read a model: a file of tuner's own network, or the folder of a custom trainer."""

from __future__ import annotations

import os  # os.path.isdir, unlike Path.is_dir, is False for a name that no file can have
from collections.abc import Sequence
from pathlib import Path

from tuner.arguments import path as path_of
from tuner.arguments import texts
from tuner.files import refuse_overwriting
from tuner.modeling.archive import read_archive
from tuner.modeling.custom_model import load_custom_model, refuse_overwriting_folder
from tuner.modeling.model import Model, earlier_model


def load_model(path: str | Path, *, allow_trainers: Sequence[str] = ()) -> Model:
    """Read a model that `tuner train` or `Model.save` has written.  Raises ModelError for anything else.

    `allow_trainers`: custom trainers, "package.module:function", whose code may run: their models cannot be used
    without it.
    """
    path = path_of("path", path)
    allowed = texts("allow_trainers", allow_trainers)
    return load_custom_model(path, allowed) if os.path.isdir(path) else Model(*read_archive(path))


def replaced_by(path: Path, study: str, *, force: bool) -> str | None:
    """Describe the model that saving to ``path`` replaces, if any.  Raises UsageError for a file that must stay.

    With ``force``, a model of the same study is replaced, since it can be trained again.
    """
    if os.path.isdir(path):
        return refuse_overwriting_folder(path, study, force=force)
    earlier = earlier_model(path, study)
    refuse_overwriting(path, force=force, is_ours=lambda _: earlier is not None)
    return None if earlier is None else f"a model of trial {earlier.trial}"
