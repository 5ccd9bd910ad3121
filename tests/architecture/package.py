"""The package as it imports: its modules, its components, its families."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType

import memlearn
from memlearn.core.component import Component, kind_of


@cache
def module_names() -> tuple[str, ...]:
    """Every module of the package, in order; `__main__` is left out because importing it runs the program."""
    found = pkgutil.walk_packages(memlearn.__path__, "memlearn.", onerror=lambda _: None)
    return tuple(sorted(m.name for m in found if not m.name.endswith("__main__")))


@cache
def modules() -> tuple[ModuleType, ...]:
    """The modules that import; `test_every_module_imports` reports the others."""
    found = []
    for name in module_names():
        try:
            found.append(importlib.import_module(name))
        except Exception:  # a broken module fails its own test and must not hide the results of all others
            continue
    return tuple(found)


@cache
def components() -> tuple[type[Component], ...]:
    """Every subclass of Component that the package defines, abstract ones included."""
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Component) and value is not Component
        if value.__module__ == module.__name__
    }
    return tuple(sorted(found, key=label))


def concrete() -> list[type[Component]]:
    """The components that can be made."""
    return [cls for cls in components() if is_concrete(cls)]


def is_concrete(cls: type[Component]) -> bool:
    """True for what can be made: not a family's abstract class, nor an engine without `kind` that members share.

    A member that forgot its `kind` counts as concrete, so that a test can say so: nothing derives from it.
    """
    if inspect.isabstract(cls) or is_base(cls):
        return False
    return bool(kind_of(cls)) or not bases_of(cls) or not cls.__subclasses__()


def is_base(cls: type[Component]) -> bool:
    """True for what a family's base.py defines without a `kind`: the abstract class of the family."""
    return cls.__module__.endswith(".base") and kind_of(cls) is None


def bases_of(cls: type[Component]) -> list[type[Component]]:
    """The abstract classes of the families that a component belongs to."""
    return [b for b in cls.__mro__[1:] if inspect.isclass(b) and issubclass(b, Component) and is_base(b)]


def label(cls: type) -> str:
    """A readable test id."""
    return f"{cls.__module__.removeprefix('memlearn.')}.{cls.__name__}"
