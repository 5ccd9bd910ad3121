"""What every in-memory layer shares: tiles, the detour of the error through them, and the factors it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..compound import AnyTile, Compound, physical
from ..core.errors import InputError
from ..core.ledger import Event, Ledger, Pass
from ..core.random import Stream
from ..core.types import Factors
from ..programming import Plan, Targets
from ..programming.base import Parallelism
from ..programming.schemes import AnyScheme
from ..tile import Tile


class Credit(Protocol):
    """Whose error drives the bit lines on the way back; a learning rule sets it, None means the error itself."""

    def signal(self, wanted: Tensor) -> Tensor:
        """What the bit lines carry, from minus the derivative of the loss (samples, outputs)."""
        ...


class Replica(nn.Module):
    """Another physical array of a layer's weights: written in step with the first, with devices of its own.

    Arguments:
        tile: its cells; shape and lines as those of the layer's first tile, unless a subclass arranges them otherwise.
    """

    def __init__(self, tile: AnyTile) -> None:
        super().__init__()
        self.tile = tile

    def arrange(self, weight: Tensor) -> Tensor:
        """Weights (inputs, outputs) of the layer's first tile, or a number for each, in the shape of this one."""
        return weight

    def plan(self, plan: Plan) -> Plan | None:
        """What the first tile gets, for this one; None where it needs drivers of its own, for `wanted`."""
        return plan._replace(heard=False) if isinstance(plan, Targets) else plan

    def wanted(self, wanted: Factors | Tensor) -> Factors | Tensor:
        """What the first tile shall write, as this one must."""
        return wanted


class ArrayLayer(nn.Module):
    """A layer whose weights are conductances; `loss.backward()` reads its tile transposed and keeps the factors.

    Attributes:
        tile: the physical arrays.
        credit: how errors are represented, or None for the error itself; set by a learning rule.
        factors: what backward passes have left since the last `take_factors`.
        reads_per_sample: word-line vectors, and so outer products, that a sample of a batch has last taken: positions
            of a convolution, time steps of a recurrent layer.
        follows: its weights are not written by the gradient, but by a `Follower` that holds it.
        twin: weights (word lines, outputs) through which the error goes back in digital; None reads the tile.
    """

    def __init__(self, tile: AnyTile) -> None:
        super().__init__()
        self.tile = tile
        self.credit: Credit | None = None
        self.factors: list[Factors] = []
        self.reads_per_sample = 1
        self.twin: Tensor | None = None
        self.follows = False
        # Autograd must visit the layer even where its input needs no gradient (the first layer of a network).
        self._anchor = torch.zeros((), requires_grad=True)

    @property
    def learns(self) -> bool:
        """Whether backward passes leave factors here; without, no error is sent back to layers that only it follows."""
        return self._anchor.requires_grad

    @learns.setter
    def learns(self, learns: bool) -> None:
        self._anchor.requires_grad_(learns)

    @property
    def replicas(self) -> dict[str, Replica]:
        """Further arrays of the same weights by name; a rule writes them in step with `tile`. Most layers have none."""
        return {}

    def initialise(self, weight: Tensor) -> None:
        """Set every array as near to the weights (inputs, outputs) as its cells let it; costs and counts nothing."""
        self.tile.initialise(weight)
        for replica in self.replicas.values():
            replica.tile.initialise(replica.arrange(weight))

    def program(self, weight: Tensor, scheme: AnyScheme, parallel: Parallelism = "row") -> None:
        """Bring every array to the weights (inputs, outputs) by a scheme's reads and pulses."""
        for tile, wanted in ((self.tile, weight), *((r.tile, r.arrange(weight)) for r in self.replicas.values())):
            tile.program(Targets(wanted.to(self.tile.conductance), None, False, scheme, parallel))

    def read(self, rows: Tensor) -> Tensor:
        """Forward read of (samples, word lines), recorded for the backward pass."""
        if not torch.is_grad_enabled():
            return self.tile.read(self.tile.encode(rows))
        return _Read.apply(rows, self._anchor, self)

    def receive(self, rows: Tensor, gradient: Tensor, want_input: bool) -> Tensor | None:
        """Take the error in: keep the factors, and read the tile transposed if the layer before wants an error.

        Arguments:
            rows: (samples, word lines), as they were driven forward.
            gradient: (samples, outputs), derivative of the loss.
            want_input: whether a gradient for `rows` is asked for.
        """
        wanted = self.keep(rows, gradient)
        return -self.send_back(wanted) if want_input else None

    def send_back(self, wanted: Tensor) -> Tensor:
        """The error of the inputs (samples, word lines), from what the bit lines carry (samples, outputs)."""
        return self.tile.read_transposed(wanted) if self.twin is None else wanted @ self.twin.T.to(wanted)

    def keep(self, rows: Tensor, gradient: Tensor) -> Tensor:
        """Keep the factors of a read, in training mode; `rows` and `gradient` as in `receive`.

        Returns:
            (samples, outputs): what the bit lines carry back.

        Raises:
            InputError: the gradient is not finite; comparisons with NaN would write nothing, without a word.
        """
        if not finite(gradient):
            raise InputError(
                "gradient", "a tensor with NaN or infinity", "must be finite", "Look at the loss and the learning rate."
            )
        wanted = -gradient
        if self.credit is not None:
            wanted = self.credit.signal(wanted)
        if self.training and self.learns:
            self.factors.append(Factors(rows, wanted))
        return wanted

    def take_factors(self) -> Factors | None:
        """The factors since the last call, samples one after another, and forget them; None if there are none."""
        kept, self.factors = self.factors, []
        return Factors.joined(kept) if kept else None


