"""The plan of the rooms, compared with the actual imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.sources import MODULES, PACKAGE, name_of, tree_of

FLOORS = {
    "decisions": -2,
    "dev_layout": -1,
    "row_losses": -1,
    "errors": -1,  # what every floor may raise
    "paths": -1,
    "printable": -2,
    "limits": 0,
    "files": 0,
    "fork_server": 0,
    "mapped": 0,
    "inputs": 0,
    "commands": 0,
    "formatting": -1,
    "arguments": 0,
    "metrics": 0,
    "target_transforms": -1,
    "units": 0,
    "outcomes": 0,
    "scales": 0,
    "nn": 1,
    "data": 1,
    "analysis": 1,
    "study": 2,
    "storage": 2,
    "trial": 3,
    "trainer_child": 2,
    "trainers": 4,
    "reference_models": 4,
    "workspace": 5,
    "reporting": 5,
    "modeling": 5,
    "running": 6,
    "serving": 6,
    "api": 7,
    "estimator": 7,
    "cli": 7,
}

ROOMS_OF = {
    "optuna": {"study", "storage", "running", "reporting"},
    "sqlalchemy": {"storage"},
    "alembic": {"storage"},
}
"""The rooms that may import a library."""
NOT_FOR_NN = ("pandas", "scipy", "sklearn", "rich", "typer", "pydantic")


def room_of(path: Path) -> str:
    """The folder or module directly below the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every imported module as (line, absolute dotted name); relative imports are resolved."""
    found = []
    package = ("tuner", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            stem = (base + (node.module or "")).rstrip(".")
            found += [(node.lineno, f"{stem}.{alias.name}") for alias in node.names]
    return found


def imports() -> Iterator[tuple[str, str, str]]:
    """Every import of the package: the room, ``file:line`` and the name that is imported."""
    for path in MODULES:
        for line, name in imports_of(path):
            yield room_of(path), f"{name_of(path)}:{line} imports {name}", name


def floor_of(name: str) -> int | None:
    """The floor of the room that an imported name is from."""
    top, _, rest = name.partition(".")
    return FLOORS.get(rest.partition(".")[0]) if top == "tuner" else None


def test_imports_go_down_only() -> None:
    """A module imports only from lower floors or from its own room."""
    places = [
        place
        for room, place, name in imports()
        if room not in {"__init__", "__main__"}
        and not f"{name}.".startswith(f"tuner.{room}.")
        and (floor := floor_of(name)) is not None
        and floor >= FLOORS[room]
    ]
    assert places == []


def test_libraries_stay_in_their_rooms() -> None:
    """Optuna, SQLAlchemy and the network's rule of NumPy and ``scipy.sparse`` only keep to the rooms that own them."""
    places = [
        place
        for room, place, name in imports()
        if room not in ROOMS_OF.get(name.partition(".")[0], {room})
        or (room == "nn" and name.startswith(NOT_FOR_NN) and not name.startswith("scipy.sparse."))
    ]
    assert places == []


def test_no_module_leads_back_to_itself() -> None:
    """No circles, not even of imports for types alone or within functions; an ``__init__`` only hands names on."""
    files = {".".join(("tuner", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in MODULES}
    ways = {name: {of for _, of in imports_of(path)} for name, path in files.items()}
    names = {
        name: {found for of in ways[name] for found in (of, of.rpartition(".")[0]) if found in files} for name in files
    }
    left = {name: of - {name} for name, of in names.items() if not name.endswith("__init__")}
    while free := {name for name, of in left.items() if not of & left.keys()}:
        left = {name: of for name, of in left.items() if name not in free}
    assert not left


def test_every_room_stands_on_a_floor() -> None:
    """Each folder or module of the package is on the plan."""
    rooms = {room_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert rooms <= set(FLOORS)


def test_the_package_is_typed() -> None:
    """Type checkers of other projects read the annotations; the build takes every file of the folder."""
    assert (PACKAGE / "py.typed").read_text(encoding="utf-8") == ""


def test_no_two_classes_share_a_name() -> None:
    """A name says which concept is meant, wherever it is read."""
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(name_of(path))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}
