"""Examples of every command, shown by its --help."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import typer

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "demo": ("memlearn demo", "memlearn demo --out first --epochs 10"),
    "run": (
        "memlearn run experiments/demo_digits.toml --out runs/demo",
        "memlearn run experiments/sign_backprop_mnist.toml --data DIR --out runs/sbp --seed 3",
        "memlearn run runs/demo/config.json --out runs/more --set device.states=256 --set training.epochs=5",
    ),
    "resume": ("memlearn resume runs/demo",),
    "report": (
        "memlearn report runs/demo",
        "memlearn report runs/a runs/b --out both.html",
        "memlearn report runs/demo --svg figures --pdf figures --csv numbers",
    ),
    "sweep": ("memlearn sweep experiments/automatic_digits.toml --out runs/automatic",),
    "compare": (
        "memlearn compare a.toml b.toml --seeds 5 --out comparison",
        "memlearn compare experiments/compare_mnist.toml --data DIR --out comparison",
        "memlearn compare comparison/compare.json --out again",
    ),
    "list": ("memlearn list", "memlearn list rules", "memlearn list presets --json"),
    "show": (
        "memlearn show rule sign_backprop",
        "memlearn show device ag_a_si --html ag_a_si.html",
        "memlearn show wires --size 256 --r-word-line 2",
    ),
    "schema": ("memlearn schema > memlearn.schema.json",),
    "chip check": ('memlearn chip check "python examples/chip_driver/driver.py" --cells 8',),
    "device fit": ("memlearn device fit pulses.csv --unit S --out mine.toml",),
    "bench train": ("memlearn bench train", "memlearn bench train --rule sgd --json"),
    "bench costs": ("memlearn bench costs", "memlearn bench costs --network mlp --rule sgd --json"),
    "bench pulse-update": ("memlearn bench pulse-update",),
    "bench wires": ("memlearn bench wires",),
    "bench wires-training": ("memlearn bench wires-training --rule sign_backprop --json",),
    "spice export": ("memlearn spice export --rows 32 --columns 32 --out array.cir",),
    "spice check": ("memlearn spice check --rows 8 --columns 8 --r-source 100",),
}

FIRST = """\
Start here:

  memlearn demo                        train on embedded digits in under a minute, and write a page about it
  memlearn list experiments            experiments at hand; memlearn list rules, devices, presets: what they are made of
  memlearn run FILE.toml --out DIR     train one of them, or your own
  memlearn report DIR                  its page; memlearn compare A.toml B.toml --out DIR: several in one table

Every command explains itself: memlearn run --help. All of them: memlearn --help.
"""


def with_examples(app: typer.Typer, prefix: str = "") -> None:
    """Add the examples to the help of every command of an application and of its groups."""
    for command in app.registered_commands:
        name = f"{prefix}{command.name or (command.callback.__name__ if command.callback else '')}"
        text = inspect.getdoc(command.callback) or ""
        lines = "\n".join(f"  {line}" for line in EXAMPLES.get(name, ()))
        # \b keeps the lines of a paragraph as they are.
        command.help = f"{text}\n\n\b\nExamples:\n{lines}" if lines else text
    for group in app.registered_groups:
        if group.typer_instance is not None:
            with_examples(group.typer_instance, f"{prefix}{group.name} ")
