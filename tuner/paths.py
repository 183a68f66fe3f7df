"""Default paths: the folder of studies, its database, and the included studies; and what a study may be called.

Imports nothing else of tuner, to keep shell completion fast.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

STUDY_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""A study's name: its file, folder and commands are made of it."""
LONGEST_STUDY_NAME = 100
STUDIES = Path("studies")
DATABASE = "tuner.db"
SCHEMA = "study.schema.json"
"""The JSON schema beside definitions, named in their first line."""
STORAGE_VARIABLE = "TUNER_STORAGE"
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".npz", ".gz", ".xz", ".zst", ".data", ".idx")


def is_study_name(text: object) -> bool:
    """Return whether a text is a study's name; a database may hold others."""
    return isinstance(text, str) and len(text) <= LONGEST_STUDY_NAME and re.fullmatch(STUDY_NAME, text) is not None


def resolved(path: Path) -> Path:
    """Return the absolute path without links; of a link that leads to itself, the link."""
    return Path(os.path.realpath(path))


def shipped_studies() -> Path:
    """Return the folder of the included studies: in the wheel, or beside the package in a checkout."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "studies"


def defined_studies(folder: Path = STUDIES) -> list[str]:
    """Return the names of the definitions in a folder."""
    return sorted(path.stem for path in folder.glob("*.toml"))
