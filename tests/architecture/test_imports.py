"""The direction of the imports (docs/design.md, section 1), read from the source."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import RANK, ROOT, files, functions, imports, is_leaf, target, top, tree

PYPROJECT = ROOT.parents[1] / "pyproject.toml"
IMPORT_NAMES = {"scikit-learn": "sklearn"}  # where the distribution is called otherwise


def edges(name: str) -> set[tuple[str, int]]:
    """The other files of the package that a file imports, with the line."""
    found = {(target(i.module, files()), i.line) for i in imports(name, tree(name)) if i.own}
    return {(other, line) for other, line in found if other != name}


def required_packages() -> set[str]:
    declared = tomllib.loads(PYPROJECT.read_text(encoding="utf8"))["project"]["dependencies"]
    names = [re.match(r"[\w.-]+", line) for line in declared]
    return {IMPORT_NAMES.get(name[0], name[0]) for name in names if name}


def strongly_connected(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, found by what is reachable from each (the package is small)."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, todo = set(), list(graph[start])
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo.extend(graph.get(node, ()))
        reach[start] = seen
    groups = {tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in graph if a in reach[a]}
    return [list(group) for group in sorted(groups)]


def test_every_part_has_a_place_in_the_design():
    homeless = {top(name) for name in files()} - set(RANK) - {"__init__", "__main__"}
    assert not homeless, f"give {sorted(homeless)} a row in LAYERS (and in docs/design.md), or move it"


def test_every_folder_of_modules_is_a_package():
    folders = {Path(name).parent.as_posix() for name in files()}
    bare = [folder for folder in sorted(folders) if not (ROOT / folder / "__init__.py").is_file()]
    assert not bare, f"without __init__.py: {bare}"


@pytest.mark.parametrize("name", files())
def test_imports_point_inwards(name: str):
    here = top(name)
    wrong = [
        f"{name}:{line} imports {other}"
        for other, line in sorted(edges(name))
        if here in RANK and top(other) in RANK and top(other) != here and RANK[top(other)] >= RANK[here]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", files())
def test_nobody_imports_the_package_root(name: str):
    lines = [line for other, line in sorted(edges(name)) if other == "__init__.py"]
    assert not lines, f"{name} imports the package root in lines {lines}; import the module that holds the name"


@pytest.mark.parametrize("name", files())
def test_own_modules_are_imported_relatively(name: str):
    lines = [i.line for i in imports(name, tree(name)) if i.own and not i.relative]
    assert not lines, f"{name} names memlearn absolutely in lines {lines}; write `from ..core.errors import InputError`"


def test_no_import_cycles():
    graph = {name: {other for other, _ in edges(name)} for name in files()}
    assert strongly_connected(graph) == []


@pytest.mark.parametrize("name", [name for name in files() if is_leaf(name)])
def test_leaves_do_not_import_their_siblings(name: str):
    folder = name.rpartition("/")[0]
    siblings = [
        f"{name}:{line} imports {other}"
        for other, line in sorted(edges(name))
        if other.rpartition("/")[0] == folder and is_leaf(other)
    ]
    assert not siblings, "share through base.py, core or ops:\n" + "\n".join(siblings)


LATE = {"datasets/digits.py": {"sklearn"}}
"""Required packages that a file may import late: scikit-learn takes two seconds, and most commands need no digits."""


@pytest.mark.parametrize("name", files())
def test_functions_import_only_optional_packages(name: str):
    required = required_packages() - LATE.get(name, set())
    hidden = [
        f"{name}:{i.line} imports {'.'.join(i.module)} inside {function.name}"
        for function in functions(tree(name))
        for i in imports(name, function)
        if i.own or i.module[0] in sys.stdlib_module_names or i.module[0] in required
    ]
    assert not hidden, "move to the top of the file:\n" + "\n".join(hidden)


def test_no_wildcard_imports():
    found = [f"{name}:{i.line}" for name in files() for i in imports(name, tree(name)) if i.module[-1] == "*"]
    assert not found, found


# The tests above read the whole package; these hold the readers themselves to small known cases.


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("devices/soft.py", "from ..core.errors import InputError", ("core", "errors", "InputError")),
        ("devices/soft.py", "from .base import Device", ("devices", "base", "Device")),
        ("devices/__init__.py", "from .base import Device", ("devices", "base", "Device")),
        ("devices/soft.py", "from . import base", ("devices", "base")),
        ("devices/soft.py", "from memlearn.core import errors", ("core", "errors")),
        ("devices/soft.py", "import memlearn.core.errors", ("core", "errors")),
        ("devices/soft.py", "from .. import tile", ("tile",)),
        ("devices/soft.py", "import memlearn", ()),
    ],
)
def test_own_imports_are_recognised(name: str, line: str, expected: tuple[str, ...]):
    (found,) = imports(name, ast.parse(line))
    assert found.own and found.module == expected


def test_foreign_imports_are_recognised():
    (found,) = imports("tile.py", ast.parse("from torch.nn import Module"))
    assert not found.own and found.module == ("torch", "nn", "Module")


def test_targets_are_the_deepest_files():
    known = ("__init__.py", "core/__init__.py", "core/errors.py", "tile.py")
    assert target(("core", "errors", "InputError"), known) == "core/errors.py"
    assert target(("core", "Missing"), known) == "core/__init__.py"
    assert target(("tile", "Tile"), known) == "tile.py"
    assert target(("__version__",), known) == "__init__.py"


def test_cycles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}
    assert strongly_connected(graph) == [["a", "b", "c"]]
    assert strongly_connected({"a": {"a"}}) == [["a"]]
    assert strongly_connected({"a": {"b"}, "b": set()}) == []
