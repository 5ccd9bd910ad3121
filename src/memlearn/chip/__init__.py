"""Chips: a simulator, or somebody's instrument, behind one interface; arrays of a model that live on them."""

from .base import Chip as Chip
from .base import ChipError as ChipError
from .base import Reached as Reached
from .check import Finding as Finding
from .check import Tried as Tried
from .check import check as check
from .connect import connect as connect
from .folder import FolderChip as FolderChip
from .process import ProcessChip as ProcessChip
from .simulated import SimulatedChip as SimulatedChip
from .tile import ChipTile as ChipTile
