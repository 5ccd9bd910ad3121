"""Weight cells: parts of a weight. To add one: its file, one export line here, one line in the contract-test list."""

from ..core.component import choice, members
from .base import AbstractCell as AbstractCell
from .base import Access as Access
from .base import Memory as Memory
from .base import Part as Part
from .carry import Carry as Carry
from .hidden import Hidden as Hidden
from .major_minor import MajorMinor as MajorMinor
from .second_array import SecondArray as SecondArray
from .single import Single as Single
from .volatile import Volatile as Volatile

MEMBERS = members(globals(), AbstractCell)
AnyCell = choice(MEMBERS)
