"""Outcomes of iterative work: failure is a value that carries advice, never a print and never NaN."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How an iterative step ended; the value is what to do next."""

    CONVERGED = "nothing to do"
    NOT_CONVERGED = "allow more iterations, loosen the tolerance, or use the exact solver"
    BUDGET_SPENT = "raise the pulse budget, or widen the verify tolerance"
    OUT_OF_RANGE = "the target lies outside the conductance range of the device; rescale the weights"

    @property
    def ok(self) -> bool:
        """True when the step reached its goal."""
        return self is Outcome.CONVERGED

    @property
    def advice(self) -> str:
        """What to try next."""
        return self.value
