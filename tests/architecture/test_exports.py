"""What each package shows the world, pinned: an export comes and goes on purpose, never by accident.

After a wanted change, paste the line that the failing test prints, or print the whole table anew:

    .venv/bin/python -m tests.architecture.test_exports
"""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import memlearn
from memlearn.core.component import Component, kind_of
from tests.architecture.package import module_names, modules

EXPORTS: dict[str, tuple[str, ...]] = {
    "memlearn": (
        "Array",
        "Crossbar",
        "DataError",
        "Experiment",
        "InputError",
        "Ledger",
        "MemlearnError",
        "Periphery",
        "Port",
        "__version__",
        "chip",
        "compensation",
        "devices",
        "learning",
        "nn",
        "periphery",
        "programming",
        "read_experiment",
        "resume",
        "run",
        "wires",
    ),
    "memlearn.arrays.mapping": ("AbstractMapping", "Access", "AnyMapping", "MEMBERS"),
    "memlearn.arrays.selection": ("AbstractSelection", "AnySelection", "Exposures", "LineShares", "MEMBERS"),
    "memlearn.arrays.selectors": ("AbstractSelector", "AnySelector", "MEMBERS"),
    "memlearn.arrays.wires": (
        "AbstractWires",
        "AnyWires",
        "MEMBERS",
        "Matrices",
        "solve",
        "solved_ends",
        "transfer",
        "write_voltages",
    ),
    "memlearn.cells": ("AbstractCell", "Access", "AnyCell", "MEMBERS", "Memory", "Part"),
    "memlearn.chip": (
        "Chip",
        "ChipError",
        "ChipTile",
        "Finding",
        "FolderChip",
        "ProcessChip",
        "Reached",
        "SimulatedChip",
        "Tried",
        "check",
        "connect",
    ),
    "memlearn.compensation": (
        "AbstractCorrection",
        "AnyCorrection",
        "Cost",
        "Layer",
        "MEMBERS",
        "Mapped",
        "SeenThroughWires",
        "built",
        "correct",
        "correct_model",
        "effective_weight",
        "line_voltages",
        "output_error",
        "source_voltage_error",
        "start",
        "total",
    ),
    "memlearn.cost": (
        "AbstractConverter",
        "AnyConverter",
        "ArrayUse",
        "Bill",
        "Cost",
        "Part",
        "Pulse",
        "Side",
        "Total",
        "Use",
        "bill",
        "sensitivity",
        "write_energy",
    ),
    "memlearn.cost.converters": ("AbstractConverter", "AnyConverter", "MEMBERS"),
    "memlearn.cost.technology": ("NODES", "Node", "node", "scaled"),
    "memlearn.datasets": (
        "AbstractDataset",
        "AnyDataset",
        "Data",
        "Digits",
        "FashionMnist",
        "MEMBERS",
        "Mnist",
        "Split",
    ),
    "memlearn.devices": (
        "AbstractDevice",
        "AnyDevice",
        "Backend",
        "Cells",
        "DeviceFit",
        "DeviceState",
        "MEMBERS",
        "Preset",
        "Pulse",
        "Reading",
        "Traces",
        "fit",
        "load",
        "presets",
        "read_traces",
        "symmetric_point",
    ),
    "memlearn.devices.effects": (
        "AbstractEffect",
        "CycleToCycle",
        "DeviceToDevice",
        "FaultMapFile",
        "FaultyLines",
        "MEMBERS",
        "ReadNoise",
        "StuckCells",
    ),
    "memlearn.devices.fitting": ("CHOICES", "DeviceFit", "Reading", "Traces", "UNITS", "fit", "read_traces"),
    "memlearn.devices.response": ("AbstractResponse", "AnyResponse", "MEMBERS"),
    "memlearn.experiment": (
        "Described",
        "Experiment",
        "Interrupted",
        "Override",
        "Tick",
        "Training",
        "Watcher",
        "compare",
        "parse_override",
        "read_experiment",
        "resume",
        "run",
        "schema",
        "sweep",
    ),
    "memlearn.experiment.networks": ("AbstractNetwork", "AnyNetwork", "MEMBERS", "Maker", "Matrix"),
    "memlearn.learning": (
        "AbstractRule",
        "AnyRule",
        "Facts",
        "MEMBERS",
        "Memory",
        "Parts",
        "Rule",
        "agad",
        "analogue_hidden",
        "capacitor_transfer",
        "chopped_tiki_taka",
        "low_rank_sgd",
        "manhattan",
        "mixed_precision",
        "multi_threshold",
        "multi_tile",
        "outer_product_sgd",
        "periodic_carry",
        "quantised",
        "read_write",
        "read_write_verify",
        "residual_learning",
        "rounded_sgd",
        "sgd",
        "siamese",
        "sign_backprop",
        "sign_backprop_counter",
        "threshold_manhattan",
        "tiki_taka",
        "tiki_taka_v2",
        "tracked",
        "weighted_synapse",
    ),
    "memlearn.learning.accumulate": ("AbstractAccumulator", "AnyAccumulator", "MEMBERS"),
    "memlearn.learning.credit": ("AbstractCredit", "AnyCredit", "MEMBERS"),
    "memlearn.learning.fused": ("AbstractFused", "Trained", "fuse"),
    "memlearn.learning.gates": ("AbstractGate", "AnyGate", "MEMBERS"),
    "memlearn.learning.rules": (
        "AbstractRule",
        "AnyRule",
        "MEMBERS",
        "agad",
        "analogue_hidden",
        "capacitor_transfer",
        "chopped_tiki_taka",
        "low_rank_sgd",
        "manhattan",
        "mixed_precision",
        "multi_threshold",
        "multi_tile",
        "outer_product_sgd",
        "periodic_carry",
        "quantised",
        "read_write",
        "read_write_verify",
        "residual_learning",
        "rounded_sgd",
        "sgd",
        "siamese",
        "sign_backprop",
        "sign_backprop_counter",
        "threshold_manhattan",
        "tiki_taka",
        "tiki_taka_v2",
        "tracked",
        "weighted_synapse",
    ),
    "memlearn.nn": (
        "ArrayCell",
        "ArrayLayer",
        "Conv2d",
        "Credit",
        "Follower",
        "LSTM",
        "LSTMCell",
        "Linear",
        "LowRankLinear",
        "Neuron",
        "OutputScale",
        "RNN",
        "RNNCell",
        "Replica",
        "SigmoidCrossEntropyLoss",
        "SquaredErrorLoss",
        "TernaryMarginLoss",
        "array_layers",
        "attach_ledger",
        "convert",
        "counted_as",
        "tiles",
    ),
    "memlearn.ops.converters": ("drive_rows",),
    "memlearn.ops.fused_counts": (
        "Counting",
        "Keys",
        "LEAST",
        "ROUND",
        "SIGN",
        "TRUNCATE",
        "Twin",
        "compile_counting",
        "compile_twin",
        "scratch_for",
        "twin_scratch_for",
    ),
    "memlearn.ops.fused_reads": (
        "ANALOGUE",
        "BINARY_STEP",
        "CONVERTER",
        "CROSS_ENTROPY",
        "DIFFERENTIAL_PAIR",
        "DIGITISED",
        "Layer",
        "NO_NEURON",
        "Port",
        "REFERENCE_COLUMN",
        "RELU",
        "SIGMOID",
        "SIGMOID_CROSS_ENTROPY",
        "SIGN_MARGIN",
        "SQUARED_ERROR",
        "SWITCH",
        "Switches",
        "TANH",
        "TERNARY",
        "TERNARY_MARGIN",
        "TWIN",
        "backward",
        "encode_registers",
        "find_errors",
        "fire_neurons",
        "forward",
        "output_error",
        "signals_for",
        "work_for",
    ),
    "memlearn.ops.fused_sgd": ("Keys", "Trains", "compile_sgd", "fire_trains", "scratch_for"),
    "memlearn.ops.fused_transfer": (
        "AVERAGE",
        "DIGITAL",
        "DYNAMIC",
        "EACH",
        "FAST",
        "FLIP",
        "Keys",
        "NONE",
        "RANDOM",
        "REGULAR",
        "Reader",
        "TRACKED",
        "Target",
        "Transfer",
        "compile_transfer",
        "scratch_for",
    ),
    "memlearn.ops.heat": (
        "EITHER",
        "HEAT",
        "ON_COLUMNS",
        "ON_ROWS",
        "PULSES",
        "SLOTS",
        "Survey",
        "WRITTEN",
        "add_fires",
        "look_after",
        "look_before",
        "squares",
        "survey",
    ),
    "memlearn.ops.low_rank": ("Pair", "append", "mixing", "turn"),
    "memlearn.ops.pulse_trains": ("MAX_SLOTS", "stochastic"),
    "memlearn.ops.pulse_update": ("Kernels", "Noise", "Step", "Tally", "compile_step", "stamp"),
    "memlearn.ops.random": ("normal", "uniform"),
    "memlearn.ops.write_noise": ("Unsettled", "normal_at", "see_fired", "see_since", "see_written", "visible"),
    "memlearn.ops.write_verify": ("compile_bring", "compile_verify", "keys", "read_listed", "turns_for"),
    "memlearn.periphery": (
        "AbstractDriver",
        "AbstractNeuron",
        "AbstractSense",
        "Address",
        "AnyDriver",
        "AnyNeuron",
        "AnySense",
        "DRIVERS",
        "Driven",
        "Fired",
        "NEURONS",
        "SENSES",
        "steps_per_side",
    ),
    "memlearn.programming": (
        "AbstractWriter",
        "AnyWriter",
        "Levels",
        "MEMBERS",
        "Plan",
        "Sent",
        "Targets",
        "Wanted",
        "WriteAddress",
    ),
    "memlearn.programming.schemes": ("AbstractScheme", "AnyScheme", "Known", "MEMBERS", "Order", "Programmed", "Ramp"),
    "memlearn.report": (
        "DeviceSheet",
        "WiresSheet",
        "find_device",
        "picture_of_array",
        "summary_table",
        "write_report",
    ),
}

