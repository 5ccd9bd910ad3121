"""Drivers, sense circuits, neurons. To add one: its file, one export line here, one line in the contract-test list."""

from ..core.component import choice, members
from .adc import ADC as ADC
from .adc import Analogue as Analogue
from .base import AbstractDriver as AbstractDriver
from .base import AbstractSense as AbstractSense
from .base import Address as Address
from .base import Driven as Driven
from .base import steps_per_side as steps_per_side
from .comparator import Comparator as Comparator
from .comparator import TernaryComparator as TernaryComparator
from .dac import DAC as DAC
from .neuron import AbstractNeuron as AbstractNeuron
from .neuron import BinaryStep as BinaryStep
from .neuron import Fired as Fired
from .neuron import ReLU as ReLU
from .neuron import Sigmoid as Sigmoid
from .neuron import StochasticBinary as StochasticBinary
from .neuron import Tanh as Tanh
from .switch import BinaryDriver as BinaryDriver
from .switch import StochasticBinaryDriver as StochasticBinaryDriver
from .switch import TernaryDriver as TernaryDriver

DRIVERS = members(globals(), AbstractDriver)
SENSES = members(globals(), AbstractSense)
NEURONS = members(globals(), AbstractNeuron)
AnyDriver = choice(DRIVERS)
AnySense = choice(SENSES)
AnyNeuron = choice(NEURONS)
