"""Fashion-MNIST: the shape of MNIST, with pictures of clothes that a linear classifier does not nearly solve."""

from __future__ import annotations

from typing import ClassVar, Literal

from .archive import AbstractIdxDataset, Archive
from .cache import RemoteFile


class FashionMnist(AbstractIdxDataset):
    """Pieces of clothing, 28 x 28 pixels, balanced: 60 000 to train and validate, 10 000 to test.

    Classes: 0 T-shirt, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking, arXiv:1708.07747 (2017)",
    )
    archive: ClassVar[Archive] = Archive(
        "fashion_mnist",
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # offers no https; the checksum guards it
        ),
        (
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    )

    kind: Literal["fashion_mnist"] = "fashion_mnist"
