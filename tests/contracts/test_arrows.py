"""The arrows between the rooms: who may import whom."""

import ast
import sys
from pathlib import Path

import pytest

from tests.contracts.source_tree import CHECKOUT, HOUSES, files, imports, is_inside, module_name, parsed

ROOMS = (
    "webapp.clock",
    "webapp.readings",
    "webapp.config",
    "webapp.logs",
    "webapp.threads",
    "webapp.jobs",
    "webapp.models",
    "webapp.database",
    "webapp.statements",
    "webapp.cache",
    "webapp.batches",
    "webapp.http",
    "webapp.auth",
    "webapp.driving",
    "webapp.accounts",
    "webapp.ops",
    "webapp.door",
    "webapp",
)
"""The rooms of the web application, from the ground up. A room imports what stands below it, and nothing else of ours.
A new room is put in its place here.
"""


def room_of(module: str) -> str:
    """Return the room that a module of the web application belongs to, "" for one that has no place yet."""
    return next((room for room in ROOMS if module == room or (room != "webapp" and is_inside(module, room))), "")


def ours(path: Path, *houses: str) -> set[str]:
    """Return what a file imports of these houses."""
    return {name for name in imports(path) if is_inside(name, *houses)}


def only_found(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out the modules of which nothing was found."""
    return {module: names for module, names in found.items() if names}


def test_every_file_of_the_web_application_has_its_room() -> None:
    assert {room_of(module_name(path)) for path in files("webapp")} == set(ROOMS)


def test_a_room_imports_only_what_stands_below_it() -> None:
    upward = {}
    for path in files("webapp"):
        room = room_of(module_name(path))
        below = {*ROOMS[: ROOMS.index(room)], room}
        upward[module_name(path)] = {name for name in ours(path, "webapp") if room_of(name) not in below}
    assert only_found(upward) == {}


def test_the_web_application_knows_nothing_of_the_worker_and_of_who_runs_it() -> None:
    others = ("worker", "embedded", "driveplayer", "testbed", "tests", "bench")
    assert only_found({module_name(path): ours(path, *others) for path in files("webapp")}) == {}


def test_models_import_nothing_above_them() -> None:
    allowed = {"sqlalchemy", "uuid_utils", *sys.stdlib_module_names}
    foreign = {
        module_name(path): {
            name
            for name in imports(path)
            if not is_inside(name, "webapp.models", "webapp.clock") and name.split(".")[0] not in allowed
        }
        for path in files("webapp/models")
    }
    assert only_found(foreign) == {}


@pytest.mark.parametrize(
    ("file", "libraries"), [("keys.py", set()), ("scripts.py", set()), ("entries.py", {"redis", "webapp"})]
)
def test_the_protocol_stands_on_redis_and_the_standard_library_alone(file: str, libraries: set[str]) -> None:
    imported = {name.split(".")[0] for name in imports(CHECKOUT / "webapp" / "cache" / file)}
    assert imported - sys.stdlib_module_names == libraries


def route_modules() -> set[str]:
    """Return the modules that define routes: each makes a `blueprint`."""
    return {
        module_name(path)
        for path in files("webapp")
        for node in parsed(path).body
        if getattr(node, "targets", None) and getattr(node.targets[0], "id", None) == "blueprint"  # type: ignore[attr-defined]
    }


def test_routes_are_imported_by_their_room_and_by_nobody_else() -> None:
    routes = route_modules()
    assert "webapp.driving.routes" in routes
    importers = {module_name(path): imports(path) & routes for path in files("webapp", "worker")}
    assert only_found(importers) == {
        room: {module for module in routes if module.rpartition(".")[0] == room}
        for room in {module.rpartition(".")[0] for module in routes}
    }


def test_the_cache_names_no_feature() -> None:
    features = ("driving", "accounts", "auth", "session:", "user:", "DrivingSession", "User", "Login")
    named = {
        module_name(path): {
            node.value if isinstance(node, ast.Constant) else node.id
            for node in ast.walk(parsed(path))
            if (isinstance(node, ast.Name) and node.id in features)
            or (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in features)
        }
        for path in files("webapp/cache")
    }
    assert only_found(named) == {}


def test_routes_tasks_and_commands_commit_and_functions_never() -> None:
    committers = {
        module_name(path)
        for path in files("webapp", "worker")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "commit" and ast.unparse(node.value) == "db.session"
    }
    views = {module for module in route_modules() if module != "webapp.ops.description"} - {"webapp.ops.health"}
    # A refusal that stands is committed for the route, and what is deleted in batches a batch at a time.
    assert committers == {*views, "worker.tasks", "webapp.ops.commands", "webapp.auth.endpoint", "webapp.batches"}


def test_an_application_is_made_by_the_web_process_and_by_the_worker() -> None:
    makers = {
        module_name(path)
        for path in [*files(*HOUSES), CHECKOUT / "wsgi.py", CHECKOUT / "asgi.py"]
        if "create_app" in path.read_text() and module_name(path) != "webapp"
    }
    assert makers == {"asgi", "wsgi", "worker"}


def test_the_configuration_of_the_servers_knows_the_settings_and_the_jobs() -> None:
    assert ours(CHECKOUT / "celeryconfig.py", *HOUSES) == {"webapp.config", "webapp.jobs"}
    # What gunicorn's own process imports would stay as it is when it reloads its workers: this is for the workers.
    assert ours(CHECKOUT / "gunicorn.conf.py", *HOUSES) == {"webapp.door.serving"}


def test_who_runs_the_processes_meets_them_in_the_environment_only() -> None:
    others = ("webapp", "worker", "driveplayer", "testbed", "tests", "bench")
    assert only_found({module_name(path): ours(path, *others) for path in files("embedded")}) == {}


@pytest.mark.parametrize(
    ("house", "others"),
    [("testbed", ("driveplayer", "tests", "bench")), ("bench", ("tests",)), ("tests", ("bench",))],
    ids=["testbed", "bench", "tests"],
)
def test_tests_and_benchmarks_stand_on_the_testbed_and_not_on_each_other(house: str, others: tuple[str, ...]) -> None:
    assert only_found({module_name(path): ours(path, *others) for path in files(house)}) == {}
