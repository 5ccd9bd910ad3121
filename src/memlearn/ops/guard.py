"""Numba's disk cache, made safe for several processes and for kernels that differ only in what they close over.

Numba numbers the files of a function's cache without a lock: two processes that compile different variants of one
kernel at the same time can exchange each other's code, and a later process loads the wrong kernel without a word
(seen: cycle noise gone, NaN from a healthy law). So the first call of every variant in a process, which compiles it or
loads it, happens under a lock that all processes of the user share.

And Numba names a compiled function by its qualified name, its argument types and a count of its process. Two laws'
kernels from one factory, compiled by two processes, can carry the same name; a third process that loads both would run
the first for both. So what a factory makes is given a name of its own (`tagged`).
"""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numba import _dispatcher


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
        with ExitStack() as stack:
            # A temporary folder that cannot be written: better unguarded than not at all.
            with suppress(OSError):
                stack.enter_context(FileLock(lock_path()))
            outcome = self.function(*args)
        self._seen.add(kind)
        return outcome


def lock_path() -> Path:
    """The user's lock file; the operating system releases it when its holder dies."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        user = "anyone"
    return Path(tempfile.gettempdir()) / f"memlearn-kernels-{user}.lock"


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
