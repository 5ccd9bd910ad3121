"""MNIST, the handwritten digits that nearly every published memristor network is judged by."""

from __future__ import annotations

from typing import ClassVar, Literal

from .archive import AbstractIdxDataset, Archive
from .cache import RemoteFile


class Mnist(AbstractIdxDataset):
    """Handwritten digits, 28 x 28 pixels: 60 000 to train and validate, 10 000 to test, by other writers."""

    sources: ClassVar[tuple[str, ...]] = (
        "LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86, 2278 (1998)",
    )
    archive: ClassVar[Archive] = Archive(
        "mnist",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    )

    kind: Literal["mnist"] = "mnist"
