"""Where things lie unless something else is said: the folder of studies, its database, and what ships with the product.

Imports nothing, so that shell completion can ask without waiting.
"""

from __future__ import annotations

from pathlib import Path

STUDIES = Path("studies")
DATABASE = "tuner.db"
SCHEMA = "study.schema.json"
"""The JSON schema that definitions name in their first line; it lies beside them."""
STORAGE_VARIABLE = "TUNER_STORAGE"
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".npz", ".gz", ".xz", ".zst", ".data", ".idx")


def shipped_studies() -> Path:
    """The folder of the studies that ship with the product: in the wheel, or beside the package in a checkout."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "studies"


def defined_studies() -> list[str]:
    """The names that definitions in the current folder's ``studies/`` have taken."""
    return sorted(path.stem for path in STUDIES.glob("*.toml"))
