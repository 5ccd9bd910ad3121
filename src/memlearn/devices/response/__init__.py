"""Answers to partial pulses. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractResponse as AbstractResponse
from .power import PowerResponse as PowerResponse
from .sinh import SinhResponse as SinhResponse
from .threshold import ThresholdResponse as ThresholdResponse

MEMBERS = members(globals(), AbstractResponse)
AnyResponse = choice(MEMBERS)
