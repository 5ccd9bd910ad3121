"""The package as text: its files, their syntax trees and their imports. Nothing is executed here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2] / "src" / "memlearn"

# A folder or file may import what stands in an earlier row; names in one row do not import each other.
LAYERS = (
    ("core",),
    ("ops",),
    ("devices", "arrays", "periphery"),
    ("programming",),
    ("cells",),
    ("tile",),
    ("lines",),
    ("compound",),
    ("compensation", "nn"),
    ("chip",),
    ("learning",),
    ("cost", "datasets"),
    ("experiment",),
    ("report",),
    ("cli_examples", "cli_watch"),
    ("cli_bench", "cli_chip", "cli_compare", "cli_device", "cli_wires"),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


class Import(NamedTuple):
    """One imported name."""

    line: int
    relative: bool
    module: tuple[str, ...]  # below the package when `own`, else the full dotted path; ends with the imported name
    own: bool  # from memlearn itself


@cache
def files(root: Path = ROOT) -> tuple[str, ...]:
    """Every Python file of the package, relative to its root."""
    return tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py")))


@cache
def tree(name: str, root: Path = ROOT) -> ast.Module:
    """The syntax tree of one file of the package."""
    return ast.parse((root / name).read_text(encoding="utf8"), filename=name)


def imports(name: str, node: ast.AST) -> Iterator[Import]:
    """Everything that the file `name` imports inside `node`, functions and type-checking blocks included."""
    here = tuple(name.removesuffix(".py").split("/"))
    for statement in ast.walk(node):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield _absolute(statement.lineno, tuple(alias.name.split(".")))
        elif isinstance(statement, ast.ImportFrom):
            tail = tuple(statement.module.split(".")) if statement.module else ()
            for alias in statement.names:
                if statement.level:
                    base = here[: max(len(here) - statement.level, 0)]
                    yield Import(statement.lineno, True, (*base, *tail, alias.name), True)
                else:
                    yield _absolute(statement.lineno, (*tail, alias.name))


def _absolute(line: int, path: tuple[str, ...]) -> Import:
    own = path[0] == "memlearn"
    return Import(line, False, path[1:] if own else path, own)


def target(module: tuple[str, ...], known: tuple[str, ...]) -> str:
    """The file that an own import reaches: the module itself, its package's face, or the face of a parent."""
    for cut in range(len(module), 0, -1):
        path = "/".join(module[:cut])
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in known:
                return candidate
    return "__init__.py"


def top(name: str) -> str:
    """The layer's name that a file belongs to: its first folder, or its own stem."""
    return name.split("/")[0].removesuffix(".py")


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method below a node."""
    for item in ast.walk(node):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            yield item


def is_leaf(name: str) -> bool:
    """True for a file that defines a member of a family: a class with `kind: Literal[...]` beside a base.py."""
    folder = name.rpartition("/")[0]
    if f"{folder}/base.py" not in files() or name.endswith(("/base.py", "/__init__.py")):
        return False
    classes = [node for node in ast.walk(tree(name)) if isinstance(node, ast.ClassDef)]
    fields = [field for cls in classes for field in cls.body if isinstance(field, ast.AnnAssign)]
    return any(ast.unparse(f.target) == "kind" and "Literal[" in ast.unparse(f.annotation) for f in fields)
