"""The folder in which requests and answers lie: numbers in CSV or NPZ, a head in JSON, whole or not at all.

    exchange.json                     who asks: a word that no other folder has
    000017.request.json               {"id": 17, "key": "4f1c.../17", "do": "read", "arrays": {...}, "settings": {...}}
    000017.request.voltages.csv       or 000017.request.npz, with all arrays
    000017.answer.json                {"id": 17, "arrays": {...}}, or {"id": 17, "error": "..."}
    000017.answer.currents.csv        or 000017.answer.npz

A head is written last, under another name first, so that who finds it finds everything.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.errors import DataError
from .messages import VERBS, Arrays

Form = Literal["npz", "csv"]
PROTOCOL = 1
DESCRIPTION = "chip.json"
_WHO = "exchange.json"


class Request(NamedTuple):
    """What a head of a request says."""

    number: int
    key: str
    """Unlike that of any other request to this chip; by it a driver knows one that it has had before."""
    digest: str
    """Of all that is asked, so that the same number cannot stand for two things."""


class Exchange:
    """The folder, as the one who asks sees it.

    Arguments:
        folder: made where it is missing.
        form: of the arrays that are sent; answers may come in either.

    Raises:
        DataError: the folder cannot be made or written, or is no exchange.
    """

    def __init__(self, folder: Path, form: Form = "npz") -> None:
        self.folder, self.form = Path(folder), form
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        who = self.folder / _WHO
        if not who.exists():
            self._word, self._forgotten = os.urandom(8).hex(), 0
            self._sign()
        try:
            told = json.loads(who.read_text(encoding="utf-8"))
            self._word, self._forgotten = str(told["word"]), int(told.get("forgotten", 0))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{who}: is damaged ({error}). Take another folder for the exchange.") from None

    def last(self) -> int:
        """The highest number of a request that lies here, or has lain here; 0 for none."""
        return max((int(path.name.split(".")[0]) for path in self._heads("request")), default=self._forgotten)

    def ask(self, number: int, do: str, arrays: Arrays, settings: Mapping[str, float]) -> bool:
        """Write a request, unless it lies here already.

        Returns:
            Whether it was written now.

        Raises:
            DataError: another request has this number, or the folder cannot be written.
        """
        digest = _digest(do, arrays, settings)
        known = self.request(number)
        if known is not None:
            if known.digest != digest:
                raise DataError("was another request when it was asked before")
            return False
        head = {
            "memlearn_chip": PROTOCOL, "id": number, "key": f"{self._word}/{number}", "do": do,
            "arrays": self._put(number, "request", do, arrays), "settings": dict(settings), "digest": digest,
        }  # fmt: skip
        put(self._path(number, "request"), _json(head))
        return True

    def request(self, number: int) -> Request | None:
        """The request with this number, None where there is none.

        Raises:
            DataError: its head is damaged.
        """
        try:
            head = _head(self._path(number, "request"))
            return None if head is None else Request(number, str(head["key"]), str(head["digest"]))
        except (ValueError, KeyError) as error:
            raise DataError(f"{self.folder}: {error}. Remove the folder, to go on from what the chip holds.") from None

    def answered(self, number: int) -> bool:
        """Whether an answer lies here; nobody has looked at it yet."""
        return self._path(number, "answer").exists()

    def answer(self, number: int, do: str) -> dict[str, np.ndarray]:
        """The arrays of an answer, unchecked.

        Raises:
            ValueError: the driver says that it could not, or a file is missing or damaged; the text says which.
        """
        head = _head(self._path(number, "answer"))
        if head is None:
            raise ValueError(f"{self._path(number, 'answer').name} is missing")
        if head.get("id", number) != number:
            raise ValueError(f"{self._path(number, 'answer').name} answers request {head['id']}")
        if "error" in head:
            raise ValueError(f"the driver says: {head['error']}")
        listed, found = head.get("arrays", {}), {}
        for name in VERBS[do].gives:
            path = self._file(number, name, listed.get(name) if isinstance(listed, dict) else None)
            found[name] = _read(path, name)
        return found

    def reject(self, number: int) -> None:
        """Set an answer aside, so that the request waits for another one."""
        path = self._path(number, "answer")
        if path.exists():
            path.replace(path.with_name(f"{number:06d}.rejected.json"))

    def forget(self, number: int) -> None:
        """Remove requests and answers up to this number."""
        # Noted first: a number that has been used is never used again, as a driver would take it for a repetition.
        self._forgotten = max(self._forgotten, number)
        self._sign()
        for path in list(self.folder.iterdir()):
            first = path.name.split(".")[0]
            if first.isdigit() and len(first) == _DIGITS and int(first) <= number:
                path.unlink(missing_ok=True)

    def _sign(self) -> None:
        told = {"memlearn_chip": PROTOCOL, "word": self._word, "forgotten": self._forgotten}
        put(self.folder / _WHO, _json(told))

    def _file(self, number: int, name: str, entry: Any) -> Path:
        """Where an array of an answer lies: as the head says, or under the name that it should have."""
        named = entry.get("file") if isinstance(entry, dict) else entry
        if named is not None:
            # A name only: an answer must not lead anywhere else.
            return self.folder / Path(str(named)).name
        return next((p for p in self._usual(number, name) if p.exists()), self._usual(number, name)[0])

    def _usual(self, number: int, name: str) -> tuple[Path, Path]:
        start = f"{number:06d}.answer"
        return self.folder / f"{start}.{name}.csv", self.folder / f"{start}.npz"

    def _put(self, number: int, what: str, do: str, arrays: Arrays) -> dict[str, Any]:
        """Write the arrays; what the head says of them."""
        start, listed = f"{number:06d}.{what}", {}
        for name, array in arrays.items():
            file = f"{start}.npz" if self.form == "npz" else f"{start}.{name}.csv"
            listed[name] = {"file": file, "shape": list(array.shape), "unit": VERBS[do].takes[name].unit}
            if self.form == "csv":
                put(self.folder / file, csv(array))
        if self.form == "npz":
            content = io.BytesIO()
            np.savez(content, **arrays)  # type: ignore[arg-type]
            put(self.folder / f"{start}.npz", content.getvalue())
        return listed

    def _heads(self, what: str) -> list[Path]:
        return [p for p in self.folder.glob(f"*.{what}.json") if p.name.split(".")[0].isdigit()]

    def _path(self, number: int, what: str) -> Path:
        return self.folder / f"{number:06d}.{what}.json"


_DIGITS = 6


def put(path: Path, content: bytes) -> None:
    """Write a file whole, under another name first.

    Raises:
        DataError: the disk is full, or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def csv(array: np.ndarray) -> bytes:
    """A line for each row, numbers with all their digits."""
    rows = array.astype(int) if array.dtype.kind == "b" else array
    return "".join(",".join(repr(number) for number in row) + "\n" for row in rows.tolist()).encode()


def _read(path: Path, name: str) -> np.ndarray:
    """An array of an answer.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                if name not in arrays:
                    raise ValueError(f"{path.name} holds no {name}")
                return arrays[name]
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        return np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} is damaged or no table of numbers ({error})") from None


def _head(path: Path) -> dict[str, Any] | None:
    """The content of a head; None where it is missing.

    Raises:
        ValueError: it is damaged.
    """
    try:
        head = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged or no JSON ({error})") from None
    if not isinstance(head, dict):
        raise ValueError(f"{path.name} holds no table")
    return head


def _digest(do: str, arrays: Arrays, settings: Mapping[str, float]) -> str:
    state = hashlib.blake2b(json.dumps([do, dict(settings)], sort_keys=True).encode(), digest_size=8)
    for name in sorted(arrays):
        state.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        state.update(arrays[name].tobytes())
    return state.hexdigest()


def _json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _unwritable(path: Path, error: OSError) -> DataError:
    why = error.strerror or str(error)
    return DataError(f"{path}: cannot be written ({why}). Make room, or take another folder for the exchange.")
