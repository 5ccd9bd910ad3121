"""What each package shows the world, pinned: an export comes and goes on purpose, never by accident.

After a wanted change, paste the line that the failing test prints, or print the whole table anew:

    .venv/bin/python -m tests.architecture.test_exports
"""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import memlearn
from tests.architecture.package import module_names, modules

EXPORTS: dict[str, tuple[str, ...]] = {
    "memlearn.arrays.mapping": ("AbstractMapping", "AnyMapping", "DifferentialPair", "MEMBERS", "ReferenceColumn"),
    "memlearn.arrays.wires": ("AbstractWires", "AnyWires", "IdealWires", "MEMBERS"),
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
        "ConstantStep",
        "DeviceState",
        "MEMBERS",
        "SoftBounds",
    ),
    "memlearn.devices.effects": ("CycleToCycle", "DeviceToDevice", "ReadNoise", "StuckCells"),
    "memlearn.nn": (
        "ArrayLayer",
        "Credit",
        "Linear",
        "Neuron",
        "TernaryMarginLoss",
        "array_layers",
        "attach_ledger",
        "convert",
    ),
    "memlearn.ops.pulse_trains": ("MAX_SLOTS", "stochastic"),
    "memlearn.ops.pulse_update": ("Kernels", "Step", "Tally", "compile_step"),
    "memlearn.ops.random": ("normal", "uniform"),
    "memlearn.periphery": (
        "ADC",
        "AbstractDriver",
        "AbstractNeuron",
        "AbstractSense",
        "Address",
        "Analogue",
        "AnyDriver",
        "AnyNeuron",
        "AnySense",
        "BinaryDriver",
        "BinaryStep",
        "Comparator",
        "DAC",
        "DRIVERS",
        "Driven",
        "Fired",
        "NEURONS",
        "ReLU",
        "SENSES",
        "Sigmoid",
        "StochasticBinary",
        "Tanh",
        "TernaryComparator",
        "TernaryDriver",
    ),
    "memlearn.programming": (
        "AbstractWriter",
        "AnyWriter",
        "DeterministicTrains",
        "MEMBERS",
        "Sign",
        "StochasticTrains",
        "Threshold",
        "WriteAddress",
    ),
    "memlearn.report": ("picture_of_array", "summary_table", "write_report"),
}

TOOLS = {"annotations", "members", "choice"}  # what a family's __init__ needs to list itself


def exports(module: ModuleType) -> tuple[str, ...]:
    """The public names of a package: `__all__` where it is written, else every public name that is no module."""
    if hasattr(module, "__all__"):
        return tuple(sorted(module.__all__))
    public = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    return tuple(sorted(public - TOOLS))


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
