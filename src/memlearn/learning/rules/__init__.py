"""The published rules by name: each is a choice of credit, accumulator and writer.

    rule = memlearn.learning.sign_backprop(model, threshold=2)
    ...
    loss.backward(); rule.step(); rule.zero_grad()

Any other combination is a rule too: `Rule(model, Parts(credit=..., accumulator=..., writer=...))`. To add one: its
class in a file here, one export line below (and its function in functions.py), one line in the contract-test list.
"""

from ...core.component import choice, members
from .base import AbstractRule as AbstractRule
from .closed_loop import QuantisedSynapses as QuantisedSynapses
from .closed_loop import ReadWrite as ReadWrite
from .closed_loop import ReadWriteVerify as ReadWriteVerify
from .closed_loop import Siamese as Siamese
from .custom import Custom as Custom
from .custom import FloatReference as FloatReference
from .functions import agad as agad
from .functions import analogue_hidden as analogue_hidden
from .functions import capacitor_transfer as capacitor_transfer
from .functions import chopped_tiki_taka as chopped_tiki_taka
from .functions import low_rank_sgd as low_rank_sgd
from .functions import manhattan as manhattan
from .functions import mixed_precision as mixed_precision
from .functions import multi_threshold as multi_threshold
from .functions import multi_tile as multi_tile
from .functions import outer_product_sgd as outer_product_sgd
from .functions import periodic_carry as periodic_carry
from .functions import quantised as quantised
from .functions import read_write as read_write
from .functions import read_write_verify as read_write_verify
from .functions import residual_learning as residual_learning
from .functions import rounded_sgd as rounded_sgd
from .functions import sgd as sgd
from .functions import siamese as siamese
from .functions import sign_backprop as sign_backprop
from .functions import sign_backprop_counter as sign_backprop_counter
from .functions import threshold_manhattan as threshold_manhattan
from .functions import tiki_taka as tiki_taka
from .functions import tiki_taka_v2 as tiki_taka_v2
from .functions import tracked as tracked
from .functions import weighted_synapse as weighted_synapse
from .gradient import SGD as SGD
from .gradient import IdealSGD as IdealSGD
from .gradient import MixedPrecision as MixedPrecision
from .gradient import RoundedSGD as RoundedSGD
from .low_rank import LowRankSGD as LowRankSGD
from .second_array import AGAD as AGAD
from .second_array import ChoppedTikiTaka as ChoppedTikiTaka
from .second_array import MultiTile as MultiTile
from .second_array import ResidualLearning as ResidualLearning
from .second_array import TikiTaka as TikiTaka
from .second_array import TikiTakaV2 as TikiTakaV2
from .second_array import Tracked as Tracked
from .signs import Manhattan as Manhattan
from .signs import MultiThresholdRule as MultiThresholdRule
from .signs import SignBackpropagation as SignBackpropagation
from .signs import SignBackpropagationCounter as SignBackpropagationCounter
from .signs import ThresholdManhattan as ThresholdManhattan
from .weight_cells import AnalogueHidden as AnalogueHidden
from .weight_cells import CapacitorTransfer as CapacitorTransfer
from .weight_cells import PeriodicCarry as PeriodicCarry
from .weight_cells import WeightedSynapse as WeightedSynapse

MEMBERS = members(globals(), AbstractRule)
AnyRule = choice(MEMBERS)
