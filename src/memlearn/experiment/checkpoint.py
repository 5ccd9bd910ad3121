"""Checkpoints: everything that a run needs to go on with the same bits, in one file.

One file, so that a kill at any moment leaves the old state or the new one, whole: tensors as safetensors, all else as
JSON text in its header, and a digest over both, because the format itself does not notice a changed byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..core.errors import DataError
from .storage import CHECKPOINT, CONFIG, write_bytes

FORMAT = 1


class Checkpoint(NamedTuple):
    """A run at rest."""

    tensors: dict[str, torch.Tensor]
    """Keyed "part/name"."""
    record: dict[str, Any]
    """Plain data: position, history, counts, fingerprints."""

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of one part, without its name."""
        start = f"{name}/"
        return {key.removeprefix(start): value for key, value in self.tensors.items() if key.startswith(start)}


def prefixed(name: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of one part, as `Checkpoint.part` finds them."""
    return {f"{name}/{key}": value.detach().contiguous() for key, value in tensors.items()}


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of a run folder.

    Raises:
        DataError: the disk is full, or the folder cannot be written; the old checkpoint is untouched.
    """
    text = json.dumps({"format": FORMAT, **checkpoint.record}, allow_nan=False)
    header = {"memlearn": text, "digest": _digest(text, checkpoint.tensors)}
    write_bytes(folder / CHECKPOINT, save(checkpoint.tensors, header))


def read(folder: Path) -> Checkpoint:
    """Read the checkpoint of a run folder.

    Raises:
        DataError: it is missing, truncated, damaged, or of another version of the format.
    """
    path = folder / CHECKPOINT
    again = f"Start the run anew: memlearn run {folder / CONFIG} --out {folder} --overwrite"
    if not path.is_file():
        raise DataError(f"{path}: there is no checkpoint. {again}")
    try:
        # All bytes at once: safetensors' own reader opens the file twice, and it may be replaced in between.
        content = path.read_bytes()
        tensors, header = load(content), _header(content)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: is truncated or damaged ({error}). {again}") from None
    text = header.get("memlearn", "")
    if not text or header.get("digest") != _digest(text, tensors):
        raise DataError(f"{path}: is damaged (its digest differs). {again}")
    record = json.loads(text)
    if record.pop("format", None) != FORMAT:
        raise DataError(f"{path}: was written by another version of memlearn. {again}")
    return Checkpoint(tensors, record)


def _header(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file that has already been found whole."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


def _digest(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    state = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(tensor.numpy().tobytes())
    return state.hexdigest()
