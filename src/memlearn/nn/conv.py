"""A convolution inside crossbars: kernels unrolled into columns, patches of the image one after another."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..compound import AnyTile, make_tile
from ..core.errors import InputError, nearest
from ..core.ledger import Event, Pass
from ..core.types import Counts, Factors
from ..devices import Backend
from ..periphery import Address
from ..programming import Plan, Targets
from ..tile import Array, Periphery
from .base import ArrayLayer, Replica, finite, open_stream
from .patches import Geometry, Pair

Backward = Literal["rewired", "copy"]
"""How the transposed convolution is read: on the same devices, or on a second array that is updated in step."""


class Conv2d(ArrayLayer):
    """Like `torch.nn.Conv2d`, with each kernel a column of an array and the patches of an image read one after another.

    The array has kernel height x kernel width x in_channels word lines, in this order, one more for the bias, and
    out_channels columns. The error of the input is a transposed convolution, which needs the same weights in another
    shape. With `backward = "rewired"` it is read on the same devices, transposed, patch after patch, and the parts are
    added where patches overlap. With "copy" it is read on a second array of kernel x out_channels word lines and
    in_channels columns, pixel after pixel, through the backward port's converters; its own devices get the same wanted
    change re-indexed, so that the two drift apart as devices vary (`drift`).

    Arguments:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode: as in torch;
            groups = 1 and padding_mode = "zeros" only.
        array: devices, mapping, wires and converters.
        backward: "rewired" or "copy".
        copies: equal forward arrays, among which the patches are dealt out; all are written in step.
        seed: of the layer's devices, noise and initial weights; None takes one from torch's generator.
        initial_weight: half-width of the uniform initial weights; None for torch's own, 1/sqrt(in_channels x kernel).
        backend: "cpu" or "reference".
        dtype: of the conductances.

    Source: Wang, Li, Wang, Neuromorph. Comput. Eng. 4:032002 (2024), convolution forward and backward; copies as in
    Yao et al., Nature 577:641 (2020).
    """

    def __init__(  # noqa: PLR0913 - torch's own arguments
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        array: Array | None = None,
        backward: Backward = "rewired",
        copies: int = 1,
        seed: int | None = None,
        initial_weight: float | None = None,
        backend: Backend = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        for argument, value in (("in_channels", in_channels), ("out_channels", out_channels), ("copies", copies)):
            if not isinstance(value, int) or value < 1:
                raise InputError(argument, value, "must be a whole number of at least 1")
        _only(groups, padding_mode, backward)
        geometry = geometry_of(kernel_size, stride, padding, dilation)
        stream, array, bias = open_stream(seed), array or Array(), bool(bias)
        lines = math.prod(geometry.kernel) * in_channels
        options: dict[str, Any] = {"backend": backend, "dtype": dtype}
        super().__init__(make_tile(lines + bias, out_channels, array=array, stream=stream, **options))
        self.in_channels, self.out_channels, self.bias = in_channels, out_channels, bias
        self.geometry, self.backward_method = geometry, backward
        self.copies = nn.ModuleList(
            Replica(make_tile(lines + bias, out_channels, array=array, stream=stream.child("copy", n), **options))
            for n in range(1, copies)
        )
        self.transposed: TransposedCopy | None = None
        if backward == "copy":
            self.transposed = TransposedCopy(geometry, in_channels, out_channels, array, stream, options)
        bound = 1 / math.sqrt(lines) if initial_weight is None else initial_weight
        generator = torch.Generator().manual_seed(stream.child("initial").torch_seed())
        self.initialise((2 * torch.rand(lines + bias, out_channels, generator=generator, dtype=dtype) - 1) * bound)

    @property
    def replicas(self) -> dict[str, Replica]:
        """ "copy1", "copy2", ... of the forward array, and "transposed"."""
        found: dict[str, Replica] = {f"copy{n}": copy for n, copy in enumerate(self.copies, 1)}  # type: ignore[misc]
        return found if self.transposed is None else {**found, "transposed": self.transposed}

    def forward(self, images: Tensor) -> Tensor:
        """(n, in_channels, height, width), or one image without n, to (n, out_channels, height, width)."""
        size = self._check(images)
        batch = images.to(self.tile.conductance.dtype).reshape(-1, *images.shape[-3:]).permute(0, 2, 3, 1)
        self.reads_per_sample = math.prod(size)
        if torch.is_grad_enabled():
            sums = _Convolve.apply(batch, self._anchor, self)
        else:
            sums = self.convolve(batch)[1]
        # Laid out as channels_last: whatever comes next finds the maps of a pixel side by side, as the columns are.
        maps = sums.reshape(len(batch), *size, self.out_channels).permute(0, 3, 1, 2)
        return maps if images.dim() == 4 else maps[0]

    def convolve(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Forward reads of (n, height, width, in_channels).

        Returns:
            What the word lines carried, (reads, word lines), and the sums, (reads, out_channels).
        """
        patches = self.geometry.patches(images, self.bias)
        encoded = self._deal("encode", patches)
        return encoded, self._deal("read", encoded)

    def error(self, wanted: Tensor, like: torch.Size) -> Tensor:
        """Transposed convolution inside the array.

        Arguments:
            wanted: (reads, out_channels), what the credit makes of the error.
            like: shape of the images, (n, height, width, in_channels).

        Returns:
            (n, height, width, in_channels).
        """
        n, height, width, _ = like
        if self.transposed is not None and self.twin is None:
            return self.transposed.error(
                wanted.reshape(n, *self.geometry.positions(height, width), self.out_channels), height, width
            )
        parts = self._deal("read_transposed", wanted) if self.twin is None else self.send_back(wanted)
        parts = parts[:, : self.tile.inputs - self.bias]
        if self.tile.ledger is not None:  # the sum over overlapping patches is digital
            self.tile.ledger.count(self.tile.name, Pass.BACKWARD, Event.DIGITAL_ADD, parts.numel())
        return self.geometry.images(parts, like)

    def take_factors(self) -> Factors | None:
        """As every layer; the second array, if any, is left with those of the same backward passes."""
        if self.transposed is not None:
            self.transposed.taken, self.transposed.kept = self.transposed.kept, []
        return super().take_factors()

    def reads(self, height: int, width: int) -> int:
        """Forward reads one after another that an image takes: its patches, dealt out among the copies."""
        return -(-math.prod(self.geometry.positions(height, width)) // (1 + len(self.copies)))

    def drift(self) -> dict[str, float]:
        """How far the other arrays are from the first, by replica: root mean square difference of their weights.

        For whoever looks; no learning rule knows it.
        """
        weight = self.tile.weight()
        return {
            name: float((replica.tile.weight() - replica.arrange(weight)).square().mean().sqrt())
            for name, replica in self.replicas.items()
        }

    def _deal(self, verb: Literal["encode", "read", "read_transposed"], values: Tensor) -> Tensor:
        """A verb of the forward arrays on (reads, lines): read number r goes to array r modulo their number."""
        tiles = [self.tile, *(copy.tile for copy in self.copies)]  # type: ignore[union-attr]
        if len(tiles) == 1:
            return getattr(self.tile, verb)(values)
        parts = [getattr(tile, verb)(values[n :: len(tiles)]) for n, tile in enumerate(tiles)]
        joined = parts[0].new_empty(len(values), parts[0].shape[1])
        for n, part in enumerate(parts):
            joined[n :: len(tiles)] = part
        return joined

    def _check(self, images: Tensor) -> Pair:
        """The output's height and width.

        Raises:
            InputError: the shape does not fit, or a value is not finite.
        """
        shape = tuple(images.shape)
        if images.dim() not in (3, 4) or shape[-3] != self.in_channels:
            wanted = f"must be (n, {self.in_channels}, height, width), or ({self.in_channels}, height, width)"
            raise InputError("input", shape, wanted, f"in_channels is {self.in_channels}: reshape or permute it.")
        size = self.geometry.positions(*shape[-2:])
        if min(size) < 1:
            tall, wide = (reach + 1 for reach in self.geometry.reach)
            raise InputError(
                "input", shape, f"too small for a kernel that spans {tall} x {wide} pixels", "Pad it, or pool less."
            )
        if not finite(images):
            raise InputError(
                "input", "a tensor with NaN or infinity", "must be finite", "Look at the layer or data before."
            )
        return size

    def extra_repr(self) -> str:
        """As torch prints it, and the physical shape."""
        g = self.geometry
        padding = g.before if g.before == g.after else (g.before, g.after)
        copies = f"{1 + len(self.copies)} copies of " if len(self.copies) else ""
        back = "" if self.transposed is None else f", {self._shown(self.transposed.tile)}"
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={g.kernel}, stride={g.stride}, padding={padding}, "
            f"dilation={g.dilation}, bias={self.bias}, {self.tile.array.device.kind} "
            f"{self.tile.array.crossbar.mapping.kind}, {copies}{self._shown(self.tile)}, "
            f"backward={self.backward_method}{back}"
        )

    @staticmethod
    def _shown(tile: AnyTile) -> str:
        (tall, wide), cells = tile.tiles, tuple(tile.conductance.shape[2:])
        return f"{tile.inputs} x {tile.outputs} weights in {tall} x {wide} tiles of {cells} cells"


