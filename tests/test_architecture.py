"""The plan of the rooms, compared with the actual imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tuner"

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

OPTUNA_ROOMS = {"study", "storage", "running", "reporting"}
SQLALCHEMY_ROOMS = {"storage"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The folder or module directly below the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every imported module as (line, absolute dotted name); relative imports are resolved."""
    found = []
    package = ("tuner", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            stem = (base + (node.module or "")).rstrip(".")
            found += [(node.lineno, f"{stem}.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    """A module imports only from lower floors or from its own room."""
    room = room_of(path)
    for line, name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "tuner" or room in {"__init__", "__main__"}:
            continue
        target = parts[1] if len(parts) > 1 else "__init__"
        if target not in FLOORS or target == room:
            continue
        assert FLOORS[target] < FLOORS[room], f"{path}:{line}: floor {FLOORS[room]} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    """Optuna, SQLAlchemy and the network's NumPy-only rule keep to the rooms that own them."""
    room = room_of(path)
    for line, name in imports_of(path):
        top = name.split(".")[0]
        if top == "optuna":
            assert room in OPTUNA_ROOMS, f"{path}:{line}: optuna outside its rooms"
        if top in {"sqlalchemy", "alembic"}:
            assert room in SQLALCHEMY_ROOMS, f"{path}:{line}: SQL outside storage"
        if (
            room == "nn"
            and not name.startswith("scipy.sparse.")
            and top in {"pandas", "scipy", "sklearn", "rich", "typer", "pydantic"}
        ):
            raise AssertionError(f"{path}:{line}: nn is NumPy and scipy.sparse only, found {name}")


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
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}
