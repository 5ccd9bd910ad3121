"""The contract of rules: settings that choose credit, accumulator and writer, and may be left to the device."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from ...cells import AnyCell
from ...core.component import Component, kind_of
from ...core.errors import InputError
from ...nn import array_layers
from ..automatic import Facts
from ..gates import AbstractGate
from ..rule import Parts, Rule


class AbstractRule(Component):
    """Settings of a published rule; those that are None are set from the device and the layers (docs/rules.md)."""

    @abstractmethod
    def parts(self) -> Parts:
        """Credit, accumulator and writer."""

    @property
    def cell(self) -> AnyCell | None:
        """The weight cells that the rule is made for; None where any will do."""
        return None

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """Values for the settings that may be left open, by name."""
        return {}

    def choices(self, facts: Facts) -> dict[str, Any]:
        """Those of them that are left open here."""
        return {name: value for name, value in self.automatic(facts).items() if getattr(self, name) is None}

    def set_by_cells(self, rule: Rule) -> dict[str, Any]:
        """What the weight cells of an attached rule have set by themselves, to stand among its choices."""
        return {}

    @property
    def is_open(self) -> bool:
        """Whether anything is left open."""
        return any(getattr(self, name) is None for name in self.automatic(Facts()))

    def resolved(self, facts: Facts | None = None) -> Self:
        """A copy with nothing left open; without facts, for a plain device of 64 states."""
        return self.replace(**self.choices(facts or Facts()))

    def attach(
        self,
        model: nn.Module,
        *,
        batch: int = 32,
        slowest: float = 1.0,
        gate: AbstractGate | None = None,
        start: Mapping[str, Tensor] | None = None,
    ) -> Rule:
        """The rule at work on a model.

        Arguments:
            model: with in-memory layers.
            batch: samples between two writes, for settings that are left open.
            slowest: the lowest rate that a schedule will set, for the same.
            gate, start: as of `Rule`.
        """
        if self.cell is not None:
            for name, layer in array_layers(model).items():
                if layer.tile.array.cell.kind != self.cell.kind:
                    allowed = f"must be {self.cell.kind} for {kind_of(type(self))}"
                    kind = layer.tile.array.cell.kind
                    raise InputError(f"{name}.array.cell", kind, allowed, "Give the Array such cells")
        chosen = self.choices(Facts.of_model(model, batch=batch, slowest=slowest)) if self.is_open else {}
        rule = Rule(model, self.replace(**chosen).parts(), gate=gate, start=start)
        rule.choices = chosen | self.set_by_cells(rule)
        return rule