class TransposedCopy(Replica):
    """The second array of a convolution: (kernel x out_channels) word lines, in_channels columns.

    Its word lines carry the errors within reach of a pixel, through the converters of the layer's backward port; the
    outer products of an update that pulses it sample by sample are those errors x the pixel's values.

    Arguments:
        geometry, in_channels, out_channels, array: of the layer.
        stream: of the layer; the copy takes a child of it.
        options: backend and dtype.
    """

    def __init__(
        self,
        geometry: Geometry,
        in_channels: int,
        out_channels: int,
        array: Array,
        stream: Any,
        options: dict[str, Any],
    ) -> None:
        swapped = Periphery(forward=array.periphery.backward, backward=array.periphery.forward)
        turned = array.replace(periphery=swapped)
        lines, stream = math.prod(geometry.kernel) * out_channels, stream.child("transposed")
        super().__init__(make_tile(lines, in_channels, array=turned, stream=stream, **options))
        self.tile.serves = Pass.BACKWARD
        self.geometry, self.maps = geometry, in_channels
        self.kept: list[tuple[Tensor, Tensor]] = []
        """Images (n, height, width, maps) and errors (reads, outputs) of backward passes that no one has taken."""
        self.taken: list[tuple[Tensor, Tensor]] = []

    def error(self, wanted: Tensor, height: int, width: int) -> Tensor:
        """Reads of (n, vertical positions, horizontal positions, outputs), to (n, height, width, maps)."""
        lines = self.geometry.error_patches(wanted, height, width)
        return self.tile.read(self.tile.encode(lines)).reshape(len(wanted), height, width, self.maps)

    def arrange(self, weight: Tensor) -> Tensor:
        """The kernels turned by half, without the bias."""
        return self.geometry.turned(weight[: math.prod(self.geometry.kernel) * self.maps], self.maps)

    def plan(self, plan: Plan) -> Plan | None:
        """Counts and targets are re-indexed; trains come from lines that this array does not have."""
        if isinstance(plan, Targets):
            previous = None if plan.previous is None else self.arrange(plan.previous)
            return plan._replace(weight=self.arrange(plan.weight), previous=previous, heard=False)
        if isinstance(plan, Counts) and plan.drive is None:
            return Counts(self.arrange(plan.pulses))
        return None

    def wanted(self, wanted: Factors | Tensor) -> Factors | Tensor:
        """A number per weight is re-indexed; outer products are made anew, of the same images and errors."""
        if isinstance(wanted, Tensor):
            return self.arrange(wanted)
        drive, rows, columns = self.tile.array.periphery.backward.drive, [], []
        for n, (images, errors) in enumerate(self.taken):
            count, height, width, maps = images.shape
            maps_of_errors = errors.reshape(count, *self.geometry.positions(height, width), errors.shape[1])
            at = Address(self.tile.stream.child("backward", "drive", n), int(self.tile.events[0]), self.training)
            rows.append(self.geometry.error_patches(maps_of_errors, height, width))
            columns.append(drive.encode(images.reshape(-1, 1, maps), at).flatten(1))
        return Factors(torch.cat(rows), torch.cat(columns))