class Follower(nn.Module):
    """A module that does something of its own after each step of the model's rule."""

    def follow(self, rate: float) -> None:
        """The rule has written; `rate` is what a schedule multiplies rates by."""
        raise NotImplementedError

    def forget(self) -> None:
        """What backward passes have left is not wanted."""
        return None


@contextmanager
def counted_as(during: Pass, tile: AnyTile) -> Iterator[None]:
    """Count all that happens on a tile meanwhile as that of one pass."""
    arrays, kept = list(physical("", tile).values()), tile.ledger
    counted = [Ledger() for _ in arrays]
    if kept is not None:
        for one, own in zip(arrays, counted, strict=True):
            one.ledger = own
    try:
        yield
    finally:
        if kept is not None:
            for one, own in zip(arrays, counted, strict=True):
                one.ledger = kept
                for (name, _, event), n in own:
                    kept.count(name, during, Event(event), n)


class _Read(torch.autograd.Function):
    """The array as a node of the autograd graph."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, anchor: Tensor, layer: ArrayLayer) -> Tensor:
        ctx.layer, ctx.rows = layer, layer.tile.encode(rows.detach())
        return layer.tile.read(ctx.rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:  # type: ignore[override]
        return ctx.layer.receive(ctx.rows, gradient, ctx.needs_input_grad[0]), None, None


def array_layers(model: nn.Module) -> dict[str, ArrayLayer]:
    """The in-memory layers of a model, by name, in the order of `named_modules`."""
    found = {name or "layer": module for name, module in model.named_modules() if isinstance(module, ArrayLayer)}
    if not found:
        raise InputError(
            "model", type(model).__name__, "has no in-memory layer", "Use memlearn.nn.Linear, or memlearn.nn.convert."
        )
    return found


def tiles(model: nn.Module) -> dict[str, Tile]:
    """Every physical array of a model, by name: "conv1" of such a layer, "conv1.copy1" of its replica "copy1".

    Where a weight has parts, each has an array: "conv1.major" and "conv1.minor".
    """
    found: dict[str, Tile] = {}
    for name, module in model.named_modules():
        if isinstance(module, ArrayLayer):
            found.update(physical(name or "layer", module.tile))
            for which, replica in module.replicas.items():
                found.update(physical(f"{name or 'layer'}.{which}", replica.tile))
    return found


def attach_ledger(model: nn.Module, ledger: Ledger | None) -> None:
    """Count the events of every array and neuron of a model in `ledger`, or stop counting (None)."""
    for name, tile in tiles(model).items():
        tile.ledger, tile.name = ledger, name
    for name, module in model.named_modules():
        if not isinstance(module, Tile | Compound) and hasattr(module, "ledger"):
            module.ledger, module.name = ledger, name or "layer"  # type: ignore[assignment]


def finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    # A finite sum has finite terms, and costs a fifth; finite terms may still add up to more than the type holds.
    return bool(torch.isfinite(values.sum())) or bool(torch.isfinite(values).all())


def open_stream(seed: int | None) -> Stream:
    """The stream of a new module: of the user's seed, or of torch's generator, so that `torch.manual_seed` rules."""
    return Stream.root(int(torch.randint(2**31 - 1, (), generator=torch.default_generator)) if seed is None else seed)
