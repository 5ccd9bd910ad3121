"""Corrections of wire resistance. To add one: its file, one export line here, one line in the contract-test list."""

from ..core.component import choice, members
from .adapted_programming import AdaptedProgramming as AdaptedProgramming
from .array_gain import ArrayGain as ArrayGain
from .aware import SeenThroughWires as SeenThroughWires
from .base import AbstractCorrection as AbstractCorrection
from .base import Cost as Cost
from .base import Mapped as Mapped
from .base import output_error as output_error
from .base import source_voltage_error as source_voltage_error
from .base import start as start
from .column_gain import ColumnGain as ColumnGain
from .double_sided import DoubleSided as DoubleSided
from .line_restore import LineRestore as LineRestore
from .pairing import Pairing as Pairing
from .predistortion import Predistortion as Predistortion
from .tiles import Layer as Layer
from .tiles import built as built
from .tiles import correct as correct
from .tiles import correct_model as correct_model
from .tiles import effective_weight as effective_weight
from .tiles import line_voltages as line_voltages
from .tiles import total as total
from .tiling import Tiling as Tiling

MEMBERS = members(globals(), AbstractCorrection)
AnyCorrection = choice(MEMBERS)
