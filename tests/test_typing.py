"""The Python blocks of the README and the documentation, as type checkers of a user's project see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEADLINE
from tests.test_docs import PAGES, README, ROOT, blocks

UNTYPED = ("sklearn", "onnx", "onnxruntime", "optuna")
"""Libraries of the blocks that have no types, or, like Optuna, types of their own that do not concern us."""
MYPY = "[mypy]\nstrict = true\nfollow_imports = silent\n" + "".join(
    f"[mypy-{name}.*]\nignore_missing_imports = true\n" for name in UNTYPED
)


WRONG = """\
import tuner
tuner.search("digits", trials="3")
tuner.log_uniform("low", 1)
tuner.TrainingSection(epochs=3)
tuner.load_study("digits").best.number.lower()
"""
"""A line without mistakes, and four with one."""


def write_pages(folder: Path) -> list[str]:
    """One script for each page, of its blocks that run, as the others need libraries that are not here; their names."""
    for page in [README, *PAGES]:
        texts = [text for comment, text in blocks(page, "python") if not comment]
        if texts:
            (folder / f"{page.stem.replace('-', '_')}_page.py").write_text("\n\n".join(texts), encoding="utf-8")
    return sorted(path.name for path in folder.glob("*_page.py"))


def check(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a type checker in a folder whose Python finds this package."""
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=folder, env=environment, timeout=DEADLINE
    )


@pytest.mark.slow
def test_mypy_finds_wrong_arguments_and_none_in_the_blocks(tmp_path: Path) -> None:
    """With --strict, in one run: the types are those of the package, not Any."""
    pytest.importorskip("mypy")
    (tmp_path / "mypy.ini").write_text(MYPY, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    pages = write_pages(tmp_path)
    assert len(pages) > 5
    result = check(tmp_path, "mypy", "--config-file", "mypy.ini", "wrong.py", *pages)
    errors = [line for line in result.stdout.splitlines()[:-1] if " note: " not in line]
    assert [line.partition(" error:")[0] for line in errors] == [f"wrong.py:{line}:" for line in (2, 3, 4, 5)], (
        result.stdout + result.stderr
    )


@pytest.mark.slow
def test_the_blocks_are_clean_with_pyright(tmp_path: Path) -> None:
    """As it is without settings, apart from where this package is."""
    pytest.importorskip("pyright")
    write_pages(tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}), encoding="utf-8")
    result = check(tmp_path, "pyright", "--pythonpath", sys.executable)
    assert result.returncode == 0, result.stdout + result.stderr
