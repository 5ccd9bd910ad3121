"""What pulses find in the cells that they are for: conductance, pulse by pulse, and how lines share them."""

from .cpu import EITHER as EITHER
from .cpu import HEAT as HEAT
from .cpu import ON_COLUMNS as ON_COLUMNS
from .cpu import ON_ROWS as ON_ROWS
from .cpu import PULSES as PULSES
from .cpu import SLOTS as SLOTS
from .cpu import WRITTEN as WRITTEN
from .cpu import Survey as Survey
from .cpu import add_fires as add_fires
from .cpu import look_after as look_after
from .cpu import look_before as look_before
from .cpu import squares as squares
from .cpu import survey as survey
