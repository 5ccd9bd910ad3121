"""The assumptions of the cost model, each one number that `--set cost.NAME=VALUE` changes."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..core.component import Component, quantity, setting
from .converters import AnyConverter, SurveyConverter
from .technology import Node, node
from .technology.nodes import Nanometres


class Cost(Component):
    """What reads, writes, converters and digital circuits are taken to cost. None of it changes what a run learns.

    Energies and areas of CMOS are given at the node where they were published, and scaled to `node`; what cells take
    (voltage, width, conductance) is the device's own, and never scaled.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Stillmaker and Baas, Integration 58:74 (2017): scaling between nodes",
        "Murmann, ADC performance survey, revision 2025-06",
        "Shafiee et al., ISAAC, ISCA (2016): drivers, shift-and-add at 32 nm",
        "Chen, Peng and Yu, NeuroSim: wires, line capacitances of 1T1R arrays, write phases",
        "Horowitz, ISSCC (2014): digital arithmetic at 45 nm",
    )

    node: Nanometres = setting(32, doc="CMOS node of lines and periphery, nm")
    cell: Literal["1t1r", "v_half", "v_third"] = setting(
        "1t1r", doc="a transistor for each cell, or a cross-point array with V/2 or V/3 on the other lines in a write"
    )
    write_order: Literal["row", "array", "cell"] = setting(
        "row", doc="cells written at once where a plan gives each its number of pulses; trains take the whole array"
    )
    phases: Literal["needed", "both"] = setting(
        "needed", doc="of a write row by row: raising and lowering only where cells are, or always both (NeuroSim)"
    )
    adc: AnyConverter = setting(SurveyConverter(), doc="converters of sensed lines")
    continuous_bits: int = quantity(
        8, unit="bit", ge=1, le=24, doc="that a converter is charged as which a run takes to be continuous"
    )
    sharing: int | None = quantity(
        None, unit="1", ge=1, doc="sensed lines that take turns at one converter; none: as the periphery says"
    )
    read_pulse: float = quantity(10e-9, unit="s", gt=0, doc="time that lines are driven in a read, after settling")
    default_voltage: float = quantity(2.0, unit="V", gt=0, doc="of a pulse, where the device does not state it")
    default_width: float = quantity(100e-9, unit="s", gt=0, doc="of a pulse, where the device does not state it")
    nonlinearity: float | None = quantity(
        None, unit="1", gt=1, doc="current at the write voltage / at half of it, of half-selected cells; none: ohmic"
    )

    wire_capacitance: float = quantity(0.2e-9, unit="F/m", ge=0, doc="of a line, at every node (NeuroSim)")
    gate_capacitance: float = quantity(
        0.0604e-15, unit="F", ge=0, doc="of a cell's transistor on its word line, at 32 nm, grows with the node"
    )
    drain_capacitance: float = quantity(
        0.1514e-15, unit="F", ge=0, doc="of a cell's transistor on its bit line, at 32 nm, grows with the node"
    )

    driver_power: float = quantity(3.9e-6, unit="W", ge=0, doc="of a line's 1-bit driver, at 32 nm (ISAAC)")
    dac_energy: float = quantity(
        0.29e-12, unit="J", ge=0, doc="of an 8-bit conversion, at 40 nm, doubles with each bit (VLSI 2018)"
    )
    comparator_energy: float = quantity(42e-15, unit="J", ge=0, doc="of a comparison, at 65 nm (TIMELY)")
    verify: Literal["comparator", "adc"] = setting("comparator", doc="what senses the reads of closed loops")
    adder_energy: float = quantity(0.03e-12, unit="J", ge=0, doc="of an 8-bit addition, at 45 nm (Horowitz)")
    multiplier_energy: float = quantity(0.2e-12, unit="J", ge=0, doc="of an 8-bit product, at 45 nm (Horowitz)")
    memory_energy: float = quantity(
        0.16e-12, unit="J", ge=0, doc="of a bit read or written in on-chip memory of 8 KB, at 45 nm (Horowitz)"
    )
    offchip_energy: float = quantity(
        3.9e-12, unit="J", ge=0, doc="of a bit fetched from memory off the chip: HBM2; GDDR5 14e-12 (NeuroSim V2.1)"
    )

    clock: float = quantity(1e9, unit="Hz", gt=0, doc="of digital circuits")
    comparator_time: float = quantity(1e-9, unit="s", ge=0, doc="of a comparison")
    settle_bits: int = quantity(8, unit="bit", ge=1, le=24, doc="to half of whose last one lines settle in a read")

    leakage: float = quantity(100e-6, unit="A/m", ge=0, doc="off current of transistors, low standby power (PTM)")
    gated: bool = setting(True, doc="idle converters are off; else they keep a fifth of their power")

    crosspoint_area: float = quantity(4.0, unit="1", gt=0, doc="of a cell without transistor, F^2")
    transistor_area: float = quantity(16.0, unit="1", gt=0, doc="of a 1T1R cell, F^2 (NeuroSim; NeuRRAM: 126)")
    dac_area: float = quantity(0.167e-12, unit="m^2", ge=0, doc="of a driven line, per bit, at 32 nm (ISAAC)")
    driver_area: float = quantity(1150e-12, unit="m^2", ge=0, doc="of a line's write driver, at 130 nm (MNSIM)")
    comparator_area: float = quantity(40e-12, unit="m^2", ge=0, doc="of a comparator, at 65 nm (TIMELY)")
    adder_area: float = quantity(278e-12, unit="m^2", ge=0, doc="of a 32-bit adder, at 40 nm (Aladdin)")
    memory_area: float = quantity(146.0, unit="1", ge=0, doc="of a bit of on-chip memory, F^2 (6T SRAM, NeuroSim)")

    @property
    def at(self) -> Node:
        """The node."""
        return node(self.node)
