"""The result of a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ..base import AbstractDevice
from .check import TwoSampleTest, two_sample
from .estimate import Estimate
from .export import Exported, device_class, export, export_jumps, write_preset
from .figures import Figures, Residuals, figures, residuals
from .intervals import Parameter
from .jumps import Table
from .packed import Packed
from .select import Score
from .simulate import simulated, simulated_jumps
from .traces import Traces


@dataclass(frozen=True)
class DeviceFit:
    """A device law fitted to measured traces.

    Arguments:
        law: its TOML name.
        parameters: estimates with 95 % intervals, noises and spreads between devices among them; empty for a table.
        scores: held-out likelihood of every law tried, best first; empty when the law was given.
        warnings: what the data cannot say, in plain words.
        traces: the measured traces.
        estimate: the fit behind the parameters; None for a jump table.
        table: the jump table; None for a law.
        packed: the traces in units of their range.
        tested: the two-sample test, where choosing the law needed it.
    """

    law: str
    parameters: tuple[Parameter, ...]
    scores: tuple[Score, ...]
    warnings: tuple[str, ...]
    traces: Traces
    estimate: Estimate | None
    table: Table | None
    packed: Packed
    tested: TwoSampleTest | None = None

    def __getitem__(self, name: str) -> Parameter:
        """A parameter by name."""
        for row in self.parameters:
            if row.name == name:
                return row
        raise InputError("parameter", name, f"is none of {', '.join(row.name for row in self.parameters)}")

    def figures(self) -> Figures | None:
        """Range, steps, states and symmetry point; None for a jump table."""
        return None if self.estimate is None else figures(self.estimate)

    def residuals(self) -> Residuals | None:
        """Standardised errors of prediction; None for a jump table."""
        return None if self.estimate is None else residuals(self.estimate)

    def export(self) -> Exported:
        """The device as a table, and where it departs from the fit.

        Raises:
            InputError: the package has no such device.
        """
        if self.estimate is not None:
            return export(self.estimate, self.law)
        assert self.table is not None
        return export_jumps(self.table, self.packed)

    def device(self) -> AbstractDevice:
        """The fitted device, as an experiment takes it.

        Raises:
            InputError: the package has no such device.
        """
        return device_class(self.law).from_table(self.export().table)

    def simulate(self, seed: int = 0, *, own: bool = False) -> Traces:
        """Traces of new devices under the measured pulses, from the measured starts.

        Arguments:
            own: every device with its own fitted parameters instead of a new draw from the population.
        """
        generator = np.random.Generator(np.random.Philox(key=seed))
        y = self._draw(generator, own=own)
        g = [self.packed.offset + self.packed.scale * y[a:b] for a, b in self._cuts()]
        t = self.traces
        return Traces(tuple(g), t.up, t.pulses, t.devices, f"simulated from {self.law}, seed {seed}", (), t.affine)

    def test(self, seed: int = 0) -> TwoSampleTest:
        """Two-sample test of step given state, measured against simulated traces; see `check`."""
        if self.tested is not None and seed == 0:
            return self.tested
        return two_sample(self.packed, self._draw, seed)

    def save(
        self,
        path: str | Path,
        *,
        sources: tuple[str, ...] = (),
        title: str = "",
        test: TwoSampleTest | None = None,
    ) -> Path:
        """Write the device as a preset file.

        Arguments:
            sources: where the data come from; the file that was read unless given.
            title: for people.
            test: the two-sample test, when it was made already.

        Raises:
            InputError: the path is a folder, or the package has no such device.
        """
        path = Path(path)
        if path.is_dir():
            raise InputError("out", str(path), "is a folder", "Name a file in it.")
        exported = self.export()
        test = test or self.test()
        preset = {
            "name": path.stem,
            "title": title or f"{self.law.replace('_', ' ')} fitted to {Path(self.traces.source).name}",
            "sources": list(sources or (f"fitted to {self.traces.source}",)),
            "deviations": [*exported.deviations, *self.warnings, *self._test_words(test)],
            "device": exported.table,
            "record": {
                "devices": self.packed.devices,
                "readings": self.traces.readings,
                "assumptions": list(self.traces.assumptions),
                **{f"interval_{_key(row)}": _ends(row) for row in self.parameters},
            },
            "residuals": self.residual_figures(test),
        }
        return write_preset(path, preset)

    def residual_figures(self, test: TwoSampleTest | None = None) -> dict[str, float]:
        """How well the fit predicts, and the p-value of the two-sample test when it was made."""
        found = self.residuals()
        rows = {} if found is None else found.summary()
        rows |= {f"held_out_{s.law}": s.per_reading for s in self.scores}
        if test is not None:
            rows["two_sample_p"] = test.p_value
        return {key: float(f"{value:.4g}") for key, value in rows.items()}

    def summary(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        found = self.figures()
        return {
            "law": self.law,
            "source": self.traces.source,
            "devices": self.packed.devices,
            "traces": len(self.traces.devices),
            "readings": self.traces.readings,
            "parameters": {row.name: row._asdict() for row in self.parameters},
            "figures": None if found is None else found._asdict(),
            "scores": [score._asdict() for score in self.scores],
            "assumptions": list(self.traces.assumptions),
            "warnings": list(self.warnings),
            "residuals": self.residual_figures(),
        }

    def _draw(self, generator: np.random.Generator, *, own: bool = False) -> np.ndarray:
        if self.estimate is not None:
            return simulated(self.estimate, generator, own=own)
        assert self.table is not None
        return simulated_jumps(self.table, self.packed, generator)

    def _cuts(self) -> list[tuple[int, int]]:
        return [(int(a), int(b)) for a, b in zip(self.packed.starts[:-1], self.packed.starts[1:], strict=True)]

    def _test_words(self, test: TwoSampleTest) -> list[str]:
        if test.passed:
            return []
        where = test.where()
        text = f"Simulated steps differ from the measured ones (two-sample test, p = {test.p_value:.3g})"
        return [f"{text}: {where}." if where else f"{text}, spread over all states."]


def _key(row: Parameter) -> str:
    return row.name.replace(" ", "_")


def _ends(row: Parameter) -> list[float]:
    ends = (-math.inf if row.low is None else row.low, math.inf if row.high is None else row.high)
    return [float(f"{end:.6g}") for end in ends]
