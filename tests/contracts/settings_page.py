"""The settings, as the code reads them and as the documents tell them."""

import ast
import re
from pathlib import Path

from tests.contracts.source_tree import CHECKOUT, parsed

ENVIRONMENT = ("environ", "environb", "getenv")
EXAMPLE_LINE = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
README_ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


def environment_reads(path: Path) -> set[str]:
    """Return the names that a file reads from the environment; "?" stands for a read whose name the text hides."""
    nodes = list(ast.walk(parsed(path)))
    uses = sum(
        (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT and ast.unparse(node.value) != "request")
        or (isinstance(node, ast.alias) and node.name in ENVIRONMENT)
        for node in nodes
    )
    named = [
        str(node.args[0].value)
        for node in nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("os.environ.get", "os.getenv")
        and isinstance(node.args[0], ast.Constant)
    ]
    return {*named, "?"} if uses > len(named) else set(named)


def example() -> dict[str, str]:
    """Return the settings of `.env.example`: name and value, also of the lines that are commented out."""
    return dict(EXAMPLE_LINE.findall((CHECKOUT / ".env.example").read_text(encoding="utf-8")))


def readme() -> dict[str, str]:
    """Return the rows of the README's table of settings: name and default."""
    rows = README_ROW.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    assert all(meaning.strip() for _, _, meaning in rows)
    return {name: default for name, default, _ in rows}
