"""Networks of an experiment. To add one: its file, one export line here, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractNetwork as AbstractNetwork
from .base import Maker as Maker
from .base import Matrix as Matrix
from .cnn import CNN as CNN
from .mlp import MLP as MLP
from .recurrent import Recurrent as Recurrent

MEMBERS = members(globals(), AbstractNetwork)
AnyNetwork = choice(MEMBERS)
