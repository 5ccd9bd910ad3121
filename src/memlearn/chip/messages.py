"""What is asked of a chip and what it answers: names, shapes, units, and the checks of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ..core.errors import InputError

Kind = Literal["number", "whole", "mask"]
_DTYPES: dict[Kind, type] = {"number": np.float64, "whole": np.int32, "mask": np.bool_}


class Field(NamedTuple):
    """An array of a request or an answer."""

    axes: tuple[str, str]
    """Each "samples", "rows" or "columns"."""
    unit: str
    kind: Kind = "number"
    chosen: bool = False
    """What counts are the cells that the request chose."""


class Verb(NamedTuple):
    """One kind of request."""

    takes: dict[str, Field]
    gives: dict[str, Field]
    settings: tuple[str, ...] = ()


class Size(NamedTuple):
    """Of a chip."""

    rows: int
    columns: int


_CELLS = ("rows", "columns")
_MASK = {"cells": Field(_CELLS, "1", "mask")}
_SEEN = {"conductances": Field(_CELLS, "S", chosen=True)}
VERBS: dict[str, Verb] = {
    "read": Verb({"voltages": Field(("samples", "rows"), "V")}, {"currents": Field(("samples", "columns"), "A")}),
    "read_transposed": Verb(
        {"voltages": Field(("samples", "columns"), "V")}, {"currents": Field(("samples", "rows"), "A")}
    ),
    "conductances": Verb(_MASK, _SEEN),
    "program": Verb(
        {**_MASK, "targets": Field(_CELLS, "S", chosen=True)},
        {
            **_SEEN,
            "pulses": Field(_CELLS, "1", "whole"),
            "reads": Field(_CELLS, "1", "whole"),
            "failed": Field(_CELLS, "1", "mask"),
        },
        ("tolerance", "max_pulses"),
    ),
    "pulse": Verb({"counts": Field(_CELLS, "1", "whole")}, {}),
}
"""Every request that a chip must understand."""

Arrays = Mapping[str, np.ndarray]


def asked(do: str, size: Size, arrays: Arrays, settings: Mapping[str, float]) -> dict[str, np.ndarray]:
    """The arrays of a request as they are sent: float64, int32 and bool.

    Raises:
        InputError: a shape, a value or a setting is wrong; nothing has been sent.
    """
    for name in VERBS[do].settings:
        if not (np.isfinite(settings[name]) and settings[name] > 0):
            raise InputError(name, settings[name], "must be finite and above zero")
    fields = VERBS[do].takes
    samples = len(arrays["voltages"]) if "voltages" in fields and np.ndim(arrays["voltages"]) == 2 else 0
    found: dict[str, np.ndarray] = {}
    for name, field in fields.items():
        shape = _shape(field, size, samples)
        try:
            found[name] = _fit(arrays[name], field, shape, found.get("cells"))
        except ValueError as error:
            raise InputError(name, f"an array {np.shape(arrays[name])}", f"{error}") from None
    return found


def answered(do: str, size: Size, arrays: Arrays, request: Arrays) -> dict[str, np.ndarray]:
    """The arrays of an answer, checked against the request.

    Raises:
        ValueError: an array is missing, or has a wrong shape or value; the text says which.
    """
    found: dict[str, np.ndarray] = {}
    for name, field in VERBS[do].gives.items():
        if name not in arrays:
            raise ValueError(f"the answer has no {name}")
        shape = _shape(field, size, len(request["voltages"]) if "voltages" in request else 0)
        try:
            found[name] = _fit(arrays[name], field, shape, request.get("cells"))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return found


def described(do: str, arrays: Arrays) -> str:
    """A request in a few words."""
    if "voltages" in arrays:
        return f"{do} of {len(arrays['voltages'])} samples"
    which = arrays["cells"] if "cells" in arrays else arrays["counts"]
    return f"{do} of {np.count_nonzero(which)} cells"


def _shape(field: Field, size: Size, samples: int) -> tuple[int, int]:
    lengths = {"samples": samples, **size._asdict()}
    return lengths[field.axes[0]], lengths[field.axes[1]]


def _fit(array: np.ndarray, field: Field, shape: tuple[int, int], cells: np.ndarray | None) -> np.ndarray:
    """An array as it should be; the message says what it is not."""
    array = np.asarray(array)
    if array.shape != shape:
        raise ValueError(f"has shape {array.shape}, and must have ({', '.join(field.axes)}) = {shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"holds {array.dtype}, and must hold numbers")
    looked_at = array[cells] if field.chosen and cells is not None else array
    if not np.isfinite(looked_at).all():
        raise ValueError("holds NaN or infinity")
    if field.kind == "mask" and not np.isin(array, (0, 1)).all():
        raise ValueError("must hold 0 and 1 only")
    if field.kind == "whole" and not (array == np.trunc(array)).all():
        raise ValueError("must hold whole numbers")
    return np.ascontiguousarray(array, _DTYPES[field.kind])