TOOLS = {"annotations", "members", "choice"}  # what a family's __init__ needs to list itself


def exports(module: ModuleType) -> tuple[str, ...]:
    """The public names of a package: `__all__` where it is written, else every public name that is no module."""
    if hasattr(module, "__all__"):
        return tuple(sorted(module.__all__))
    public = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    return tuple(sorted(name for name in public - TOOLS if not is_member(getattr(module, name))))


def is_member(value: object) -> bool:
    """Members of a family come and go by their own export line alone; the contract-test lists name them."""
    return isinstance(value, type) and issubclass(value, Component) and kind_of(value) is not None


def as_literal(name: str, names: tuple[str, ...]) -> str:
    """One entry of EXPORTS as source text, wrapped at 120 columns."""
    one = f'    "{name}": ({", ".join(map(repr, names))}{"," * (len(names) == 1)}),'.replace("'", '"')
    if len(one) <= 120:
        return one
    return "\n".join([f'    "{name}": (', *(f'        "{n}",' for n in names), "    ),"])


def packages() -> dict[str, ModuleType]:
    """Every package of memlearn that exports something; one that fails to import fails `test_every_module_imports`."""
    found = {m.__name__: m for m in (memlearn, *modules()) if hasattr(m, "__path__")}
    return {name: module for name, module in found.items() if exports(module) or name in EXPORTS}


@pytest.mark.parametrize("name", packages())
def test_exports_are_the_pinned_ones(name: str):
    now = exports(packages()[name])
    assert EXPORTS.get(name, ()) == now, f"if this is wanted, write in EXPORTS:\n{as_literal(name, now)}"


def test_no_pinned_package_has_gone():
    assert set(EXPORTS) <= {"memlearn", *module_names()}


def test_declared_exports_exist():
    missing = [f"{name}.{n}" for name, module in packages().items() for n in exports(module) if not hasattr(module, n)]
    assert not missing


if __name__ == "__main__":
    for package, module in packages().items():
        print(as_literal(package, exports(module)))
