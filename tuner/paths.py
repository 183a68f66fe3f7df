"""Default paths: the folder of studies, its database, and the included studies.

Imports nothing else of tuner, to keep shell completion fast.
"""

from __future__ import annotations

from pathlib import Path

STUDIES = Path("studies")
DATABASE = "tuner.db"
SCHEMA = "study.schema.json"
"""The JSON schema beside definitions, named in their first line."""
STORAGE_VARIABLE = "TUNER_STORAGE"
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".npz", ".gz", ".xz", ".zst", ".data", ".idx")


def shipped_studies() -> Path:
    """Return the folder of the included studies: in the wheel, or beside the package in a checkout."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "studies"


def defined_studies() -> list[str]:
    """Return the names of the definitions in the current folder's ``studies/``."""
    return sorted(path.stem for path in STUDIES.glob("*.toml"))
