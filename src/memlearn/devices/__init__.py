"""Device laws. To add one: its file, one export line here, one line in the contract-test list."""

from ..core.component import choice, members
from .base import AbstractDevice as AbstractDevice
from .base import Backend as Backend
from .base import Pulse as Pulse
from .binary_switch import BinarySwitch as BinarySwitch
from .capacitor import Capacitor as Capacitor
from .constant import ConstantStep as ConstantStep
from .exponential_step import ExponentialStep as ExponentialStep
from .fitting import DeviceFit as DeviceFit
from .fitting import Reading as Reading
from .fitting import Traces as Traces
from .fitting import fit as fit
from .fitting import read_traces as read_traces
from .jump_table import JumpTable as JumpTable
from .linear_step import LinearStep as LinearStep
from .neurosim_curve import NeuroSimCurve as NeuroSimCurve
from .one_sided import OneSided as OneSided
from .piecewise_step import PiecewiseStep as PiecewiseStep
from .power_step import PowerStep as PowerStep
from .presets import Preset as Preset
from .presets import load as load
from .presets import presets as presets
from .soft_bounds import SoftBounds as SoftBounds
from .soft_bounds_reference import SoftBoundsReference as SoftBoundsReference
from .stanford import Stanford as Stanford
from .state import Cells as Cells
from .state import DeviceState as DeviceState
from .symmetric import symmetric_point as symmetric_point
from .vteam import VTEAM as VTEAM

MEMBERS = members(globals(), AbstractDevice)
AnyDevice = choice(MEMBERS)
