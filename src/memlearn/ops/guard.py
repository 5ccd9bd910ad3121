"""Numba's disk cache, made safe for several processes and for kernels that differ only in what they close over.

Numba numbers the files of a function's cache without a lock: two processes that compile different variants of one
kernel at the same time can exchange each other's code, and a later process loads the wrong kernel without a word
(seen: cycle noise gone, NaN from a healthy law). So the files of every function that a kernel compiles in are read and
written by one process at a time (`_Files`). And the first call of every variant in a process, which compiles or loads
it, happens under a lock of that variant: who comes second finds it compiled, other kernels are compiled meanwhile.

And Numba names a compiled function by its qualified name, its argument types and a count of its process. Two laws'
kernels from one factory, compiled by two processes, can carry the same name; a third process that loads both would run
the first for both. So what a factory makes is given a name of its own (`tagged`).
"""

from __future__ import annotations

import getpass
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
from filelock import FileLock
from numba import _dispatcher

# Locks of a user's kernels, and seconds between two looks at one that is taken.
_LOCKS, _POLL = 64, 0.01


def tagged(tag: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that puts a tag into a function's name, below whatever compiles it.

    Arguments:
        tag: a digest of what the function closes over.
    """

    def rename(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__name__ += f"_{tag}"
        function.__qualname__ += f"_{tag}"
        return function

    return rename


class Guarded:
    """A compiled function whose first call with each kind of arguments is made by one process at a time.

    Arguments:
        function: a Numba dispatcher with `cache=True`; it may compile others in.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._seen: set[Any] = set()

    def __call__(self, *args: Any) -> Any:
        """Call the function; positional arguments only."""
        kind = _kind(args)
        if kind in self._seen:
            return self.function(*args)
        if not self._seen:
            _share_files(self.function, set())
        with _held(lock_path(f"{self.function.__module__}.{self.function.__qualname__} {kind}")):
            outcome = self.function(*args)
        self._seen.add(kind)
        return outcome


def lock_path(kernel: str) -> Path:
    """The user's lock file of a variant of a kernel; the operating system releases it when its holder dies."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        user = "anyone"
    # A bounded number of files: two kernels that share one wait for each other, no more.
    return Path(tempfile.gettempdir()) / f"memlearn-kernels-{user}-{zlib.crc32(kernel.encode()) % _LOCKS}.lock"


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """A lock, or nothing where a file cannot be written: better unguarded than not at all."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(FileLock(path).acquire(poll_interval=_POLL))
        yield


class _Files:
    """Numba's files of one function's variants, for one process at a time."""

    def __init__(self, files: Any) -> None:
        self._files = files
        self._lock = Path(f"{files._index_path}.lock")

    def save(self, key: Any, data: Any) -> None:
        with _held(self._lock):
            self._files.save(key, data)

    def load(self, key: Any) -> Any:
        with _held(self._lock):
            return self._files.load(key)

    def flush(self) -> None:
        with _held(self._lock):
            self._files.flush()


def _share_files(function: Any, seen: set[int]) -> None:
    """Guard the files of a compiled function and of all that it names, closes over and so compiles in."""
    plain = getattr(function, "py_func", function)
    code = getattr(plain, "__code__", None)
    if code is None or id(plain) in seen:
        return
    seen.add(id(plain))
    cache: Any = getattr(function, "_cache", None)
    files = getattr(cache, "_cache_file", None)
    if hasattr(files, "_index_path"):
        cache._cache_file = _Files(files)
    for value in [*_closed_over(plain), *_named(code, plain.__globals__)]:
        _share_files(value, seen)


def _closed_over(function: Any) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or ()]


def _named(code: CodeType, module: dict[str, Any]) -> list[Any]:
    """What code and the functions within it name in their module."""
    within = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    own = [module[name] for name in code.co_names if name in module]
    return own + [value for inner in within for value in _named(inner, module)]


def _kind(args: Any) -> Any:
    """What Numba tells variants apart by, or finer."""
    # Its own digest of arguments takes a tenth of the time, but it is not everywhere and does not know everything.
    try:
        return _dispatcher.compute_fingerprint(args)
    except (AttributeError, NotImplementedError, ValueError):
        return _described(args)


def _described(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.char, value.ndim, value.flags.c_contiguous, value.flags.writeable
    if isinstance(value, tuple):
        return type(value), tuple(map(_described, value))
    return type(value)
