"""Reading text and TOML, with errors that name the file and say what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from .errors import DataError


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: the file is missing, unreadable, or no text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file.

    Raises:
        DataError: as `read_text`, or the file is no TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: is no valid TOML: {error}. Correct the file there.") from None
