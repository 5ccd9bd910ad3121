"""Which neurons learn. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractGate as AbstractGate
from .everything import Everything as Everything
from .last_layers import LastLayers as LastLayers
from .worst_neurons import WorstNeurons as WorstNeurons

MEMBERS = members(globals(), AbstractGate)
AnyGate = choice(MEMBERS)