class _Convolve(torch.autograd.Function):
    """The convolution as a node of the autograd graph."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, anchor: Tensor, layer: Conv2d) -> Tensor:
        ctx.layer, ctx.shape = layer, images.shape
        # A copy, as a user may change the image before the backward pass.
        ctx.images = images.detach().clone() if layer.transposed is not None else None
        ctx.rows, sums = layer.convolve(images.detach())
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:  # type: ignore[override]
        layer: Conv2d = ctx.layer
        wanted = layer.keep(ctx.rows, gradient)
        if layer.transposed is not None and layer.training:
            layer.transposed.kept.append((ctx.images, wanted))
        return -layer.error(wanted, ctx.shape) if ctx.needs_input_grad[0] else None, None, None


def geometry_of(
    kernel_size: int | Pair, stride: int | Pair, padding: int | Pair | str, dilation: int | Pair
) -> Geometry:
    """The path of a kernel, from torch's arguments.

    Raises:
        InputError: a size is not whole or out of range, or a padding is unknown.
    """
    kernel, steps = _pair("kernel_size", kernel_size, 1), _pair("stride", stride, 1)
    gaps = _pair("dilation", dilation, 1)
    if not isinstance(padding, str):
        zeros = _pair("padding", padding, 0)
        return Geometry(kernel, steps, zeros, zeros, gaps)
    if padding not in ("valid", "same"):
        raise InputError("padding", padding, "unknown padding", nearest(padding, ("valid", "same")))
    if padding == "valid":
        return Geometry(kernel, steps, (0, 0), (0, 0), gaps)
    if steps != (1, 1):
        raise InputError("padding", padding, f"needs stride = 1, not {steps}", "Give the padding as a number.")
    total = gaps[0] * (kernel[0] - 1), gaps[1] * (kernel[1] - 1)
    before = total[0] // 2, total[1] // 2
    return Geometry(kernel, steps, before, (total[0] - before[0], total[1] - before[1]), gaps)


def _pair(argument: str, value: Any, least: int) -> Pair:
    pair = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(n, int) and n >= least for n in pair):
        raise InputError(argument, value, f"must be a whole number of at least {least}, or two of them")
    return pair


def _only(groups: int, padding_mode: str, backward: str) -> None:
    """Refuse what a convolution in arrays does not have."""
    if groups != 1:
        remedy = "Use one layer for each group, on slices of the maps."
        raise InputError("groups", groups, "must be 1: a group would be an array of its own", remedy)
    if padding_mode != "zeros":
        remedy = "Apply torch.nn.functional.pad before the layer, and give padding = 0."
        raise InputError("padding_mode", padding_mode, 'must be "zeros": a line outside the image is at rest', remedy)
    if backward not in get_args(Backward):
        raise InputError("backward", backward, "unknown way back", nearest(str(backward), get_args(Backward)))
