"""Schemes: how a cell reaches a chosen conductance. To add one: its file, one line here, one in the contract tests."""

from ...core.component import choice, members
from .base import AbstractScheme as AbstractScheme
from .base import Known as Known
from .base import Order as Order
from .base import Programmed as Programmed
from .gate_compliance import GateCompliance as GateCompliance
from .gate_ramp import GateRamp as GateRamp
from .ispp import IncrementalStepPulses as IncrementalStepPulses
from .ispp import Ramp as Ramp
from .proportional import Proportional as Proportional
from .read_write import ReadWrite as ReadWrite
from .write_verify import WriteVerify as WriteVerify

MEMBERS = members(globals(), AbstractScheme)
AnyScheme = choice(MEMBERS)
