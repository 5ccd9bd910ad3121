"""In-memory layers, neurons and losses that look like torch's."""

from .base import ArrayLayer as ArrayLayer
from .base import Credit as Credit
from .base import Follower as Follower
from .base import Replica as Replica
from .base import array_layers as array_layers
from .base import attach_ledger as attach_ledger
from .base import counted_as as counted_as
from .base import tiles as tiles
from .conv import Conv2d as Conv2d
from .convert import convert as convert
from .linear import Linear as Linear
from .losses import SigmoidCrossEntropyLoss as SigmoidCrossEntropyLoss
from .losses import SquaredErrorLoss as SquaredErrorLoss
from .losses import TernaryMarginLoss as TernaryMarginLoss
from .low_rank import LowRankLinear as LowRankLinear
from .neurons import Neuron as Neuron
from .recurrent import ArrayCell as ArrayCell
from .recurrent import LSTMCell as LSTMCell
from .recurrent import RNNCell as RNNCell
from .scale import OutputScale as OutputScale
from .sequence import LSTM as LSTM
from .sequence import RNN as RNN
