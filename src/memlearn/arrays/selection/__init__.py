"""Selection schemes of writes. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractSelection as AbstractSelection
from .base import Exposures as Exposures
from .base import LineShares as LineShares
from .floating import Floating as Floating
from .one_transistor import OneTransistor as OneTransistor
from .v_half import HalfVoltage as HalfVoltage
from .v_third import ThirdVoltage as ThirdVoltage

MEMBERS = members(globals(), AbstractSelection)
AnySelection = choice(MEMBERS)
