"""Stochastic trains: both sides fire at random, and coincidences multiply."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch

from ..core.component import quantity, setting
from ..core.types import Factors, Trains
from ..ops import pulse_trains
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class StochasticTrains(AbstractWriter):
    """Row i fires in each slot with probability min(1, Cx |x_i|), column j with min(1, Cd |d_j|); Cx Cd = rate / slots.

    The mean change of a weight is learning_rate x_i d_j while nothing clips; its variance is that of a binomial count.
    Update management uses as few slots as the largest product needs and equal peak probabilities on both sides.
    """

    kind: Literal["stochastic_trains"] = "stochastic_trains"
    accepts: ClassVar[Literal["factors", "dense"]] = "factors"
    sources: ClassVar[tuple[str, ...]] = (
        "Gokmen and Vlasov, Front. Neurosci. 10:333 (2016), stochastic update",
        "Gokmen, Onen, Haensch, Front. Neurosci. 11:538 (2017), update management",
    )

    learning_rate: float = quantity(0.01, unit="1", gt=0, doc="wanted weight change / outer product of the factors")
    max_length: int = quantity(31, unit="1", ge=1, le=pulse_trains.MAX_SLOTS, doc="longest train, in slots")
    update_management: bool = setting(True, doc="choose length and gains per sample from the largest factors")

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """One train per line and sample."""
        assert isinstance(wanted, Factors)
        rows, columns = (f.detach().cpu().contiguous().numpy() for f in wanted)
        trains = np.empty(rows.shape, np.int64), np.empty(columns.shape, np.int64)
        row_key, column_key = (np.array(at.stream.child(side), np.uint32) for side in ("rows", "columns"))
        rate = self.learning_rate * at.rate / at.weight_step
        slots = pulse_trains.stochastic(
            *trains, rows, columns, rate, self.max_length, self.update_management, row_key, column_key, at.event
        )
        return Trains(torch.from_numpy(trains[0]), torch.from_numpy(trains[1]), slots)
