"""Imperfections that any device law can carry."""

from .base import AbstractEffect as AbstractEffect
from .faults import StuckCells as StuckCells
from .noise import ReadNoise as ReadNoise
from .retention import Retention as Retention
from .spread import CycleToCycle as CycleToCycle
from .spread import DeviceToDevice as DeviceToDevice
