"""Imperfections that any device law can carry. To add one: its file, one export line here, one line in CASES."""

from ...core.component import members
from .base import AbstractEffect as AbstractEffect
from .drift import Drift as Drift
from .endurance import Endurance as Endurance
from .fault_lines import FaultyLines as FaultyLines
from .fault_map import FaultMapFile as FaultMapFile
from .faults import StuckCells as StuckCells
from .flicker import FlickerNoise as FlickerNoise
from .noise import ReadNoise as ReadNoise
from .relaxation import Relaxation as Relaxation
from .retention import Retention as Retention
from .spread import CycleToCycle as CycleToCycle
from .spread import DeviceToDevice as DeviceToDevice
from .telegraph import TelegraphNoise as TelegraphNoise
from .write_noise import WriteNoise as WriteNoise

MEMBERS = members(globals(), AbstractEffect)
