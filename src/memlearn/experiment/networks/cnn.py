"""A convolutional network as LeNet is one: convolutions with pooling, then fully connected layers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import nn

from ...core.component import quantity, setting
from ...core.errors import InputError
from ...nn.conv import Backward
from .base import AbstractNetwork, Image, Maker, Width, add_dense

Zeros = Annotated[int, Field(ge=0)]


class CNN(AbstractNetwork):
    """Convolution, neurons and pooling, as often as there are channels; then fully connected layers, as LeNet.

    A kernel is a column of an array, patches are read one after another, see `nn.Conv2d`.
    """

    kind: Literal["cnn"] = "cnn"
    sources: ClassVar[tuple[str, ...]] = (
        "LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86, 2278 (1998)",
    )

    channels: tuple[Width, ...] = setting((6, 16), doc="maps of each convolution")
    kernel: tuple[Width, ...] = setting((5,), doc="pixels along a side of each kernel; one number is for all")
    padding: tuple[Zeros, ...] = setting((2, 0), doc="zeros around the maps of each convolution; one number is for all")
    pool: tuple[Width, ...] = setting((2,), doc="side of the square that is pooled to a pixel; one number is for all")
    pooling: Literal["max", "average"] = setting("max", doc="largest value or mean of a square, in digital")
    hidden: tuple[Width, ...] = setting((120, 84), doc="neurons of the fully connected hidden layers")
    backward: Backward = setting(
        "rewired", doc="transposed pass on the same devices, or on a second copy that is updated in step"
    )
    copies: int = quantity(1, unit="1", ge=1, doc="equal forward arrays of each convolution, which share its patches")

    def model_post_init(self, _: Any) -> None:
        """There is a convolution, and each list has one entry or one for each."""
        if not self.channels:
            raise InputError("channels", self.channels, "must name at least one convolution", 'Or take kind = "mlp".')
        for name in ("kernel", "padding", "pool"):
            if len(getattr(self, name)) not in (1, len(self.channels)):
                allowed = f"must be one number, or one for each convolution, {len(self.channels)}"
                raise InputError(name, getattr(self, name), allowed)
        super().model_post_init(_)

    @property
    def layers(self) -> int:
        """Convolutions, hidden layers, and the last."""
        return len(self.channels) + len(self.hidden) + 1

    def assemble(self, maker: Maker, image: Image, classes: int) -> OrderedDict[str, nn.Module]:
        """image, conv1, neuron1, pool1, conv2, ..., flat, layer1, ..."""
        parts: OrderedDict[str, nn.Module] = OrderedDict(image=nn.Unflatten(1, (1, *image)))
        maps, number = 1, 0
        for number, (size, channels) in enumerate(zip(self.sizes(image), self.channels, strict=True), start=1):
            kernel, padding, pool = (self._of(name, number) for name in ("kernel", "padding", "pool"))
            parts[f"conv{number}"] = maker.convolution(f"conv{number}", maps, channels, kernel, padding)
            parts[f"neuron{number}"] = maker.neuron(f"neuron{number}", 1)
            if pool > 1:
                parts[f"pool{number}"] = nn.MaxPool2d(pool) if self.pooling == "max" else nn.AvgPool2d(pool)
            maps, image = channels, size
        parts["flat"] = nn.Flatten()
        return add_dense(parts, maker, [maps * image[0] * image[1], *self.hidden, classes], number + 1)

    def sizes(self, image: Image) -> list[Image]:
        """Rows and columns behind each pooling.

        Raises:
            InputError: nothing is left of the image.
        """
        found, size = [], image
        for number in range(1, len(self.channels) + 1):
            kernel, padding, pool = (self._of(name, number) for name in ("kernel", "padding", "pool"))
            rows, columns = ((side + 2 * padding - kernel + 1) // pool for side in size)
            if min(rows, columns) < 1:
                allowed = f"convolution {number} leaves nothing of maps of {size[0]} x {size[1]} pixels"
                raise InputError("network.kernel", self.kernel, allowed, "Take smaller kernels, less pooling, padding.")
            size = rows, columns
            found.append(size)
        return found

    def words(self, image: Image, classes: int) -> str:
        """Maps, kernels and pooling, then widths."""
        parts = [f"{image[0]}x{image[1]}"]
        for number, channels in enumerate(self.channels, start=1):
            kernel, pool = self._of("kernel", number), self._of("pool", number)
            parts.append(f"{channels}@{kernel}x{kernel}" + (f"/{pool}" if pool > 1 else ""))
        return "-".join([*parts, *map(str, (*self.hidden, classes))])

    def _of(self, name: str, number: int) -> int:
        """A setting of convolution `number`, from 1."""
        values = getattr(self, name)
        return values[0] if len(values) == 1 else values[number - 1]
