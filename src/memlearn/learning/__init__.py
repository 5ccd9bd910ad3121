"""Learning rules; see rules/ for the published ones and rule.py for what they share."""

from .automatic import Facts as Facts
from .rule import Memory as Memory
from .rule import Parts as Parts
from .rule import Rule as Rule
from .rules import MEMBERS as MEMBERS
from .rules import AbstractRule as AbstractRule
from .rules import AnyRule as AnyRule
from .rules import FloatReference as FloatReference
from .rules import capacitor_transfer as capacitor_transfer
from .rules import low_rank_sgd as low_rank_sgd
from .rules import manhattan as manhattan
from .rules import mixed_precision as mixed_precision
from .rules import multi_threshold as multi_threshold
from .rules import outer_product_sgd as outer_product_sgd
from .rules import periodic_carry as periodic_carry
from .rules import quantised as quantised
from .rules import read_write as read_write
from .rules import read_write_verify as read_write_verify
from .rules import rounded_sgd as rounded_sgd
from .rules import sgd as sgd
from .rules import siamese as siamese
from .rules import sign_backprop as sign_backprop
from .rules import sign_backprop_counter as sign_backprop_counter
from .rules import threshold_manhattan as threshold_manhattan
from .rules import weighted_synapse as weighted_synapse
