"""Write noise of cells in kernels that train whole batches; see cpu.py."""

from .cpu import Unsettled as Unsettled
from .cpu import normal_at as normal_at
from .cpu import see_fired as see_fired
from .cpu import see_since as see_since
from .cpu import see_written as see_written
from .cpu import visible as visible
