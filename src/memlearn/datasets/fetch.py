"""Downloads one published file into the cache: from the first mirror that delivers exactly its bytes."""

from __future__ import annotations

import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import DataError
from .cache import OWN_FOLDER, RemoteFile, prepare, store, stored

CHUNK = 1 << 16


class _Failure(Exception):
    """Why one attempt failed, and whether the same mirror deserves another."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    mirrors: Sequence[str],
    attempts: int = 2,
    pause: float = 1.0,
    timeout: float = 15.0,
    limit: float = 900.0,
) -> Path:
    """The file's place in the cache, after downloading it where the cache does not hold its exact bytes yet.

    Arguments:
        file: name, length and checksum of the file.
        folder: where to keep it; made when missing.
        mirrors: addresses (ending in a slash) of the folders that offer it, best first.
        attempts: tries per mirror; only what may pass (silence, a broken line, a busy server) is tried again.
        pause: wait before the second try, in s; it doubles from try to try.
        timeout: longest silence of a server, in s.
        limit: longest time for one try, in s.

    Raises:
        DataError: the folder takes no file, or no mirror delivered; the text lists every mirror's reason.
    """
    path = folder / file.name
    if stored(folder, file):
        return path
    prepare(folder)
    failures = [f"{path}: not the published file"] if path.exists() else []
    for mirror in mirrors:
        for attempt in range(attempts):
            try:
                content = _download(mirror + file.name, file, timeout=timeout, limit=limit)
                return store(folder, file, content)
            except _Failure as failure:
                failures.append(f"{mirror + file.name}: {failure}")
                if not failure.again:
                    break
            if attempt + 1 < attempts:
                time.sleep(pause * 2**attempt)
    reasons = "".join(f"\n  {line}" for line in dict.fromkeys(failures))
    remedy = f"Check the network and try again. Without a network, {OWN_FOLDER}."
    raise DataError(f"{file.name}: no source delivered it.{reasons}\n{remedy}")


def _download(url: str, file: RemoteFile, *, timeout: float, limit: float) -> bytes:
    """The verified bytes, held in memory (tens of MB at most): a broken download leaves nothing on the disk."""
    logging.getLogger(__name__).info("downloading %s (%.1f MB)", url, file.size / 1e6)
    request = urllib.request.Request(url, headers={"User-Agent": "memlearn"})
    content, end = bytearray(), time.monotonic() + limit
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            while len(content) <= file.size and (chunk := answer.read1(CHUNK)):
                content += chunk
                if time.monotonic() > end:
                    raise _Failure(f"too slow, {len(content)} of {file.size} bytes in {limit:g} s", again=False)
    except urllib.error.HTTPError as error:
        busy = error.code in (408, 429) or error.code >= 500
        raise _Failure(f"HTTP {error.code} {error.reason}", again=busy) from None
    except TimeoutError:
        raise _Failure(f"no answer within {timeout:g} s", again=True) from None
    except (OSError, http.client.HTTPException) as error:
        why = str(getattr(error, "reason", error)) or type(error).__name__
        raise _Failure(why, again=True) from None
    if len(content) < file.size:
        raise _Failure(f"broke off after {len(content)} of {file.size} bytes", again=True)
    if not file.matches(bytes(content)):
        raise _Failure("delivered other bytes (sha256 differs)", again=False)
    return bytes(content)
