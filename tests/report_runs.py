"""A run folder, fabricated: what `memlearn run` writes, small and without training anything."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file


def write_run(
    folder: Path,
    *,
    name: str = "digits",
    sizes: tuple[int, ...] = (6, 4, 3),
    tile: tuple[int, int] | None = None,
    epochs: int = 3,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """Write a run folder of a network with these layer sizes; `changes` replace figures of result.json."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    tensors, layers, ledger = {}, [], {}
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        layer = f"layer{i}"
        shape = (inputs, 2 * outputs)
        pulses = random.poisson(5, shape)
        tensors[f"conductance_initial/{layer}"] = tiles(random.uniform(1e-6, 2e-6, shape), tile, np.nan, "f4")
        tensors[f"conductance/{layer}"] = tiles(random.uniform(1e-6, 1e-4, shape), tile, np.nan, "f4")
        tensors[f"pulses/{layer}"] = tiles(pulses, tile, 0, "i4")
        tensors[f"weight/{layer}"] = random.normal(size=(inputs, outputs)).astype("f4")
        wear = {"pulses_per_cell_mean": float(pulses.mean()), "pulses_per_cell_p99": float(np.percentile(pulses, 99))}
        size = {"inputs": inputs, "outputs": outputs, "cells": pulses.size, "pulses_total": int(pulses.sum())}
        layers.append({"name": layer, **size, **wear, "pulses_per_cell_max": int(pulses.max())})
        ledger |= {f"{layer}/forward/adc.conversion": 1000 + i, f"{layer}/update/cell.pulse": int(pulses.sum())}
    save_file(tensors, folder / "arrays.safetensors")
    config = {"name": name, "description": "a fabricated run", "device": {"kind": "soft_bounds"}, "seed": seed}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_history(folder, [{**_EPOCH, "epoch": i + 1} for i in range(epochs)])
    result = {**_RESULT, "epochs": epochs, "seed": seed, "layers": layers, "ledger": ledger, **changes}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return folder


def write_history(folder: Path, epochs: list[dict[str, Any]]) -> None:
    """Replace history.jsonl."""
    (folder / "history.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs), encoding="utf-8")


def tiles(grid: np.ndarray, tile: tuple[int, int] | None, fill: float, kind: str) -> np.ndarray:
    """Cut a map into tiles (tile_rows, tile_columns, rows, columns), padded with `fill`."""
    rows, columns = tile or grid.shape
    padded = np.pad(grid.astype(kind), [(0, -n % m) for n, m in zip(grid.shape, (rows, columns), strict=True)],
                    constant_values=fill)
    cut = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3))


_EPOCH = {
    "train_loss": 0.5,
    "train_accuracy": 0.92,
    "validation_accuracy": 0.9,
    "pulses_total": 1000,
    "cells_pulsed_per_step": 0.04,
    "seconds": 1.5,
    "float_train_accuracy": 0.99,
    "float_validation_accuracy": 0.97,
}
_RESULT = {
    "test_accuracy": 0.912,
    "validation_accuracy": 0.9,
    "float_test_accuracy": 0.933,
    "train_seconds": 12.3,
    "cells": 72,
    "pulses_total": 1_234_567,
    "pulses_per_cell_mean": 76.5,
    "pulses_per_cell_max": 4321,
    "cells_pulsed_per_step": 0.0321,
    "adc_conversions": 12_345_678,
    "dac_conversions": 98_765,
    "comparisons": 0,
    "digital_bits_per_weight": 0,
    "digital_bits_per_neuron": 9,
    "device": "soft_bounds",
    "mapping": "differential_pair",
    "backward_method": "ternary_transpose",
    "update_method": "sign",
    "backend": "reference",
    "versions": {"memlearn": "0.1.0", "torch": "2.13"},
    "sources": ["A paper, its journal, 2018."],
}
