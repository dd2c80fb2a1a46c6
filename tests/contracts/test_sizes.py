"""Size is a signal: what grows past these limits asks to be split by noun, or to be listed here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contracts.source_tree import CHECKOUT, files, parsed

FILE_LINES, CONFTEST_LINES, FUNCTION_LINES, EXCEPTION_LINES = 250, 120, 25, 60

EXCEPTIONS = {
    "webapp/driving/sessions.py:start": "One row with all its columns, and the one place where two starts may collide.",
    "embedded/child.py:__init__": "One call of Popen with all that a child must have from its first moment on.",
}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Return the functions of a file, with how many lines each has besides its docstring."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            begins_with_text = ast.get_docstring(node, clean=False) is not None
            docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if begins_with_text else 0  # type: ignore[operator]
            yield f"{path.relative_to(CHECKOUT)}:{node.name}", node.end_lineno - node.lineno + 1 - docstring  # type: ignore[operator]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    too_long = {}
    for path in files("webapp", "worker", "embedded", "driveplayer", "testbed", "bench", "tests"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > (CONFTEST_LINES if path.name == "conftest.py" else FILE_LINES):
            too_long[str(path.relative_to(CHECKOUT))] = lines
    assert too_long == {}


def test_no_function_is_longer_than_a_screen_unless_there_is_a_reason() -> None:
    found = [function for path in files("webapp", "worker", "embedded", "driveplayer") for function in functions(path)]
    assert {name for name, lines in found if lines > FUNCTION_LINES} == EXCEPTIONS.keys()
    assert [name for name, lines in found if lines > EXCEPTION_LINES] == []
