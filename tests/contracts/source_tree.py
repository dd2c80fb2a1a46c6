"""The project's own source, as a tree: its files, their names as modules, and what each of them imports."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HOUSES = ("webapp", "worker", "embedded", "driveplayer")
"""The packages that are installed and run; tests, benchmarks and what both share are not among them."""


def files(*folders: str) -> list[Path]:
    """Return the Python files of these folders of the checkout."""
    return sorted(path for folder in folders for path in (CHECKOUT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """Name a file as the module that it is: `webapp/cache/__init__.py` is `webapp.cache`."""
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a file, once."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> set[str]:
    """Return what a file imports, at its top or inside a function, as absolute names.

    Of `from webapp.cache import keys` that is `webapp.cache.keys` where there is such a module, else `webapp.cache`.
    """
    return set(_imports(parsed(path)))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else node.module


def is_module(name: str) -> bool:
    """Say whether the checkout has a module of this name."""
    path = CHECKOUT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def is_inside(name: str, *packages: str) -> bool:
    """Say whether a module is one of these packages, or inside one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)
