"""The folder that keeps downloaded files, and how a file gets into it: whole, verified, or not at all."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..core.errors import DataError

OWN_FOLDER = "put the files in a folder of your own and name it with --data DIR or MEMLEARN_DATA"
OWN_CACHE = ", or name another cache with MEMLEARN_CACHE"


class RemoteFile(NamedTuple):
    """A published file: its name, its length in bytes and the sha256 of exactly these bytes."""

    name: str
    size: int
    sha256: str

    def matches(self, content: bytes) -> bool:
        """Whether these are the published bytes."""
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256


def cache_folder() -> Path:
    """MEMLEARN_CACHE, or else memlearn's folder among the platform's caches (~/.cache/memlearn on Linux)."""
    if own := os.environ.get("MEMLEARN_CACHE"):
        return expanded(own)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return expanded(xdg) / "memlearn"
    if sys.platform == "win32":
        return expanded(os.environ.get("LOCALAPPDATA") or "~/AppData/Local") / "memlearn" / "Cache"
    return expanded("~/Library/Caches" if sys.platform == "darwin" else "~/.cache") / "memlearn"


def stored(folder: Path, file: RemoteFile) -> bool:
    """Whether the cache holds the file, byte for byte as published."""
    path = folder / file.name
    try:
        return path.stat().st_size == file.size and file.matches(path.read_bytes())
    except OSError:
        return False


def prepare(folder: Path) -> None:
    """Make sure, before anything is downloaded, that the folder is there and takes files.

    Raises:
        DataError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(folder, error.strerror or str(error)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unusable(folder, "it is read-only")


def store(folder: Path, file: RemoteFile, content: bytes) -> Path:
    """Write a verified file beside its place, then move it there: no reader ever sees a part of it.

    Arguments:
        folder: folder that `prepare` has checked.
        file: what it is.
        content: its bytes.

    Raises:
        DataError: the folder is read-only or the disk is full; nothing is left behind.
    """
    path, part = folder / file.name, None
    try:
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{file.name}.", delete=False) as stream:
                part = Path(stream.name)
                stream.write(content)
            part.chmod(0o644)  # temporary files are private; a cache may be shared
            part.replace(path)
        except BaseException:
            if part is not None:
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        if stored(folder, file):  # another process was faster, and the platform does not replace open files
            return path
        raise unusable(folder, error.strerror or str(error)) from None
    return path


def unusable(folder: Path, why: str) -> DataError:
    """The error of a cache folder that takes no file."""
    return DataError(f"{folder}: cannot keep downloaded files here ({why}). Instead, {OWN_FOLDER}{OWN_CACHE}.")


def expanded(path: Path | str) -> Path:
    """A folder as the user wrote it, with `~` replaced.

    Raises:
        DataError: the home folder that it names is unknown.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(f"{path}: the home folder is unknown. Write the path without '~'{OWN_CACHE}.") from None
