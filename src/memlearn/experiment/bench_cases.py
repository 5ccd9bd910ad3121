"""What the training benchmark trains: networks, arrays and rules, and the same networks in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from torch import nn

from ..arrays.mapping import ReferenceColumn
from ..arrays.wires import AnyWires, IdealWires
from ..core.errors import InputError
from ..devices import MEMBERS as DEVICES
from ..devices import AbstractDevice
from ..learning import MEMBERS, Rule
from ..nn import Conv2d, Linear, Neuron, TernaryMarginLoss
from ..periphery import ADC, DAC, Analogue, BinaryDriver, BinaryStep, TernaryComparator, TernaryDriver
from ..tile import Array, Crossbar, Periphery, Port

SIDE = 28
SIZES = (SIDE * SIDE, 256, 128, 10)
MAPS, TOP = (1, 6, 16), (256, 120, 84, 10)
LEARNING_RATE = 0.03
SIGNS = ("sign_backprop", "sign_backprop_counter")
SECOND = ("tiki_taka", "tiki_taka_v2", "chopped_tiki_taka", "agad")
SLOTS = 0.5
"""Of the fast array for the largest product of a usual sample: as published, and as is automatic at 20 states."""
RULES = ("sgd", "manhattan", "threshold_manhattan", *SIGNS, "mixed_precision", "siamese", *SECOND)
RATED = ("sgd", "mixed_precision", "siamese")
"""Rules with a learning rate; all else is as each rule has it by default."""
NETWORKS = ("mlp", "cnn")
NUMBERS = Periphery(
    forward=Port(drive=DAC(bits=8), sense=ADC(bits=8, output_range=20.0)),
    backward=Port(drive=DAC(bits=8, scaling="max"), sense=ADC(bits=8, output_range=6.0)),
)
SCALED = NUMBERS.replace(forward=Port(drive=DAC(bits=8, scaling="max"), sense=ADC(bits=8, output_range=20.0)))
SWITCHES = Periphery(
    forward=Port(drive=BinaryDriver(threshold=0.3), sense=Analogue()),
    backward=Port(drive=TernaryDriver(), sense=TernaryComparator(dead_zone=0.1)),
)


class Case(NamedTuple):
    """One rule on one network."""

    rule: str
    network: str
    backward: str
    """Of the convolutions."""
    device: str

    def in_situ(
        self, wires: AnyWires | None = None, sizes: tuple[int, ...] = SIZES
    ) -> tuple[nn.Module, Rule, nn.Module]:
        """The network inside arrays, the rule at work on it, and the loss; the same cells at every call.

        Arguments:
            wires: of the arrays; None: ideal ones.
            sizes: of an mlp's layers.
        """
        signs = self.rule in SIGNS
        # Rectified values have no largest: their converters scale.
        periphery = SWITCHES if signs else SCALED if self.network == "cnn" else NUMBERS
        array = Array(
            device=measured_device(self.device),
            crossbar=Crossbar(mapping=ReferenceColumn(w_max=0.6), wires=wires or IdealWires()),
            periphery=periphery,
        )
        step = (lambda axis: Neuron(BinaryStep(window=1.0), seed=0, axis=axis)) if signs else None
        settings: dict[str, Any] = {"learning_rate": LEARNING_RATE} if self.rule in RATED else {}
        if self.rule in SECOND:
            settings = {"slots": SLOTS}
        learner = MEMBERS[self.rule](**settings)
        if learner.cell is not None:  # type: ignore[attr-defined]
            array = array.replace(cell=learner.cell)  # type: ignore[attr-defined]
        model = self._assemble(
            lambda n, a, b: Linear(a, b, array=array, seed=n),
            lambda n, a, b: Conv2d(a, b, 5, array=array, seed=n, backward=self.backward),  # type: ignore[arg-type]
            step,
            sizes,
        )
        rule = learner.attach(model)  # type: ignore[attr-defined]
        return model, rule, TernaryMarginLoss(1.0) if signs else nn.CrossEntropyLoss()

    def plain(self) -> nn.Module:
        """The same network in plain PyTorch, with smooth neurons."""
        return self._assemble(lambda n, a, b: nn.Linear(a, b), lambda n, a, b: nn.Conv2d(a, b, 5), None, SIZES)

    def _assemble(
        self,
        dense: Callable[[int, int, int], nn.Module],
        convolution: Callable[[int, int, int], nn.Module],
        step: Callable[[int], nn.Module] | None,
        sizes: tuple[int, ...],
    ) -> nn.Sequential:
        """Layers by number and size, and neurons in between: `step`, or torch's own."""
        parts: list[nn.Module] = []
        if self.network == "cnn":
            parts.append(nn.Unflatten(1, (1, SIDE, SIDE)))
            for n, (a, b) in enumerate(pairwise(MAPS)):
                parts += [convolution(n, a, b), nn.ReLU() if step is None else step(1), nn.MaxPool2d(2)]
            parts.append(nn.Flatten())
        smooth = nn.ReLU if self.network == "cnn" else nn.Sigmoid
        for n, (a, b) in enumerate(pairwise(TOP if self.network == "cnn" else sizes)):
            parts += [dense(n, a, b), smooth() if step is None else step(-1)]
        return nn.Sequential(*parts[:-1])


def measured_device(kind: str) -> AbstractDevice:
    """A device law with the spreads of the published constant-step device: 1200 states, 30 % C2C, 30 % D2D."""
    if kind not in DEVICES:
        raise InputError("device", kind, f"must be one of {', '.join(DEVICES)}")
    return DEVICES[kind].from_table(
        {
            "g_min": 10e-6,
            "g_max": 30e-6,
            "states": 1200,
            "cycle_to_cycle": {"spread": 0.3},
            "device_to_device": {"step": 0.3, "upper_bound": 0.3, "lower_bound": 0.3, "balance": 0.01},
        }
    )  # type: ignore[return-value]
