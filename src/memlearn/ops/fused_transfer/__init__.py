"""Training with a second, fast array on a stack of layers in one compiled call; see cpu.py and lines.py."""

from .cpu import EACH as EACH
from .cpu import FAST as FAST
from .cpu import FLIP as FLIP
from .cpu import Keys as Keys
from .cpu import Target as Target
from .cpu import compile_transfer as compile_transfer
from .cpu import scratch_for as scratch_for
from .lines import AVERAGE as AVERAGE
from .lines import DIGITAL as DIGITAL
from .lines import DYNAMIC as DYNAMIC
from .lines import NONE as NONE
from .lines import RANDOM as RANDOM
from .lines import REGULAR as REGULAR
from .lines import TRACKED as TRACKED
from .lines import Reader as Reader
from .lines import Transfer as Transfer
