"""The contract of converters: energy, time and area of one, by its bits and its CMOS node."""

from __future__ import annotations

import math
from abc import abstractmethod

from ...core.component import Component
from ..technology import Node

LONGEST = 24
"""Bits that a converter without quantisation is charged as."""


class AbstractConverter(Component):
    """One analogue-to-digital converter."""

    @abstractmethod
    def energy(self, bits: int, node: Node) -> float:
        """J per conversion.

        Arguments:
            bits: resolution, taken as the effective number of bits.
            node: of its CMOS.
        """

    @abstractmethod
    def time(self, bits: int, node: Node) -> float:
        """s per conversion."""

    def area(self, bits: int, node: Node) -> float:
        """m^2."""
        return regression_area(self.energy(bits, node), 1 / self.time(bits, node), node)


def regression_energy(bits: int, rate: float, node: Node) -> float:
    """J per conversion of the best published converters, by the regression of hwcomponents-adc (MIT); at least 4 bits.

    Arguments:
        bits: resolution.
        rate: conversions/s.
        node: of its CMOS.
    """
    bits = max(bits, 4)
    schreier = min(213.7807 - 2.87190 * math.log(rate), 128.3068 + 3.22051 * math.ceil(bits))
    sndr = 6.0206 * bits + 1.7609
    scale = math.exp(24.57942 + 1.880037 * math.log(node.node) - 2.829126 * math.log(bits))
    return 1e-12 * scale / (2 * 10 ** ((schreier - sndr) / 10))


def regression_area(energy: float, rate: float, node: Node) -> float:
    """m^2 of a converter, by the same regression.

    Arguments:
        energy: J per conversion.
        rate: conversions/s.
        node: of its CMOS.
    """
    size, speed = 0.993279 * math.log(node.node), 0.180715 * math.log(rate)
    return 1e-12 * math.exp(1.34619 + size + speed + 0.299124 * math.log(energy * 1e12))
