"""The small digits that come with scikit-learn: no file, no network, seconds to train."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ..core.component import quantity
from ..core.random import Stream
from .base import AbstractDataset, Images, shuffled

TEST_IMAGES = 360


class Digits(AbstractDataset):
    """1797 handwritten digits of 8 x 8 pixels in 17 grey levels; 1437 to train and validate, 360 to test.

    The publisher gives no training part with this selection, so the 360 test images are drawn at random, always the
    same. The same writers are in both parts: an accuracy here says that learning works, not how well it generalises
    to another writer. One test image weighs 0.28 %.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        "scikit-learn, sklearn.datasets.load_digits",
    )
    grey_levels: ClassVar[int] = 16

    kind: Literal["digits"] = "digits"
    validation: int = quantity(300, unit="1", ge=0, doc="training images held out for validation")

    def _read(self, directory: Path | None) -> tuple[Images, Images]:
        # Here and not above: importing it takes two seconds, which every other command would pay.
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        order = shuffled(len(labels), Stream.root(0).child("digits", "test"))
        images = Images(pixels.reshape(-1, 8, 8).astype(np.uint8)[order], labels.astype(np.uint8)[order])
        train, test = slice(TEST_IMAGES, None), slice(0, TEST_IMAGES)
        return Images(images.pixels[train], images.labels[train]), Images(images.pixels[test], images.labels[test])
