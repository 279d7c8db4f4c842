"""The house rules of ARCHITECTURE.md: imports point down, and every source file has a test file of its name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "gateway").rglob("*.py"))

FLOORS = {
    "base": 0,
    "sip": 1,
    "sdp": 1,
    "media": 1,
    "inworld": 1,
    "settings": 2,
    "trunks": 2,
    "observability": 2,
    "call": 3,
    "control": 4,
    "daemon": 5,
    "cli": 5,
    "client": 5,
    "emulator": 5,
    "demo": 5,
    "bench": 5,
    "measure": 5,
    "__main__": 6,
    "__init__": 0,
}
EDGES = {
    "sip.transport",
    "media.port",
    "media.port_pool",
    "media.pacer",
    "media.engine",
    "inworld.connection",
}
"""Files of floor-1 packages that own sockets, threads or timers: floor 2."""

SHARED_WITH_THE_EMULATOR = {"inworld.events", "inworld.client_events", "inworld.server_events"}
"""The wire types. Whatever else the emulator needs it has of its own, so that no fault of the client is in both."""

FORBIDDEN_IN_CORES = {"asyncio", "socket", "time", "random", "secrets", "logging", "structlog", "threading", "uvloop"}
ALLOWED_IN_CORES = {
    "media.send.playout": {"threading"},  # one short lock between the loop and the pacer thread
}


def module_of(path: Path) -> str:
    relative = path.relative_to(ROOT / "gateway").with_suffix("")
    parts = [part for part in relative.parts if part != "__init__"]
    return ".".join(parts) or "__init__"


def is_edge(module: str) -> bool:
    return any(module == edge or module.startswith(edge + ".") for edge in EDGES)


def floor_of(module: str) -> int:
    floor = FLOORS[module.split(".", maxsplit=1)[0]]
    return 2 if floor == 1 and is_edge(module) else floor


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def gateway_imports(path: Path) -> set[str]:
    modules = {module_of(source) for source in SOURCES}
    found = {name.removeprefix("gateway.") for name in imports_of(path) if name.startswith("gateway.")}
    return {name for name in found if name in modules}


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_no_import_climbs_a_floor(path: Path) -> None:
    module = module_of(path)
    own_package = module.split(".")[0]
    for imported in gateway_imports(path):
        if imported.split(".")[0] == own_package:
            if floor_of(module) == 1:
                assert not is_edge(imported), f"core {module} imports edge {imported}"
            continue
        assert floor_of(imported) <= floor_of(module), f"{module} climbs to {imported}"
        if floor_of(module) in (1, 2) and FLOORS[own_package] == 1:
            assert floor_of(imported) == 0, f"{module} imports {imported}: cores and their edges know base only"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if floor_of(module_of(path)) <= 1 and module_of(path) != "__init__"],
    ids=module_of,
)
def test_no_core_touches_the_world(path: Path) -> None:
    module = module_of(path)
    if module.startswith("base"):
        forbidden = {"asyncio", "socket", "logging", "threading"}
    else:
        forbidden = FORBIDDEN_IN_CORES - ALLOWED_IN_CORES.get(module, set())
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & forbidden, f"core {module} imports {roots & forbidden}"


def test_the_emulator_shares_only_event_types_with_the_client() -> None:
    for path in SOURCES:
        if module_of(path).startswith("emulator"):
            foreign = {name for name in gateway_imports(path) if not name.startswith(("emulator", "base"))}
            assert foreign <= SHARED_WITH_THE_EMULATOR, (path, foreign - SHARED_WITH_THE_EMULATOR)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.stem not in ("__init__", "__main__")], ids=module_of)
def test_every_source_file_has_a_test_file_of_its_name(path: Path) -> None:
    relative = path.relative_to(ROOT / "gateway")
    expected = ROOT / "tests" / "unit" / relative.parent / f"test_{path.name}"
    assert expected.is_file(), f"write {expected.relative_to(ROOT)}"
