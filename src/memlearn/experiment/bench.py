"""How fast in-situ training is: multiples of plain PyTorch on the same network, batch and data, in the same run.

A kernel is timed only after it has been held against the stages that it replaces. Times on a shared machine are noisy:
both sides take turns, and the ratio is the median of their pairs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays.mapping import ReferenceColumn
from ..core.errors import InputError, MemlearnError
from ..core.random import Stream
from ..datasets import Mnist
from ..devices import MEMBERS as DEVICES
from ..devices import AbstractDevice
from ..learning import Rule, sgd
from ..learning.fused import fuse
from ..learning.fused.sgd import FusedSGD
from ..learning.loop import train_batch
from ..nn import Linear
from ..ops import fused_sgd
from ..ops.random import cpu as random
from ..periphery import ADC, DAC
from ..tile import Array, Crossbar, Periphery, Port

SIZES = (784, 256, 128, 10)
LEARNING_RATE = 0.03
BATCHES = (1, 8, 64)
IMAGES = {1: 1500, 8: 6000}
"""Images of one turn by batch; 16,000 for others."""
TURNS = 5


class RedKernel(MemlearnError):
    """A kernel that disagrees with its reference is not timed."""


class Limits(NamedTuple):
    """What this machine can do, measured in the same run on one core."""

    flop: float
    """Floating-point operations per second, of a large float32 matrix product."""
    byte: float
    """Bytes per second, of a copy as large as the first layer's cells."""
    word: float
    """Random 32-bit words per second."""
    normal: float
    """Standard normal numbers per second."""
    access: float
    """Reads per second at random places of as many bytes as the first layer's parameters."""


class Stage(NamedTuple):
    """One stage of a training step, timed alone."""

    name: str
    seconds: float
    """Per sample."""
    limit: float
    """Seconds per sample at the machine's limit; 0 where none is known."""
    why: str
    """What the limit counts, and what keeps the stage from it."""


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


