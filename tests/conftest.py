"""What every test shares: one thread unless it asks for more, and the data sets that are not embedded."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Kernels may be asked for this many; a test begins with one, as waking a second costs more than it saves.
THREADS = 2
MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
REPOSITORY = Path(__file__).parent.parent

# Numba and OpenMP read these once, when they are first imported; conftest.py is imported before any test module.
os.environ["NUMBA_NUM_THREADS"] = str(THREADS)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def few_threads() -> None:
    """One thread of torch at the start of every test, whatever the test before it has set."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "numba" in sys.modules:
        sys.modules["numba"].set_num_threads(THREADS)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder with MNIST's four idx files (plain or .gz), from MEMLEARN_DATA or beside the checkout; else a skip."""
    given = os.environ.get("MEMLEARN_DATA")
    root = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    for folder in (root / "mnist", root):
        if all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in MNIST_FILES):
            return folder
    pytest.skip(f"no MNIST in {root} or {root / 'mnist'}; set MEMLEARN_DATA to the folder that holds mnist/")
