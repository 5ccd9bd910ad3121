"""Selectors of a cell. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractSelector as AbstractSelector
from .ohmic import Ohmic as Ohmic
from .sinh import Sinh as Sinh
from .table import CurrentTable as CurrentTable
from .threshold import ThresholdSelector as ThresholdSelector

MEMBERS = members(globals(), AbstractSelector)
AnySelector = choice(MEMBERS)