def bench_train(
    device: str = "constant_step", *, batches: tuple[int, ...] = BATCHES, data: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Time in-situ SGD, 784-256-128-10, stochastic trains up to 31, 8-bit converters, against plain PyTorch.

    Arguments:
        device: kind of a law.
        batches: images between two writes.
        data: folder with MNIST; None draws images as sparse as MNIST's.

    Yields:
        One record per batch size.

    Raises:
        RedKernel: the fused kernel does not send the pulses that the stages send.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        inputs, labels = _images(data)
        limits = _limits()
        for batch in batches:
            if batch < 1:
                raise InputError("batch", batch, "must be at least 1")
            yield _record(device, batch, inputs, labels, limits)
    finally:
        torch.set_num_threads(threads)


def _record(device: str, batch: int, inputs: Tensor, labels: Tensor, limits: Limits) -> dict[str, Any]:
    _verify(device, batch, inputs, labels)
    images = min(IMAGES.get(batch, 16_000), len(labels)) // batch * batch
    inputs, labels, loss = inputs[:images], labels[:images], nn.CrossEntropyLoss()
    model, rule = _in_situ(device)
    trainer = fuse(model, rule, loss)
    assert isinstance(trainer, FusedSGD)
    twin = _plain()
    optimiser = torch.optim.SGD(twin.parameters(), lr=LEARNING_RATE)

    def ours() -> int:
        return trainer.train(inputs, labels, batch).pulses

    def theirs() -> None:
        for x, y in zip(inputs.split(batch), labels.split(batch), strict=True):
            optimiser.zero_grad()
            loss(twin(x), y).backward()
            optimiser.step()

    ours()
    theirs()
    pairs, pulses = [], 0
    for _ in range(TURNS):
        started = time.perf_counter()
        pulses = ours()
        middle = time.perf_counter()
        theirs()
        pairs.append((middle - started, time.perf_counter() - middle))
    # One image tells little of the next: small batches are averaged.
    groups = zip(inputs.split(batch)[: max(1, 16 // batch)], labels.split(batch), strict=False)
    stages = _mean([_stages(trainer, x, y, limits) for x, y in groups])
    total = sum(stage.seconds for stage in stages)
    return {
        "rule": "sgd",
        "device": device,
        "batch": batch,
        "threads": 1,
        "us_per_sample": round(statistics.median(a for a, _ in pairs) / images * 1e6, 2),
        "torch_us_per_sample": round(statistics.median(b for _, b in pairs) / images * 1e6, 2),
        "ratio": round(statistics.median(a / b for a, b in pairs), 3),
        "ratio_range": [round(f(a / b for a, b in pairs), 3) for f in (min, max)],
        "pulses_per_sample": round(pulses / images, 1),
        "cells_pulsed_by_one_sample": round(pulses / images / sum(t.cells for t in trainer.tiles), 6),
        "stages": {
            s.name: {
                "share": round(s.seconds / total, 3),
                "us_per_sample": round(s.seconds * 1e6, 2),
                "times_the_limit": round(s.seconds / s.limit, 1) if s.limit else None,
                "limit": s.why,
            }
            for s in stages
        },
        "limits": {
            "gflop_per_s": round(limits.flop / 1e9, 1),
            "gbyte_per_s": round(limits.byte / 1e9, 1),
            "ns_per_random_word": round(1e9 / limits.word, 2),
            "ns_per_normal": round(1e9 / limits.normal, 2),
            "ns_per_random_access": round(1e9 / limits.access, 2),
        },
    }


def _mean(groups: list[list[Stage]]) -> list[Stage]:
    """Stage by stage, the mean over batches."""
    return [
        Stage(
            same[0].name,
            statistics.fmean(stage.seconds for stage in same),
            statistics.fmean(stage.limit for stage in same),
            same[0].why,
        )
        for same in zip(*groups, strict=True)
    ]


def _images(data: Path | None) -> tuple[Tensor, Tensor]:
    """16,000 images and labels: MNIST's, or drawn ones of ten classes with 19 % of the pixels lit, as in MNIST."""
    if data is not None:
        split = Mnist(validation=0, train_limit=16_000).load(data).train
        return split.inputs, split.labels
    generator = torch.Generator().manual_seed(0)
    classes = torch.rand(10, SIZES[0], generator=generator) < 0.17
    labels = torch.randint(10, (16_000,), generator=generator)
    lit = classes[labels] ^ (torch.rand(16_000, SIZES[0], generator=generator) < 0.02)
    return lit * (0.2 + 0.8 * torch.rand(16_000, SIZES[0], generator=generator)), labels


def _in_situ(device: str) -> tuple[nn.Sequential, Rule]:
    periphery = Periphery(
        forward=Port(drive=DAC(bits=8), sense=ADC(bits=8, output_range=20.0)),
        backward=Port(drive=DAC(bits=8, scaling="max"), sense=ADC(bits=8, output_range=6.0)),
    )
    crossbar = Crossbar(mapping=ReferenceColumn(w_max=0.6))
    array = Array(device=measured_device(device), crossbar=crossbar, periphery=periphery)
    parts: list[nn.Module] = []
    for seed, (a, b) in enumerate(pairwise(SIZES)):
        parts += [Linear(a, b, array=array, seed=seed), nn.Sigmoid()]
    model = nn.Sequential(*parts[:-1])
    return model, sgd(model, learning_rate=LEARNING_RATE)


def _plain() -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in pairwise(SIZES):
        parts += [nn.Linear(a, b), nn.Sigmoid()]
    return nn.Sequential(*parts[:-1])


def _verify(device: str, batch: int, inputs: Tensor, labels: Tensor) -> None:
    """The fused kernel must send the pulses that the stages send, to the same cells."""
    images, loss = 3 * batch, nn.CrossEntropyLoss()
    (staged, rule), (model, other) = _in_situ(device), _in_situ(device)
    trainer = fuse(model, other, loss)
    if trainer is None:
        raise RedKernel(f"{device}: no fused kernel fits. Look at learning/fused.")
    trainer.train(inputs[:images], labels[:images], batch)
    for x, y in zip(inputs[:images].split(batch), labels[:images].split(batch), strict=True):
        train_batch(staged, rule, loss, x, y)
    pairs = [(layer.tile, other.layers[name].tile) for name, layer in rule.layers.items()]
    wrong = sum(int((a.counters[..., 0] != b.counters[..., 0]).sum()) for a, b in pairs)
    # Sums are taken in another order, so that now and then a value falls to the other side of a converter's step.
    if wrong > 1e-3 * sum(a.cells for a, _ in pairs):
        raise RedKernel(
            f"{device}, batch {batch}: {wrong} cells got other pulses than from the stages. "
            "Run tests/kernels/test_fused_sgd.py; nothing was timed."
        )


def _best(work: Callable[[], object], repeats: int = 9) -> float:
    """Shortest of several turns, seconds: what the work takes when nothing else is in the way."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _limits() -> Limits:
    square = torch.linspace(-1, 1, 512 * 512).reshape(512, 512)
    cells = np.ones(SIZES[0] * SIZES[1], np.float32)
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


def _stages(trainer: FusedSGD, inputs: Tensor, labels: Tensor, limits: Limits) -> list[Stage]:
    """Each stage of one batch by itself, on the arrays as they are; the pulses go to copies."""
    batch, tiles = len(labels), trainer.tiles
    layers, keys = trainer.layer_settings(), trainer.stream_keys()
    registers, wanted, derivatives, rows, columns, work, scales = fused_sgd.scratch_for(layers, batch)
    voltage, current, sums = work
    cells = trainer.cells()
    registers[0][:, : SIZES[0]] = inputs.numpy()
    targets = labels.numpy()
    names = ("forward read", "neurons and loss", "transposed read", "trains", "pulses")
    spent: dict[str, float] = dict.fromkeys(names, 0.0)
    forward = backward = words = pulses = 0.0

    def add(stage: str, act: Callable[[], object]) -> None:
        spent[stage] += _best(act) / batch

    for n, layer in enumerate(layers):
        registers[n][:, -1] = 1
        args = (layer, registers[n], sums, voltage, current, scales, cells[0][n], batch)
        add("forward read", lambda args=args: fused_sgd.forward(*args))
        driven = np.count_nonzero(registers[n])
        visited = 4 * min(layer.rows, driven) * layer.width
        forward += max(2 * driven * layer.width / limits.flop, visited / limits.byte) / batch
        if n + 1 < len(layers):
            fire = (layer, sums, registers[n + 1], derivatives[n], batch)
            add("neurons and loss", lambda fire=fire: fused_sgd.fire_neurons(*fire))
    error = (fused_sgd.CROSS_ENTROPY, 0.0, sums, targets, wanted[-1], batch, layers[-1].columns)
    add("neurons and loss", lambda: fused_sgd.output_error(*error))
    for n in range(len(layers) - 1, 0, -1):
        args = (layers[n], wanted[n], sums, voltage, current, scales, cells[0][n], batch)
        add("transposed read", lambda args=args: fused_sgd.backward(*args))
        size = layers[n].height * layers[n].width
        backward += max(2 * batch * size / limits.flop, 4 * size / limits.byte) / batch
        wanted[n - 1][:] = sums[:batch, : layers[n - 1].columns] * derivatives[n - 1]
    for n, (layer, key) in enumerate(zip(layers, keys, strict=True)):
        args = (layer, key, registers[n], wanted[n], rows[n], columns[n], batch, trainer.rule.steps)
        add("trains", lambda args=args: fused_sgd.fire_trains(*args))
        slots = fused_sgd.fire_trains(*args)
        words += slots * (np.count_nonzero(registers[n]) + np.count_nonzero(wanted[n])) / batch
        state = [array[n].copy() for array in cells]
        shape, device = (1, 1, layer.height, layer.width), tiles[n].array.device
        plan = (shape, rows[n], columns[n], False, layer.noise, tuple(Stream.root(0)), 0)
        pulses += device.kernels.trains(*[array[n].copy() for array in cells], *plan).pulses / batch
        add("pulses", lambda state=state, plan=plan, device=device: device.kernels.trains(*state, *plan))
    reads = (
        "larger of operations and bytes of driven lines; short loops over one line of cells, not blocked in registers"
    )
    limit = {
        "forward read": (forward, reads),
        "neurons and loss": (0.0, "none stated: exponentials and logarithms, one by one"),
        "transposed read": (backward, "the same, of all lines"),
        "trains": (
            words / limits.word,
            "random words of lines that are not at rest; finding peaks and lines comes on top",
        ),
        "pulses": (
            pulses * (1 / limits.normal + 4 / limits.access),
            "a normal number and four random accesses a pulse (cell, parameters, counters); few pulses share a line",
        ),
    }
    return [Stage(name, seconds, *limit[name]) for name, seconds in spent.items()]
