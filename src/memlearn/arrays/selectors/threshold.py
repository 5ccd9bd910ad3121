"""A threshold selector in series with an ohmic cell: hardly any current below a voltage, the cell's own above."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from ...core.component import quantity
from .base import AbstractSelector


class ThresholdSelector(AbstractSelector):
    """I = G (leak V + (1 - leak) s(V)),    s(V) = w [softplus((V - V_t) / w) - softplus((-V - V_t) / w)].

    Beyond the threshold V_t the selector drops V_t and the cell the rest; far below it leaks. The knee is rounded over
    `width`, without hysteresis: what holds while pulses or reads have settled.
    """

    kind: Literal["threshold"] = "threshold"
    sources: ClassVar[tuple[str, ...]] = ("Burr et al., J. Vac. Sci. Technol. B 32:040802 (2014), access devices",)

    v_threshold: float = quantity(0.4, unit="V", gt=0, doc="voltage that the selector drops once it conducts")
    width: float = quantity(0.02, unit="V", gt=0, doc="rounding of the knee")
    leak: float = quantity(
        1e-3, unit="1", gt=0, le=1, doc="conductance far below the threshold, relative to the cell's"
    )

    def current(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """As above."""
        over = np.logaddexp(0, (voltage - self.v_threshold) / self.width)
        under = np.logaddexp(0, (-voltage - self.v_threshold) / self.width)
        return conductance * (self.leak * voltage + (1 - self.leak) * self.width * (over - under))

    def slope(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """Its derivative."""
        rise = _logistic((voltage - self.v_threshold) / self.width) + _logistic(
            (-voltage - self.v_threshold) / self.width
        )
        return conductance * (self.leak + (1 - self.leak) * rise)

    def share(self, voltage: np.ndarray, pulse: float) -> np.ndarray:
        """What the selector leaves to the cell, I / G."""
        one = np.ones(())
        return self.current(one, voltage) / self.current(one, np.asarray(pulse))

    def spice(self, conductance: float, voltage: str) -> str:
        """With the logarithm written so that it does not overflow: max(x, 0) + ln(1 + exp(-|x|))."""
        over, under = (f"(({sign}({voltage})-{self.v_threshold:.17g})/{self.width:.17g})" for sign in ("", "-"))
        soft = [f"(max({x},0)+ln(1+exp(-abs({x}))))" for x in (over, under)]
        part = f"{(1 - self.leak) * self.width:.17g}*({soft[0]}-{soft[1]})"
        return f"{conductance:.17g}*({self.leak:.17g}*({voltage})+{part})"


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))
