"""In-memory layers, neurons and losses that look like torch's."""

from .base import ArrayLayer as ArrayLayer
from .base import Credit as Credit
from .base import array_layers as array_layers
from .base import attach_ledger as attach_ledger
from .convert import convert as convert
from .linear import Linear as Linear
from .losses import TernaryMarginLoss as TernaryMarginLoss
from .neurons import Neuron as Neuron
