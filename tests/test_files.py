"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from tuner.errors import UsageError
from tuner.files import whole_file, write_new, write_whole


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """Nothing else is left in its folder."""
    write_whole(tmp_path / "a", "old")
    write_whole(tmp_path / "a", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"new")]


def test_a_file_obeys_the_umask(tmp_path: Path) -> None:
    """Its rights are those of any other new file."""
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """What was written so far is removed."""
    write_whole(tmp_path / "a", "old")
    with pytest.raises(TypeError), whole_file(tmp_path / "a", force=True) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_never_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    """Not on a file system without hard links either."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    write_new(tmp_path / "a", "first")
    with pytest.raises(UsageError, match="already exists"):
        write_new(tmp_path / "a", "second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "first")]


def test_a_file_needs_its_folder(tmp_path: Path) -> None:
    """A mistyped folder is not made."""
    with pytest.raises(UsageError, match="no such folder"):
        write_new(tmp_path / "typo" / "a", "text")
