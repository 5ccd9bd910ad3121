"""Errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class MemlearnError(Exception):
    """Base of every error that memlearn raises on purpose; its text is one readable block."""


class InputError(MemlearnError, ValueError):
    """A wrong input, described by its name, its value, what is allowed and what to do.

    Arguments:
        argument: the name of the wrong input, as the user wrote it (dotted inside a table).
        value: what was given; long values are shortened in the text.
        allowed: what would have been right.
        remedy: what to do about it; left out when `allowed` says it already.
    """

    def __init__(self, argument: str, value: Any, allowed: str, remedy: str = "") -> None:
        self.argument, self.value, self.allowed, self.remedy = argument, value, allowed, remedy
        shown = repr(value)
        if len(shown) > 120:
            shown = shown[:100] + f"... ({len(shown)} characters)"
        text = f"{argument} = {shown}: {allowed}"
        super().__init__(f"{text.rstrip('.')}. {remedy}".rstrip() if remedy else text)

    def __reduce__(self) -> tuple[type[InputError], tuple[str, Any, str, str]]:
        # An exception is copied from its text alone, which is not enough here; a worker process hands errors back so.
        return type(self), (self.argument, self.value, self.allowed, self.remedy)


class DataError(MemlearnError):
    """A file that is missing, truncated, corrupt, or not what its name says."""


class ConvergenceError(MemlearnError, ArithmeticError):
    """A calculation that did not come near enough to its answer, so that there is none.

    Arguments:
        found: how far it came.
        advice: what to try.
    """

    def __init__(self, found: str, advice: str) -> None:
        self.found, self.advice = found, advice
        super().__init__(f"{found.rstrip('.')}. {advice}")

    def __reduce__(self) -> tuple[type[ConvergenceError], tuple[str, str]]:
        return type(self), (self.found, self.advice)


def nearest(word: str, allowed: Iterable[str]) -> str:
    """A remedy sentence: the nearest allowed word, if any, and all of them.

    Arguments:
        word: what the user wrote.
        allowed: the words that would have been accepted.
    """
    words = sorted(allowed)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Allowed: {', '.join(words)}." if words else f"{hint}Nothing is allowed here."
