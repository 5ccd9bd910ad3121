"""The bill of a run: what its arrays are, and what the ledger saw them do, handed to the cost model."""

from __future__ import annotations

from typing import Any, Literal

from ..compound import physical
from ..core.ledger import Ledger
from ..cost import ArrayUse, Bill, Cost, Pulse, Side, Use, bill
from ..devices import AbstractDevice
from ..learning import Rule
from ..nn import array_layers, tiles
from ..periphery import ADC, DAC, Analogue
from ..programming import ClosedLoop
from ..tile import Port, Tile
from .config import Experiment
from .session import Session


def bill_of(session: Session) -> Bill | None:
    """What a run has cost so far; None for a network in floating point."""
    return None if not isinstance(session.main.rule, Rule) else bill(use_of(session), session.experiment.cost)


def bill_from(result: dict[str, Any], cost: Cost | None = None) -> Bill | None:
    """The bill of a finished run, also under other assumptions than its own; None where it had none.

    Arguments:
        result: as result.json holds it.
        cost: assumptions; None: those of the run.
    """
    found = result.get("cost")
    if not found:
        return None
    return bill(Use.from_table(found["use"]), cost or Cost.from_table(found["assumptions"]))


def use_of(session: Session) -> Use:
    """What a run has used so far."""
    experiment, rule = session.experiment, session.main.rule
    assert isinstance(rule, Rule)
    arrays, seen = tiles(session.main.model), counted(session.ledger)
    memory = rule.digital_memory(session.batch)
    first = next(iter(arrays.values())).array.periphery.forward
    limit, says = _endurance(experiment)
    leading = {next(iter(physical(name, layer.tile))) for name, layer in array_layers(session.main.model).items()}
    return Use(
        arrays=tuple(
            _array(
                name, tile, seen.get(name, {}), _writes(rule), float(session.initial[name].sum()) / tile.cells
            )._replace(leads=name in leading)
            for name, tile in arrays.items()
        ),
        others={name: passes for name, passes in seen.items() if name not in arrays},
        images=session.overall.images + session.main.totals.images,
        steps=session.overall.steps + session.main.totals.steps,
        batch=session.batch,
        input_bits=int(session.data.train.inputs[0].numel()) * _bits(first),
        weight_bits=memory.bits_per_weight,
        neuron_bits=memory.bits_per_neuron,
        gradient="none" if rule.writer.accepts == "factors" else "add" if rule.credit.ternary else "multiply",
        mirror=rule.credit.through_twin,
        endurance=limit,
        endurance_from=says,
    )


def counted(ledger: Ledger) -> dict[str, dict[str, dict[str, float]]]:
    """Counts and amounts by layer, pass and name."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for key, value in (*ledger.state().items(), *ledger.amounts().items()):
        layer, during, name = key.rsplit("/", 2)
        found.setdefault(layer, {}).setdefault(during, {})[name] = value
    return found


def _array(name: str, tile: Tile, counts: Any, writes: Any, before: float) -> ArrayUse:
    device, array = tile.array.device, tile.array
    pulses = tile.counters[..., 0][tile.used()]
    p99 = pulses.sort().values[-(-99 * len(pulses) // 100) - 1]
    return ArrayUse(
        name=name,
        tiles=tile.tiles,
        rows=tile.conductance.shape[2],
        columns=tile.conductance.shape[3],
        inputs=tile.inputs,
        outputs=tile.outputs,
        cells=tile.cells,
        g_min=device.g_min,
        g_max=device.g_max,
        g_mean=(before + float(tile.conductance.sum()) / tile.cells) / 2,
        read_voltage=array.crossbar.read_voltage,
        up=_pulse(device, "up_pulse"),
        down=_pulse(device, "down_pulse"),
        forward=_side(array.periphery.forward),
        backward=_side(array.periphery.backward),
        writes=writes,
        write_sharing=array.crossbar.write_sharing,
        counts=counts,
        pulses_mean=float(pulses.double().mean()),
        pulses_p99=float(p99),
        pulses_max=float(pulses.max()),
    )


def _pulse(device: AbstractDevice, which: str) -> Pulse:
    found = getattr(device, which)
    return Pulse(found.voltage, found.width)


def _side(port: Port) -> Side:
    drive, sense = port.drive, port.sense
    kind: Literal["adc", "analogue", "comparator"] = "comparator"
    if isinstance(sense, ADC | Analogue):
        kind = "adc" if isinstance(sense, ADC) else "analogue"
    return Side(
        "dac" if isinstance(drive, DAC) else "switch",
        drive.bits if isinstance(drive, DAC) else 1,
        kind,
        sense.bits if isinstance(sense, ADC) else None,
        getattr(sense, "sharing", 1),
    )


def _bits(port: Port) -> int:
    """Of an input, as the drivers of the first layer take it."""
    return (port.drive.bits or 8) if isinstance(port.drive, DAC) else 1


def _writes(rule: Rule) -> Literal["trains", "counts", "closed"]:
    if rule.writer.accepts == "factors":
        return "trains"
    return "closed" if rule.accumulator.gives == "targets" or isinstance(rule.writer, ClosedLoop) else "counts"


def _endurance(experiment: Experiment) -> tuple[float | None, str]:
    """What cells survive, and who says so: the device, or the run's own assumption."""
    lifetime = experiment.device.endurance.lifetime
    if lifetime is not None:
        return lifetime, "device.endurance.lifetime"
    return experiment.training.wear.endurance, "assumed: training.wear.endurance"
