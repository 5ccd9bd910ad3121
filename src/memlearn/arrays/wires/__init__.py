"""Wires of a tile. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractWires as AbstractWires
from .functions import solve as solve
from .functions import solved_ends as solved_ends
from .functions import transfer as transfer
from .ideal import IdealWires as IdealWires
from .matrices import Matrices as Matrices
from .resistive import ResistiveWires as ResistiveWires
from .writing import write_voltages as write_voltages

MEMBERS = members(globals(), AbstractWires)
AnyWires = choice(MEMBERS)
