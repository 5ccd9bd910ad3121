"""Credit: whose error. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .backprop import Backprop as Backprop
from .base import AbstractCredit as AbstractCredit
from .sign_backprop import SignBackprop as SignBackprop
from .twin import TwinBackprop as TwinBackprop

MEMBERS = members(globals(), AbstractCredit)
AnyCredit = choice(MEMBERS)
