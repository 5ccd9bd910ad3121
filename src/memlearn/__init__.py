"""memlearn trains neural networks inside simulated memristor crossbars.

    import memlearn
    layer = memlearn.nn.Linear(64, 10, array=memlearn.Array(device=memlearn.devices.SoftBounds()))

Forward read, error back-propagation and weight update all pass through the same simulated array, and every event is
counted.
"""

from . import chip, compensation, devices, learning, nn, periphery, programming
from .arrays import wires
from .core.errors import DataError, InputError, MemlearnError
from .core.ledger import Ledger
from .core.version import VERSION as __version__
from .experiment import Experiment, read_experiment, resume, run
from .tile import Array, Crossbar, Periphery, Port

__all__ = [
    "Array",
    "Crossbar",
    "DataError",
    "Experiment",
    "InputError",
    "Ledger",
    "MemlearnError",
    "Periphery",
    "Port",
    "__version__",
    "chip",
    "compensation",
    "devices",
    "learning",
    "nn",
    "periphery",
    "programming",
    "read_experiment",
    "resume",
    "run",
    "wires",
]
