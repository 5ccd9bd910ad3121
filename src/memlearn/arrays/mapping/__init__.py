"""Mappings of weights to cells. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractMapping as AbstractMapping
from .base import Access as Access
from .differential_pair import DifferentialPair as DifferentialPair
from .frozen_pair import FrozenPair as FrozenPair
from .one_sided_pair import OneSidedPair as OneSidedPair
from .reference_column import ReferenceColumn as ReferenceColumn
from .ternary_pair import TernaryPair as TernaryPair
from .xnor import ComplementaryCrossbar as ComplementaryCrossbar
from .xnor import TwinCrossbar as TwinCrossbar

MEMBERS = members(globals(), AbstractMapping)
AnyMapping = choice(MEMBERS)
