"""What a compiled function depends on, as a digest: Numba's disk cache looks at the function's own file only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import CodeType
from typing import Any

import numba
import numpy as np

from .guard import tagged


def digest(*parts: Any) -> str:
    """A digest of functions, with all the code and constants they compute with, and of plain values."""
    seen: set[Any] = set()
    text = repr([_function(part, seen) if _source(part) else part for part in parts])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def shared(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels of several laws call: once, and again after an edit of anything it calls."""
    options, tag = {"cache": True, "error_model": "numpy", "nogil": True}, digest(function)
    return known_as(tag, numba.njit(**options)(tagged(tag)(function)))


def known_as(tag: str, compiled: Any) -> Any:
    """A compiled function or an intrinsic under a name that is the same in every process.

    Numba invents one for each process, and it ends up in the disk cache's key of every kernel that closes over a
    function that calls this one: nothing would ever be found there again.
    """
    compiled._set_uuid(f"{compiled.__name__} {tag}")
    return compiled


def _source(value: Any) -> Any:
    """The Python function behind a plain one, a compiled one or an intrinsic; None for other things."""
    value = getattr(value, "py_func", getattr(value, "_defn", value))
    return value if hasattr(value, "__code__") else None


def _function(function: Any, seen: set[Any]) -> Any:
    function = _source(function)
    if function in seen:
        return function.__qualname__
    seen.add(function)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    kept = [_function(value, seen) if _source(value) else _constant(value) for value in cells]
    return _code(function.__code__, function.__globals__, seen), kept


def _code(code: CodeType, module: dict[str, Any], seen: set[Any]) -> Any:
    """The instructions, the constants (functions within functions too), and what the code names in its module."""
    constants = [_code(value, module, seen) if isinstance(value, CodeType) else value for value in code.co_consts]
    named = {name: module[name] for name in code.co_names if name in module}
    helpers = [_function(value, seen) for value in named.values() if _source(value)]
    values = [(name, _constant(value)) for name, value in named.items()]
    return code.co_code, constants, code.co_names, helpers, values


def _constant(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | np.generic) else None
