"""The bill of a run: energy, time, area and wear, each total the sum of its parts, and what the totals hang on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..core.component import Component, kind_of, unit_of
from ..core.ledger import Amount, Event
from .area import area_parts
from .converters import MEMBERS
from .endurance import wear
from .energy import energy_parts
from .latency import latency_parts
from .parts import Total, total
from .settings import Cost
from .technology import NODES
from .use import Use

PRICED = {event.value for event in Event} - {Event.LINE_GAIN.value}
"""Events that have a price here, or need none of their own."""

_TOTALS = ("energy", "latency", "area")


class Bill(NamedTuple):
    """What a run cost."""

    use: Use
    cost: Cost
    energy: Total
    """J."""
    latency: Total
    """s."""
    area: Total
    """m^2."""
    wear: dict[str, Any]
    notes: tuple[str, ...]
    """What was assumed where the run does not say."""
    unpriced: tuple[str, ...]
    """Events that happened and have no price."""

    def table(self, *, sensitive: bool = True) -> dict[str, Any]:
        """As plain data, for JSON.

        Arguments:
            sensitive: with the sensitivities, which take the bill some fifty times.
        """
        images = max(1, self.use.images)
        return {
            "energy": self.energy.table(),
            "latency": self.latency.table(),
            "area": self.area.table(),
            "wear": self.wear,
            "per_image": {"energy": self.energy.total / images, "latency": self.latency.total / images},
            "per_update": {"energy": self.energy.total / max(1, self.use.steps)},
            "sensitivity": sensitivity(self) if sensitive else [],
            "assumptions": self.cost.table(),
            "notes": list(self.notes),
            "unpriced": list(self.unpriced),
            "sources": list(dict.fromkeys((*self.cost.sources, *self.cost.at.sources, *self.cost.adc.sources))),
            "use": self.use.table(),
        }


def bill(use: Use, cost: Cost) -> Bill:
    """What a run cost.

    Arguments:
        use: its arrays and what they did.
        cost: assumptions.
    """
    return Bill(
        use,
        cost,
        total("J", energy_parts(use, cost)),
        total("s", latency_parts(use, cost)),
        total("m^2", area_parts(use, cost)),
        wear(use),
        tuple(_notes(use, cost)),
        tuple(_unpriced(use)),
    )


def sensitivity(found: Bill) -> list[dict[str, Any]]:
    """What each assumption moves: numbers are doubled and halved, choices exchanged.

    Returns:
        One object an assumption and value: assumption, value, and energy, latency and area with it / without, those
        that move a total most first.
    """
    rows = []
    for name, value, changed in _variations(found.cost):
        other = bill(found.use, changed)
        ratios = {
            what: getattr(other, what).total / base if (base := getattr(found, what).total) else 1.0 for what in _TOTALS
        }
        rows.append({"assumption": name, "value": value, **ratios})
    return sorted(rows, key=lambda row: -max(abs(math.log(max(row[what], 1e-30))) for what in _TOTALS))


def _variations(cost: Cost) -> Iterator[tuple[str, Any, Cost]]:
    """Every assumption with other values, one at a time; nodes one step up and down."""
    places = {nanometres: k for k, nanometres in enumerate(NODES)}
    for place in (places[cost.node] - 1, places[cost.node] + 1):
        if 0 <= place < len(NODES):
            yield "node", NODES[place], cost.replace(node=NODES[place])
    for name, values in (
        ("cell", ("1t1r", "v_half", "v_third")),
        ("write_order", ("row", "array", "cell")),
        ("verify", ("comparator", "adc")),
        ("gated", (True, False)),
        ("sharing", (1, 8, 128)),
    ):
        for value in values:
            if value != getattr(cost, name):
                yield name, value, cost.replace(**{name: value})
    for kind, member in MEMBERS.items():
        if kind != kind_of(type(cost.adc)):
            yield "adc.kind", kind, cost.replace(adc=member())
    if getattr(cost.adc, "percentile", None) == "median":
        yield "adc.percentile", "p10", cost.replace(adc=cost.adc.replace(percentile="p10"))
    for name, value in _numbers(cost):
        for factor in (2.0, 0.5):
            yield name, value * factor, cost.replace(**{name: value * factor})
    for name, value in _numbers(cost.adc):
        for factor in (2.0, 0.5):
            yield f"adc.{name}", value * factor, cost.replace(adc=cost.adc.replace(**{name: value * factor}))


def _numbers(part: Component) -> Iterator[tuple[str, float]]:
    """Its real numbers above zero."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if unit_of(field) and isinstance(value, float) and value > 0:
            yield name, value


def _notes(use: Use, cost: Cost) -> Iterator[str]:
    for array in use.arrays:
        stated = [pulse for pulse in (array.up, array.down) if pulse.voltage is not None and pulse.width is not None]
        if len(stated) < 2 and any(array.count(during, Event.PULSE) for during in array.counts):
            yield (
                f"{array.name}: the device does not state its pulses; {cost.default_voltage:g} V and "
                f"{cost.default_width:g} s are assumed (cost.default_voltage, cost.default_width)."
            )
        if array.reads("forward") and not array.count("forward", Amount.READ_HEAT):
            yield (
                f"{array.name}: the heat of its cells was not measured; every line counts as fully driven and every "
                "cell as the mean one (training.energy = true measures)."
            )
        bits = [array.forward.sense_bits, array.forward.drive_bits if array.forward.drive == "dac" else 0]
        if (array.forward.sense == "adc" and bits[0] is None) or bits[1] is None:
            yield (
                f"{array.name}: converters that the run takes to be continuous are charged as ones of "
                f"{cost.continuous_bits} bits (cost.continuous_bits)."
            )
    if use.endurance is None:
        yield "Nobody says what the cells survive: lifetimes are unknown."


def _unpriced(use: Use) -> Iterator[str]:
    """Names of events that were counted and that nothing above charges."""
    known = PRICED | {amount.value for amount in Amount}
    for array in use.arrays:
        for during, counts in array.counts.items():
            for name in counts:
                if name not in known:
                    yield f"{array.name}/{during}/{name}"
