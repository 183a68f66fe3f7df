"""Addresses: URLs, files, and passwords that never show."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from tuner.errors import StorageError
from tuner.printable import without_passwords
from tuner.storage import mask, parse_url, shown, sqlite_file
from tuner.storage.address import file_system_of, refuse_network_file_system

Mount = namedtuple("Mount", "device mountpoint fstype opts")


def test_a_sqlite_file_is_made_absolute(workplace: Path) -> None:
    """What is shown and kept does not depend on the current folder."""
    url = parse_url("sqlite:///studies/tuner.db")
    assert sqlite_file(url) == workplace / "studies" / "tuner.db"
    assert shown(url) == str(workplace / "studies" / "tuner.db")


def test_postgresql_gets_its_driver() -> None:
    """The URL people write is enough."""
    assert parse_url("postgresql://me@host/name").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("studies/tuner.db", ["did you mean sqlite:///studies/tuner.db?"]),
        ("mysql://host/name", ["'mysql'"]),
        ("sqlite://", ["in memory"]),
        ("sqlite:///:memory:", ["in memory"]),
        ("postgresql://me:secret@host:port/name", ["not a database URL"]),
    ],
)
def test_other_addresses_are_refused(text: str, parts: list[str]) -> None:
    """One line with the address that would work."""
    with pytest.raises(StorageError) as refused:
        parse_url(text)
    for part in parts:
        assert part in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:secret@host/name",
        "postgresql://me:s/secret@x@host/name",
        "postgresql://host/name?user=me&password=secret",
        "postgresql://host/name?sslpassword=secret&user=me",
        "tuner search digits --storage postgresql://me:secret@host/name --quiet",
        "postgresql:/me:secret@host",
    ],
)
def test_passwords_are_masked(text: str) -> None:
    """Wherever a password stands in a URL, it is not shown."""
    assert "secret" not in without_passwords(text)
    assert "***" in without_passwords(text)


def test_a_masked_url_keeps_the_rest() -> None:
    """Who, where and what stay readable."""
    assert mask(parse_url("postgresql://me:secret@host:5432/name")) == "postgresql+psycopg://me:***@host:5432/name"


def test_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest mount point that holds the path counts; the message names the option that works."""
    mounts = [("/", "ext4"), ("/net/home dir", "nfs4"), ("/net/home dir/scratch", "xfs")]
    partitions = [Mount("/dev/sda1", place, kind, "rw") for place, kind in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: partitions)
    assert file_system_of(Path("/srv/x")) == "ext4"
    assert file_system_of(Path("/net/home dir/me")) == "nfs4"
    assert file_system_of(Path("/net/home dir/scratch/me")) == "xfs"
    with pytest.raises(StorageError, match=r"nfs4.*--storage postgresql://"):
        refuse_network_file_system(Path("/net/home dir/me"))
    refuse_network_file_system(Path("/net/home dir/scratch"))
