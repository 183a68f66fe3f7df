"""A study: its definition (TOML), search space, samplers and pruners."""

from tuner.study.costs import cost_matrix
from tuner.study.definition import Source, StudyDefinition, identity_changes
from tuner.study.editing import Edit, edit_definition, move_definition, rename_definition, toml, value_at
from tuner.study.formatting import metric_text
from tuner.study.hyperparameters import FREE, HYPERPARAMETERS, in_order, spec_of
from tuner.study.known_names import nearest, nearest_key
from tuner.study.making import IMBALANCED, DataShape, make_definition, uses_folds
from tuner.study.names import next_name
from tuner.study.notify import hooks_in_force, is_address, without_notify
from tuner.study.parsing import expected_value, parse_definition, parse_tables, validate_definition
from tuner.study.ranges import MakeChoice, MakeRange, Range, range_maker
from tuner.study.schema import definition_schema, schema_text
from tuner.study.space import Space
from tuner.study.strategies import FOLD_PRUNERS, PRUNERS, SAMPLERS, Draw, explores, n_exploring, require_package, rungs
from tuner.study.trackers import TRACKERS, require_trackers
from tuner.study.typed import Definition, complete_definition, definition_table, definition_text

__all__ = [
    "FOLD_PRUNERS",
    "FREE",
    "HYPERPARAMETERS",
    "IMBALANCED",
    "PRUNERS",
    "SAMPLERS",
    "TRACKERS",
    "DataShape",
    "Definition",
    "Draw",
    "Edit",
    "MakeChoice",
    "MakeRange",
    "Range",
    "Source",
    "Space",
    "StudyDefinition",
    "complete_definition",
    "cost_matrix",
    "definition_schema",
    "definition_table",
    "definition_text",
    "edit_definition",
    "expected_value",
    "explores",
    "hooks_in_force",
    "identity_changes",
    "in_order",
    "is_address",
    "make_definition",
    "metric_text",
    "move_definition",
    "n_exploring",
    "nearest",
    "nearest_key",
    "next_name",
    "parse_definition",
    "parse_tables",
    "range_maker",
    "rename_definition",
    "require_package",
    "require_trackers",
    "rungs",
    "schema_text",
    "spec_of",
    "toml",
    "uses_folds",
    "validate_definition",
    "value_at",
    "without_notify",
]
