"""The example driver, as tests use it: as a program, or in a thread that watches a folder."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRIVER = Path(__file__).parents[1] / "examples" / "chip_driver" / "driver.py"
ROWS, COLUMNS = 6, 8
QUIET = {"rows": ROWS, "columns": COLUMNS, "noise": 0.0, "pulse_noise": 0.0, "spread": 0.0}


def command(folder: Path, **settings: Any) -> list[str]:
    """What starts the example driver, on cells in this folder."""
    words = [sys.executable, str(DRIVER), "--cells", str(folder / "cells.npz")]
    for name, value in {**QUIET, **settings}.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def driver_module() -> Any:
    """The example driver as a module."""
    spec = importlib.util.spec_from_file_location("example_driver", DRIVER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def driver_of(exchange: Path, cells: Path, **settings: Any) -> Any:
    """A driver in this process, as its program makes one."""
    told = {
        "exchange": exchange, "cells": cells, "g_min": 2e-6, "g_max": 20e-6, "states": 100, "seconds": 0.0,
        "save_every": 0.05, "seed": 0, **QUIET, **settings,
    }  # fmt: skip
    return driver_module().Driver(argparse.Namespace(**told))


@contextmanager
def watching(exchange: Path, cells: Path, **settings: Any) -> Iterator[Any]:
    """A driver that answers what is found in the folder, until the end of the block."""
    exchange.mkdir(parents=True, exist_ok=True)
    driver, over = driver_of(exchange, cells, **settings), threading.Event()
    driver.whole("chip.json", driver.describe())

    def work() -> None:
        while not over.wait(0.001):
            for path in sorted(exchange.glob("[0-9]*.request.json")):
                number = int(path.name.split(".")[0])
                if not (exchange / f"{number:06d}.answer.json").exists():
                    driver.serve(number)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield driver
    finally:
        over.set()
        thread.join()
