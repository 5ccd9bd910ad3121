"""Where the time of a training step goes: parts of a kernel timed by themselves, or the stages under a profiler."""

from __future__ import annotations

import cProfile
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.random import Stream
from ..core.types import Counts, Factors
from ..learning.fused import AbstractFused
from ..learning.fused.counts import FusedCounts
from ..learning.fused.sgd import FusedSGD
from ..learning.fused.transfer import FusedTransfer
from ..nn.patches import Geometry
from ..ops import fused_reads, fused_sgd
from ..ops.random import cpu as random
from ..programming import WriteAddress
from ..tile import Tile

_STATED = "larger of operations and bytes of driven lines; short loops over one line of cells, not blocked in registers"
_LINES = "random words of lines that are not at rest; finding peaks and lines comes on top"
_PULSES = "a normal number and four random accesses a pulse (cell, parameters, counters)"


class Limits(NamedTuple):
    """What this machine can do, measured in the same run on one core."""

    flop: float
    """Floating-point operations per second, of a large float32 matrix product."""
    byte: float
    """Bytes per second, of a copy as large as 200,000 cells."""
    word: float
    """Random 32-bit words per second."""
    normal: float
    """Standard normal numbers per second."""
    access: float
    """Reads per second at random places of as many bytes as the parameters of 200,000 cells."""

    def table(self) -> dict[str, float]:
        """The limits in the units in which they are told."""
        return {
            "gflop_per_s": round(self.flop / 1e9, 1),
            "gbyte_per_s": round(self.byte / 1e9, 1),
            "ns_per_random_word": round(1e9 / self.word, 2),
            "ns_per_normal": round(1e9 / self.normal, 2),
            "ns_per_random_access": round(1e9 / self.access, 2),
        }


class Stage(NamedTuple):
    """One stage of a training step."""

    name: str
    seconds: float
    """Per sample."""
    limit: float = 0.0
    """Seconds per sample at the machine's limit; 0 where none is known."""
    why: str = ""
    """What the limit counts, and what keeps the stage from it."""


def measure_limits() -> Limits:
    """Measure this machine."""
    square = torch.linspace(-1, 1, 512 * 512).reshape(512, 512)
    cells = np.ones(200_000, np.float32)
    copy, table = np.empty_like(cells), np.ones(5 * len(cells), np.float32)
    places = (np.arange(1 << 15) * 2654435761) % len(table)
    words, key = np.empty(1 << 16, np.float32), (np.uint32(1), np.uint32(2))
    return Limits(
        flop=2 * 512**3 / _best(lambda: square @ square),
        byte=2 * cells.nbytes / _best(lambda: np.copyto(copy, cells)),
        word=len(words) / _best(lambda: random.fill_uniform(words, *key, 3)),
        normal=len(words) / _best(lambda: random.fill_normal(words, *key, 3)),
        access=len(places) / _best(lambda: table.take(places)),
    )


