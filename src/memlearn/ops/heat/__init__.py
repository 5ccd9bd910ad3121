"""What pulses find in the cells that they are for: conductance, pulse by pulse, and how lines share them."""

from .cpu import Survey as Survey
from .cpu import add_fires as add_fires
from .cpu import look_at_lines as look_at_lines
from .cpu import squares as squares
from .cpu import survey as survey
