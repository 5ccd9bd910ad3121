"""Kernels that several processes compile at once into one cache: nobody gets another's code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memlearn.devices import SoftBounds
from memlearn.ops import guard
from memlearn.ops.guard import Guarded
from memlearn.ops.pulse_update.counts import survey
from memlearn.ops.pulse_update.draws import normals_of_run

CHECK = """
import sys
import numpy as np, torch
from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle

LAWS = {"constant": ConstantStep, "soft": SoftBounds}
for variant in sys.argv[1:]:
    law, dtype = variant.split("/")
    device = LAWS[law](states=50, cycle_to_cycle=CycleToCycle(spread=0.3))
    plan, ends = Counts(torch.arange(-6, 6).reshape(1, 1, 3, 4)), []
    for backend in ("cpu", "reference"):
        cells = device.init((1, 1, 3, 4), Stream.root(0), getattr(torch, dtype))
        cells, _ = device.pulse(cells, plan, Stream.root(1), 0, backend=backend)
        ends.append(cells.conductance)
    assert torch.equal(*ends), variant
"""
# One law in two precisions, and two laws in one.
VARIANTS = ["constant/float32", "constant/float64", "soft/float32"]


def test_processes_that_compile_at_once_do_not_exchange_kernels(tmp_path: Path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def start(*variants: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CHECK, *variants]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    for running in [start(variant) for variant in VARIANTS]:
        _, errors = running.communicate(timeout=240)
        assert running.returncode == 0, errors
    last = start(*VARIANTS)
    _, errors = last.communicate(timeout=240)
    assert last.returncode == 0, f"what the others left in the cache is wrong:\n{errors}"


def test_only_the_first_call_of_each_kind_is_guarded(monkeypatch: pytest.MonkeyPatch):
    locks: list[str] = []

    class Lock:
        def __init__(self, path: Path) -> None:
            locks.append(path.name)

        def acquire(self, poll_interval: float) -> Lock:
            return self

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(guard, "FileLock", Lock)
    double = Guarded(lambda values, pair: values * 2)
    small, large = np.ones(3, np.float32), np.ones(5, np.float64)
    for values in (small, small, large, small, large, large[::2]):
        assert double(values, (1, 2.0)).sum() == 2 * len(values)
    double(small, (1, 2))
    assert len(locks) == 4, "float32, float64, strided, another tuple"


def test_without_a_place_for_the_lock_it_works_unguarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(guard, "lock_path", lambda kernel: tmp_path / "missing" / "\0" / "lock")
    monkeypatch.setattr(guard, "FileLock", _Refused)
    assert Guarded(lambda n: n + 1)(1) == 2


def test_the_files_of_what_a_kernel_compiles_in_are_locked_too():
    guard._share_files(SoftBounds.kernels.counts_body, set())
    for function in (survey, normals_of_run):
        assert isinstance(function._cache._cache_file, guard._Files), function


class _Refused:
    def __init__(self, path: Path) -> None:
        raise PermissionError(path)
