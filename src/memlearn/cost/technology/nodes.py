"""What scales with the CMOS node. Cells do not: their voltages, pulse widths and energies stay as the device states."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from ...core.errors import InputError
from ...core.files import read_toml

_FOLDER = Path(__file__).parent
Nanometres = Literal[130, 90, 65, 45, 32, 20, 16, 14, 10, 7]
NODES: tuple[int, ...] = get_args(Nanometres)


class Node(NamedTuple):
    """A CMOS node at its nominal voltage."""

    node: int
    """nm."""
    vdd: float
    """V."""
    energy: tuple[float, float, float]
    """a2, a1, a0 of the energy of logic, proportional to a2 Vdd^2 + a1 Vdd + a0."""
    area: float
    """Of logic, against 45 nm."""
    wire_resistance: float
    """ohm/m of a wire as wide as the node."""
    wire_capacitance: float
    """F/m."""
    adc_fom: tuple[float, float]
    """J per step of published SAR converters, FoM of Walden: tenth percentile, median."""
    sources: tuple[str, ...]

    @property
    def feature(self) -> float:
        """m."""
        return self.node * 1e-9

    @property
    def energy_factor(self) -> float:
        """Energy of logic at the nominal voltage, in the unit that all nodes share."""
        a2, a1, a0 = self.energy
        return a2 * self.vdd**2 + a1 * self.vdd + a0


@cache
def node(nanometres: int) -> Node:
    """The node of that size.

    Raises:
        InputError: there is none.
    """
    if nanometres not in NODES:
        raise InputError("node", nanometres, f"must be one of {', '.join(map(str, NODES))} nm")
    found: dict[str, Any] = read_toml(_FOLDER / f"nm{nanometres}.toml")
    lists: dict[str, Any] = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
    return Node(**{**found, **lists})


def scaled(value: float, published_at: int, at: Node, of: Literal["energy", "area"] = "energy") -> float:
    """An energy or an area of CMOS logic that was published at one node, at another, both at their nominal voltage.

    Arguments:
        value: J, or m^2.
        published_at: nm.
        at: the other node.
        of: what it is.
    """
    source = node(published_at)
    if of == "area":
        return value * at.area / source.area
    return value * at.energy_factor / source.energy_factor