def stages_of_kernel(
    trainer: AbstractFused, inputs: Tensor, labels: Tensor, batch: int, total: float, limits: Limits
) -> list[Stage]:
    """Reads and pulses of a fused kernel timed by themselves, the mean over some batches; what is left is the update.

    Arguments:
        trainer: as it is after training; the pulses go to copies of its cells.
        inputs, labels: what it has been trained on.
        batch: images between two writes.
        total: seconds per sample of the whole kernel.
        limits: of this machine.
    """
    groups = list(zip(inputs.split(batch), labels.split(batch), strict=True))[: max(1, 16 // batch)]
    each = [_parts(trainer, x, y, limits) for x, y in groups]
    found = [
        Stage(
            same[0].name,
            statistics.fmean(s.seconds for s in same),
            statistics.fmean(s.limit for s in same),
            same[0].why,
        )
        for same in zip(*each, strict=True)
    ]
    known = "accumulators" if isinstance(trainer, FusedCounts) else "twin and write-verify"
    if isinstance(trainer, FusedSGD | FusedTransfer):
        known = "trains, pulses, transfers" if isinstance(trainer, FusedTransfer) else "not attributed"
    return [*found, Stage(known, max(total - sum(stage.seconds for stage in found), 0.0))]


def stages_of_rule(train: Callable[[], object], images: int, total: float) -> list[Stage]:
    """Where the stages spend their time, by profiler, scaled to the time without it.

    Arguments:
        train: trains once through `images` images.
        images: how many.
        total: seconds per sample.
    """
    profile = cProfile.Profile(time.process_time)
    profile.runcall(train)
    spent = {entry.code: entry for entry in profile.getstats()}
    parts = {
        "im2col": (Geometry.patches, Geometry.error_patches),
        "forward reads": (Tile.read,),
        "transposed reads": (Tile.read_transposed,),
        "col2im": (Geometry.images,),
        "sums of outer products": (Factors.sum,),
        "pulses": (Tile.pulse, Tile.program),
    }
    seconds = {
        name: sum(spent[f.__code__].totaltime for f in functions if f.__code__ in spent) / images
        for name, functions in parts.items()
    }
    whole = max(entry.totaltime for entry in spent.values()) / images
    stages = [Stage(name, s * total / whole) for name, s in seconds.items()]
    return [*stages, Stage("all else: neurons, autograd, plans", total - sum(stage.seconds for stage in stages))]


def _best(work: Callable[[], object], repeats: int = 9) -> float:
    """Shortest of several turns, seconds: what the work takes when nothing else is in the way."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


class _Clock:
    """Adds up times and limits per sample, by stage."""

    def __init__(self, batch: int) -> None:
        self.batch, self.seconds, self.limits = batch, {}, {}

    def add(self, stage: str, work: Callable[[], object], limit: float = 0.0) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + _best(work) / self.batch
        self.limits[stage] = self.limits.get(stage, 0.0) + limit / self.batch


def _parts(trainer: AbstractFused, inputs: Tensor, labels: Tensor, limits: Limits) -> list[Stage]:
    """The reads of one batch, and its pulses, each by itself, on the arrays as they are."""
    clock, batch = _Clock(len(labels)), len(labels)
    layers = trainer.layer_settings()
    signals, work = fused_reads.signals_for(layers, batch), fused_reads.work_for(layers, batch)
    _time_reads(clock, trainer, layers, inputs, labels, (signals, work), limits)
    if isinstance(trainer, FusedSGD):
        _time_trains(clock, trainer, layers, signals, limits)
    elif isinstance(trainer, FusedCounts):
        _time_counts(clock, trainer, layers, signals, limits)
    why = {"forward read": _STATED, "transposed read": "the same, of all lines", "trains": _LINES, "pulses": _PULSES}
    why["neurons and loss"] = "none stated: exponentials and logarithms, one by one"
    return [Stage(name, seconds, clock.limits[name], why[name]) for name, seconds in clock.seconds.items()]


def _time_reads(
    clock: _Clock,
    trainer: AbstractFused,
    layers: tuple[fused_reads.Layer, ...],
    inputs: Tensor,
    labels: Tensor,
    scratch: Any,
    limits: Limits,
) -> None:
    """Forward reads, neurons, loss and transposed reads; leaves the factors in the signals."""
    batch, conductances = clock.batch, trainer.backs() if isinstance(trainer, FusedTransfer) else trainer.cells()[0]
    (registers, wanted, derivatives), (voltage, current, sums, scales, lot) = scratch
    registers[0][:, : inputs.shape[1]] = inputs.numpy()
    switches, (kind, margin) = trainer.images(inputs.numpy(), labels.numpy(), batch, layers)[4], trainer.kernel_loss()
    for n, layer in enumerate(layers):
        fused_reads.encode_registers(layer, registers[n], batch, switches, 0, lot)
        read = (layer, registers[n], sums, voltage, current, scales, conductances[n], batch)
        driven = np.count_nonzero(registers[n])
        lines = 4 * min(layer.rows, driven) * layer.width
        least = max(2 * driven * layer.width / limits.flop, lines / limits.byte)
        clock.add("forward read", lambda read=read: fused_reads.forward(*read), least)
        if n + 1 < len(layers):
            fire = (layer, sums, registers[n + 1], derivatives[n], batch)
            clock.add("neurons and loss", lambda fire=fire: fused_reads.fire_neurons(*fire))
    error = (kind, margin, sums, labels.numpy(), wanted[-1], batch, layers[-1].columns)
    clock.add("neurons and loss", lambda: fused_reads.output_error(*error))
    for n in range(len(layers) - 1, 0, -1):
        back, size = trainer.backs()[n], layers[n].rows * layers[n].width
        read = (layers[n], wanted[n], sums, voltage, current, scales, back, batch)
        least = max(2 * batch * size / limits.flop, 4 * size / limits.byte)
        clock.add("transposed read", lambda read=read: fused_reads.backward(*read), least)
        wanted[n - 1][:] = sums[:batch, : layers[n - 1].columns] * derivatives[n - 1]


def _time_trains(clock: _Clock, trainer: FusedSGD, layers: Any, signals: Any, limits: Limits) -> None:
    """Making trains, and their pulses."""
    batch, cells = clock.batch, trainer.cells()
    rows, columns = fused_sgd.scratch_for(layers, batch)[2:]
    for n, (layer, key) in enumerate(zip(layers, trainer.stream_keys(), strict=True)):
        args = (layer, key, signals[0][n], signals[1][n], rows[n], columns[n], batch, trainer.rule.steps)
        slots = fused_sgd.fire_trains(*args)
        words = slots * (np.count_nonzero(signals[0][n]) + np.count_nonzero(signals[1][n]))
        clock.add("trains", lambda args=args: fused_sgd.fire_trains(*args), words / limits.word)
        plan = ((1, 1, layer.height, layer.width), rows[n], columns[n], False, layer.noise, tuple(Stream.root(0)), 0)
        _time_pulses(clock, trainer.tiles[n].array.device.kernels.trains, [a[n] for a in cells], plan, limits)


def _time_counts(clock: _Clock, trainer: FusedCounts, layers: Any, signals: Any, limits: Limits) -> None:
    """The pulses of what the rule's own accumulator and writer plan."""
    rule, cells = trainer.rule, trainer.cells()
    for n, (name, tile) in enumerate(zip(rule.layers, trainer.tiles, strict=True)):
        kept = rule.memory[name]
        factors = Factors(torch.from_numpy(signals[0][n]), torch.from_numpy(signals[1][n]))
        wanted = rule.accumulator.add(None if kept is None else kept.clone(), factors)
        plan = rule.writer.plan(
            wanted, WriteAddress(tile.weight_step, rule.rates[n], tile.stream.child("writer"), rule.steps)
        )
        assert isinstance(plan, Counts)
        pulses = tile.array.crossbar.mapping.counts(plan).pulses.numpy().reshape(-1).astype(np.int32)
        arguments = (pulses, layers[n].noise, tuple(Stream.root(0)), 0)
        _time_pulses(clock, tile.array.device.kernels.counts, [a[n] for a in cells], arguments, limits)


def _time_pulses(clock: _Clock, kernel: Any, cells: list[np.ndarray], plan: tuple[Any, ...], limits: Limits) -> None:
    """The pulses of a plan, on copies of the cells."""
    state = [array.copy() for array in cells]
    sent = kernel(*[array.copy() for array in cells], *plan).pulses
    least = sent * (1 / limits.normal + 4 / limits.access)
    clock.add("pulses", lambda: kernel(*state, *plan), least)
