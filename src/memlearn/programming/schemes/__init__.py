"""Schemes: how a cell reaches a chosen conductance. To add one: its file, one line here, one in the contract tests."""

from ...core.component import choice, members
from .base import AbstractScheme as AbstractScheme
from .base import Order as Order
from .base import Programmed as Programmed
from .gate_compliance import GateCompliance as GateCompliance
from .read_write import ReadWrite as ReadWrite
from .write_verify import WriteVerify as WriteVerify

MEMBERS = members(globals(), AbstractScheme)
AnyScheme = choice(MEMBERS)
