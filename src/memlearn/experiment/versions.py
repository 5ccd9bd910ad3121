"""What a run was computed with."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping

from ..core.version import VERSION

_PACKAGES = ("torch", "numpy", "numba", "scipy", "pydantic", "safetensors")


def versions() -> dict[str, str]:
    """Of memlearn, Python and the packages that compute."""
    found = {"memlearn": VERSION, "python": platform.python_version()}
    return {**found, **{package: importlib.metadata.version(package) for package in _PACKAGES}}


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What differs, in words; empty where nothing does."""
    names = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name} {before.get(name, 'unknown')} is now {now[name]}" for name in names)
