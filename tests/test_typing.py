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


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with one script for each page: its blocks that run, as the others need libraries that are not here."""
    for page in [README, *PAGES]:
        texts = [text for comment, text in blocks(page, "python") if not comment]
        if texts:
            (tmp_path / f"{page.stem.replace('-', '_')}_page.py").write_text("\n\n".join(texts), encoding="utf-8")
    return tmp_path


def check(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a type checker in a folder whose Python finds this package."""
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=folder, env=environment, timeout=DEADLINE
    )


@pytest.mark.slow
def test_the_blocks_are_clean_with_mypy(scripts: Path) -> None:
    """With --strict."""
    pytest.importorskip("mypy")
    (scripts / "mypy.ini").write_text(MYPY, encoding="utf-8")
    pages = sorted(path.name for path in scripts.glob("*_page.py"))
    assert len(pages) > 5
    result = check(scripts, "mypy", "--config-file", "mypy.ini", *pages)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_the_blocks_are_clean_with_pyright(scripts: Path) -> None:
    """As it is without settings, apart from where this package is."""
    pytest.importorskip("pyright")
    (scripts / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}), encoding="utf-8")
    result = check(scripts, "pyright", "--pythonpath", sys.executable)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_a_wrong_argument_is_found(tmp_path: Path) -> None:
    """The types are those of the package, not Any."""
    pytest.importorskip("mypy")
    (tmp_path / "mypy.ini").write_text(MYPY, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(
        "import tuner\n"
        'tuner.search("digits", trials="3")\n'
        'tuner.log_uniform("low", 1)\n'
        "tuner.TrainingSection(epochs=3)\n"
        'tuner.load_study("digits").best.number.lower()\n',
        encoding="utf-8",
    )
    result = check(tmp_path, "mypy", "--config-file", "mypy.ini", "wrong.py")
    assert [line.partition(" error:")[0] for line in result.stdout.splitlines()[:-1]] == [
        f"wrong.py:{line}:" for line in (2, 3, 4, 5)
    ]
