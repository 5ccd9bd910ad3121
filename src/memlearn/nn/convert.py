"""A float model becomes an in-memory one."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ..core.errors import InputError
from ..devices import Backend
from ..tile import Array
from .linear import Linear


def convert(model: nn.Module, *, array: Array | None = None, seed: int = 0, backend: Backend = "cpu") -> nn.Module:
    """A copy of the model in which every `torch.nn.Linear` is a `memlearn.nn.Linear` with the same weights.

    Weights beyond the mapping's w_max are cut. Everything else (activations, dropout, reshapes) stays as it is.

    Arguments:
        model: any torch module; it is not changed.
        array: devices, mapping, wires and converters of every layer.
        seed: layer number n takes seed + n.
        backend: "cpu" or "reference".

    Raises:
        InputError: the model has no linear layer.
    """
    if isinstance(model, nn.Linear):
        return _convert(model, array or Array(), seed, backend)
    twin = copy.deepcopy(model)
    found = [(n, m) for n, m in twin.named_modules(remove_duplicate=False) if isinstance(m, nn.Linear)]
    if not found:
        raise InputError("model", type(model).__name__, "has no torch.nn.Linear to convert")
    made: dict[nn.Linear, Linear] = {}  # a layer under two names stays one
    for name, module in found:
        if module not in made:
            made[module] = _convert(module, array or Array(), seed + len(made), backend)
        parent, _, child = name.rpartition(".")
        setattr(twin.get_submodule(parent), child, made[module])
    return twin


def _convert(module: nn.Linear, array: Array, seed: int, backend: Backend) -> Linear:
    layer = Linear(
        module.in_features,
        module.out_features,
        module.bias is not None,
        array=array,
        seed=seed,
        backend=backend,
        dtype=torch.float64 if module.weight.dtype == torch.float64 else torch.float32,
    )
    with torch.no_grad():
        weight = module.weight.T
        if module.bias is not None:
            weight = torch.cat([weight, module.bias[None]])
        layer.tile.initialise(weight.to(layer.tile.conductance.dtype))
    return layer.train(module.training)
