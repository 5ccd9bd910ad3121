"""Convolution as a matrix product: patches of images, and back.

Images are (n, height, width, maps) in here, so that the values of a patch lie side by side; the lines of an array are
in the order kernel row, kernel column, map.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Kernel and path of a two-dimensional convolution; each entry is (vertical, horizontal)."""

    kernel: Pair
    stride: Pair
    before: Pair
    """Zeros above and on the left."""
    after: Pair
    """Zeros below and on the right."""
    dilation: Pair

    @property
    def reach(self) -> Pair:
        """Pixels between the first and the last that a kernel touches."""
        (tall, wide), (down, across) = self.kernel, self.dilation
        return (tall - 1) * down, (wide - 1) * across

    def padded(self, height: int, width: int) -> Pair:
        """Size of an image with its zeros."""
        return height + self.before[0] + self.after[0], width + self.before[1] + self.after[1]

    def positions(self, height: int, width: int) -> Pair:
        """Where a kernel fits, (vertically, horizontally); none or less where the image is too small."""
        (tall, wide), (down, across), (below, beside) = self.padded(height, width), self.reach, self.stride
        return (tall - down - 1) // below + 1, (wide - across - 1) // beside + 1

    def patches(self, images: Tensor, bias: bool) -> Tensor:
        """What the word lines carry at every position, from images (n, height, width, maps): im2col.

        Arguments:
            images: (n, height, width, maps).
            bias: add a line that carries 1.

        Returns:
            (n x positions, kernel x maps + bias), a tensor of its own.
        """
        size = self.positions(*images.shape[1:3])
        if any(self.before) or any(self.after):
            images = pad(images, (0, 0, self.before[1], self.after[1], self.before[0], self.after[0]))
        return _windows(images, size, self.kernel, self.stride, self.dilation, bias)

    def images(self, patches: Tensor, like: torch.Size) -> Tensor:
        """The sum of overlapping patches, each at its place: col2im, the transpose of `patches` without bias.

        Arguments:
            patches: (n x positions, kernel x maps).
            like: shape of the images, (n, height, width, maps).
        """
        n, height, width, maps = like
        (tall, wide), (below, beside) = self.positions(height, width), self.stride
        # A strided sum per kernel element is as many additions as there are patch values, in long runs of maps.
        total = patches.new_zeros(n, *self.padded(height, width), maps)
        parts = patches.reshape(n, tall, wide, *self.kernel, maps)
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * self.dilation[0], j * self.dilation[1]
                rows = slice(top, top + (tall - 1) * below + 1, below)
                total[:, rows, left : left + (wide - 1) * beside + 1 : beside] += parts[:, :, :, i, j]
        return total[:, self.before[0] : self.before[0] + height, self.before[1] : self.before[1] + width]

    def error_patches(self, errors: Tensor, height: int, width: int) -> Tensor:
        """What the word lines of an array for the transposed convolution carry: the errors within reach of each pixel.

        With strides, most of it is zeros; the kernel is turned by half, `turned` does that to the weights.

        Arguments:
            errors: (n, vertical positions, horizontal positions, outputs).
            height, width: of the images whose error is asked for.

        Returns:
            (n x height x width, kernel x outputs).
        """
        (down, across), (tall, wide) = self.reach, self.padded(height, width)
        spread = errors.new_zeros(len(errors), tall + down, wide + across, errors.shape[3])
        rows = slice(down, down + (errors.shape[1] - 1) * self.stride[0] + 1, self.stride[0])
        columns = slice(across, across + (errors.shape[2] - 1) * self.stride[1] + 1, self.stride[1])
        spread[:, rows, columns] = errors
        inner = spread[:, self.before[0] :, self.before[1] :]
        return _windows(inner, (height, width), self.kernel, (1, 1), self.dilation, False)

    def turned(self, weight: Tensor, maps: int) -> Tensor:
        """Weights (kernel x maps, outputs), or anything per weight, in the shape for the transposed convolution.

        Returns:
            (kernel x outputs, maps), the kernel turned by half.
        """
        parts = weight.reshape(*self.kernel, maps, weight.shape[1])
        return parts.flip(0, 1).transpose(2, 3).reshape(-1, maps)


def _windows(images: Tensor, size: Pair, kernel: Pair, stride: Pair, dilation: Pair, bias: bool) -> Tensor:
    """A kernel's view of (n, height, width, maps) at `size` positions, copied into (positions, lines)."""
    n, maps = len(images), images.shape[3]
    image, row, pixel, one = images.stride()
    view = images.as_strided(
        (n, *size, *kernel, maps),
        (image, row * stride[0], pixel * stride[1], row * dilation[0], pixel * dilation[1], one),
    )
    lines = kernel[0] * kernel[1] * maps
    found = images.new_empty(n, *size, lines + bias)
    found[..., lines:] = 1.0
    found[..., :lines].unflatten(-1, (*kernel, maps)).copy_(view)
    return found.flatten(0, 2)
