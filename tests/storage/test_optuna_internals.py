"""What of Optuna is not public is as it was, and in one module."""

import ast
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tests.sources import MODULES, name_of, tree_of
from tuner.storage import optuna_internals

UPGRADE = f"Optuna {optuna.__version__} changed {{}}: mend tuner/storage/optuna_internals.py and what uses it"
TABLES = {
    "versions": ("version_info", "version_info_id schema_version library_version"),
    "studies": ("studies", "study_id study_name"),
    "directions": ("study_directions", "study_direction_id direction study_id objective"),
    "trials": ("trials", "trial_id number study_id state datetime_start datetime_complete"),
    "params": ("trial_params", "param_id trial_id param_name param_value distribution_json"),
    "values": ("trial_values", "trial_value_id trial_id objective value value_type"),
    "intermediate_values": (
        "trial_intermediate_values",
        "trial_intermediate_value_id trial_id step intermediate_value intermediate_value_type",
    ),
    "trial_system_attributes": ("trial_system_attributes", "trial_system_attribute_id trial_id key value_json"),
}
PRIVATE = {"_trial_id", "_study_id", "_contains", "_storage", "_version_manager", "_to_internal_repr"}
"""Attributes of Optuna's objects; on ``self`` they are our own."""


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_columns_we_read_and_write(name: str) -> None:
    """Statements of ours name them."""
    found = getattr(optuna_internals, name)
    assert (found.name, " ".join(found.c.keys())) == TABLES[name], UPGRADE.format(f"its table {TABLES[name][0]}")


def test_no_table_is_new() -> None:
    """Studies are deleted and merged table by table: a new one needs a look."""
    others = {"study_user_attributes", "study_system_attributes", "trial_user_attributes", "trial_heartbeats"}
    expected = {name for name, _ in TABLES.values()} | others
    assert {*optuna_internals.metadata.tables} == expected, UPGRADE.format("its set of tables")


def test_the_schema_is_the_one_we_make() -> None:
    """A new file is made without Alembic, as of this version and revision."""
    found = optuna_internals.SCHEMA_VERSION, optuna_internals.newest_revision()
    assert found == (12, "v3.2.0.a"), UPGRADE.format("its schema or the form of its migrations")


def test_finite_values_are_marked_as_before() -> None:
    """Values are inserted with their kind."""
    found = optuna_internals.FINITE.name, optuna_internals.FINITE_INTERMEDIATE.name
    assert found == ("FINITE", "FINITE"), UPGRADE.format("how it marks finite values")


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (FloatDistribution(0.1, 1.0), 0.1, 1.1),
        (IntDistribution(1, 4), 4, 5),
        (CategoricalDistribution(["he", "lecun"]), "he", "xavier"),
    ],
)
def test_a_distribution_contains_what_it_can_draw(
    distribution: optuna.distributions.BaseDistribution, inside: object, outside: object
) -> None:
    """Its ends too, and no choice that is not there."""
    found = optuna_internals.contains(distribution, inside), optuna_internals.contains(distribution, outside)
    assert found == (True, False), UPGRADE.format("BaseDistribution._contains")


def test_a_trial_has_the_id_it_was_made_with() -> None:
    """Samplers and pruners ask for a trial by it."""
    trial = optuna.trial.create_trial(value=1.0)
    trial._trial_id = 7
    assert optuna_internals.id_of(trial) == 7, UPGRADE.format("FrozenTrial._trial_id")


def private_touches(path: Path) -> list[str]:
    """Imports of Optuna's private modules, and private attributes of its objects."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna") and "._" in str(node.module):
            found.append(f"{name_of(path)}:{node.lineno} {node.module}")
        own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE and not own:
            found.append(f"{name_of(path)}:{node.lineno} {node.attr}")
    return found


def test_private_parts_of_optuna_are_touched_in_one_module() -> None:
    """An upgrade is mended in one place."""
    others = [path for path in MODULES if path.name != "optuna_internals.py"]
    assert [touch for path in others for touch in private_touches(path)] == []
