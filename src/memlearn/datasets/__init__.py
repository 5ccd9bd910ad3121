"""Data sets: embedded digits, and MNIST and Fashion-MNIST from a folder, the cache or the network."""

from __future__ import annotations

from ..core.component import choice, members
from .base import AbstractDataset, Data, Split
from .digits import Digits
from .fashion_mnist import FashionMnist
from .mnist import Mnist

MEMBERS = members(globals(), AbstractDataset)
AnyDataset = choice(MEMBERS)

__all__ = ["MEMBERS", "AbstractDataset", "AnyDataset", "Data", "Digits", "FashionMnist", "Mnist", "Split"]
