"""The player is a client: it knows the server by its contract alone."""

import ast
from pathlib import Path

import driveplayer


def test_the_player_imports_nothing_of_the_server() -> None:
    [folder] = driveplayer.__path__
    imported = {
        name
        for path in Path(folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    assert "driveplayer.client" in imported
    assert {str(name).split(".")[0] for name in imported}.isdisjoint({"webapp", "worker", "embedded", "flask", "redis"})
