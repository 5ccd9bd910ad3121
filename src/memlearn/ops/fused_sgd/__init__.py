"""In-situ SGD on a stack of layers in one compiled call; see cpu.py."""

from .cpu import BINARY_STEP as BINARY_STEP
from .cpu import CROSS_ENTROPY as CROSS_ENTROPY
from .cpu import DIFFERENTIAL_PAIR as DIFFERENTIAL_PAIR
from .cpu import NO_NEURON as NO_NEURON
from .cpu import REFERENCE_COLUMN as REFERENCE_COLUMN
from .cpu import RELU as RELU
from .cpu import SIGMOID as SIGMOID
from .cpu import SIGMOID_CROSS_ENTROPY as SIGMOID_CROSS_ENTROPY
from .cpu import SQUARED_ERROR as SQUARED_ERROR
from .cpu import TANH as TANH
from .cpu import TERNARY_MARGIN as TERNARY_MARGIN
from .cpu import Keys as Keys
from .cpu import Layer as Layer
from .cpu import Port as Port
from .cpu import backward as backward
from .cpu import compile_sgd as compile_sgd
from .cpu import fire_neurons as fire_neurons
from .cpu import fire_trains as fire_trains
from .cpu import forward as forward
from .cpu import output_error as output_error
from .cpu import scratch_for as scratch_for
