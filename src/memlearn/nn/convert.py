"""A float model becomes an in-memory one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..devices import Backend
from ..tile import Array
from .conv import Backward, Conv2d
from .linear import Linear
from .recurrent import ArrayCell, Lines, LSTMCell, RNNCell
from .sequence import LSTM, RNN


def convert(
    model: nn.Module,
    *,
    array: Array | None = None,
    seed: int = 0,
    backend: Backend = "cpu",
    backward: Backward = "rewired",
    copies: int = 1,
    lines: Lines = "joint",
) -> nn.Module:
    """A copy of the model in which every layer that arrays can hold is in-memory, with the same weights.

    These are `torch.nn.Linear`, `Conv2d`, `RNNCell`, `LSTMCell`, `RNN` and `LSTM`. Weights beyond the mapping's w_max
    are cut. Everything else (activations, pooling, dropout, reshapes) stays as it is.

    Arguments:
        model: any torch module; it is not changed.
        array: devices, mapping, wires and converters of every layer.
        seed: layer number n takes seed + n.
        backend: "cpu" or "reference".
        backward, copies: of convolutions; see `Conv2d`.
        lines: of recurrent layers; see `CellOptions`.

    Raises:
        InputError: the model has no such layer, or one with a feature that arrays lack.
    """
    chosen = _Chosen(array or Array(), seed, backend, backward, copies, lines)
    if _converter(model) is not None:
        return _convert(model, chosen)
    twin = copy.deepcopy(model)
    found = [(n, m) for n, m in twin.named_modules(remove_duplicate=False) if _converter(m) is not None]
    if not found:
        raise InputError("model", type(model).__name__, "has no torch.nn.Linear to convert, nor a Conv2d, RNN or LSTM")
    made: dict[nn.Module, nn.Module] = {}  # a layer under two names stays one
    for name, module in found:
        if module not in made:
            made[module] = _convert(module, chosen._replace(seed=seed + len(made)))
        parent, _, child = name.rpartition(".")
        setattr(twin.get_submodule(parent), child, made[module])
    return twin


class _Chosen(NamedTuple):
    array: Array
    seed: int
    backend: Backend
    backward: Backward
    copies: int
    lines: Lines

    def options(self, weight: Tensor) -> dict[str, Any]:
        """Keyword arguments of every in-memory layer."""
        dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
        return {"array": self.array, "seed": self.seed, "backend": self.backend, "dtype": dtype}


def _convert(module: nn.Module, chosen: _Chosen) -> nn.Module:
    converter = _converter(module)
    assert converter is not None
    with torch.no_grad():
        return converter(module, chosen).train(module.training)


def _linear(module: nn.Linear, chosen: _Chosen) -> nn.Module:
    biased = module.bias is not None
    layer = Linear(module.in_features, module.out_features, biased, **chosen.options(module.weight))
    layer.initialise(lines_of(module).to(layer.tile.conductance))
    return layer


def _conv2d(module: nn.Conv2d, chosen: _Chosen) -> nn.Module:
    layer = Conv2d(
        module.in_channels,
        module.out_channels,
        module.kernel_size,  # type: ignore[arg-type]
        module.stride,  # type: ignore[arg-type]
        module.padding,  # type: ignore[arg-type]
        module.dilation,  # type: ignore[arg-type]
        module.groups,
        module.bias is not None,
        module.padding_mode,
        backward=chosen.backward,
        copies=chosen.copies,
        **chosen.options(module.weight),
    )
    layer.initialise(lines_of(module).to(layer.tile.conductance))
    return layer


def _cell(module: nn.RNNCellBase, chosen: _Chosen) -> nn.Module:
    options = {"lines": chosen.lines, **chosen.options(module.weight_ih)}
    if isinstance(module, nn.RNNCell):
        nonlinearity: Any = module.nonlinearity
        cell: ArrayCell = RNNCell(module.input_size, module.hidden_size, module.bias, nonlinearity, **options)
    else:
        cell = LSTMCell(module.input_size, module.hidden_size, module.bias, **options)
    _fill(cell, module, "")
    return cell


def _recurrent(module: nn.RNNBase, chosen: _Chosen) -> nn.Module:
    if module.proj_size:
        remedy = "Convert a model without, or put a torch.nn.Linear behind the layer."
        raise InputError("proj_size", module.proj_size, "must be 0: arrays have no projection of the state", remedy)
    options = {
        "num_layers": module.num_layers,
        "bias": module.bias,
        "batch_first": module.batch_first,
        "dropout": module.dropout,
        "bidirectional": module.bidirectional,
        "lines": chosen.lines,
        **chosen.options(module.weight_ih_l0),  # type: ignore[arg-type]
    }
    if isinstance(module, nn.LSTM):
        layer: LSTM | RNN = LSTM(module.input_size, module.hidden_size, **options)
    else:
        nonlinearity: Any = module.nonlinearity
        layer = RNN(module.input_size, module.hidden_size, nonlinearity=nonlinearity, **options)
    for number, cell in enumerate(layer.cells):
        depth, direction = divmod(number, layer.directions)
        _fill(cell, module, f"_l{depth}{'_reverse' * direction}")  # type: ignore[arg-type]
    return layer


def _fill(cell: ArrayCell, module: nn.Module, suffix: str) -> None:
    """Copy torch's weights; its two biases add up on one line."""
    inputs, hidden = (getattr(module, f"weight_{which}{suffix}").T.to(cell.tile_dtype) for which in ("ih", "hh"))
    bias = getattr(module, f"bias_ih{suffix}") + getattr(module, f"bias_hh{suffix}") if cell.bias else None
    cell.initialise(inputs, hidden, None if bias is None else bias.to(cell.tile_dtype))


def lines_of(module: nn.Linear | nn.Conv2d) -> Tensor:
    """The weights of a torch layer as an array holds them, (inputs and bias, outputs), without its graph."""
    kernels = module.weight.permute(2, 3, 1, 0).flatten(0, 2) if isinstance(module, nn.Conv2d) else module.weight.T
    return (kernels if module.bias is None else torch.cat([kernels, module.bias[None]])).detach()


def _converter(module: nn.Module) -> Callable[[Any, _Chosen], nn.Module] | None:
    """What makes the in-memory counterpart of a module; None where there is none."""
    for kinds, converter in (
        (nn.Linear, _linear),
        (nn.Conv2d, _conv2d),
        ((nn.RNNCell, nn.LSTMCell), _cell),
        ((nn.RNN, nn.LSTM), _recurrent),
    ):
        if isinstance(module, kinds):
            return converter
    return None
