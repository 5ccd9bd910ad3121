"""Twin against complementary crossbars: recognition of 26 letters and 10 grey images under statistical variation.

    python experiments/twin_crossbar.py              the table of docs/hybrid.md
    python experiments/twin_crossbar.py --draws 20   shorter

Each bit line holds one image; the image shown is the one whose line matches best. Conductances of both arrays vary by
a factor exp(spread x normal); "inter" is the correlation of cells at the same place of the two arrays, "intra" that of
the cells of a bit line. Published (Truong et al. 2015, abstract): at inter 1, the twin crossbar is better by 4 points
(grey images) and 4.5 (letters) at intra 0, by 5.6 and 6 at intra 1. Inferred: size of the images, the letters (our
own), grey images as random ones of two levels a pixel, the on/off ratio (20), the spread, and "intra" as one factor a
bit line. The gain is given at the spread at which the complementary crossbar recognises about 90 %, and on average.
"""

from __future__ import annotations

import argparse
import math
import sys

import torch
from torch import Tensor
from wire_letters import letters

from memlearn.arrays.mapping import ComplementaryCrossbar, TwinCrossbar

G_MIN, G_MAX = 2e-6, 40e-6
SPREADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
KINDS = {"complementary": ComplementaryCrossbar(), "twin": TwinCrossbar()}


def grey(number: int = 10, pixels: int = 64) -> Tensor:
    """Images (number, pixels), 0 or 1, that resemble each other in three pixels of four."""
    generator = torch.Generator().manual_seed(10)
    common = torch.rand(1, pixels, generator=generator) < 0.5
    changed = torch.rand(number, pixels, generator=generator) < 0.25
    return (common ^ changed).double()


def recognised(images: Tensor, kind: str, spread: float, inter: float, intra: float, draws: int) -> float:
    """Share of the images that are recognised, over draws of the arrays."""
    mapping, weight = KINDS[kind], (2 * images - 1).T
    target = mapping.conductances(weight, G_MIN, G_MAX)
    voltage = mapping.row_lines(2 * images - 1)
    rows, columns = weight.shape
    generator, right = torch.Generator().manual_seed(20), 0
    for _ in range(draws):
        arrays = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
        lines = torch.randn(2, 1, columns, generator=generator, dtype=torch.float64)
        both = math.sqrt(intra) * lines + math.sqrt(1 - intra) * arrays
        second = inter * both[0] + math.sqrt(1 - inter**2) * both[1]
        factor = torch.stack([both[0], second], dim=1).flatten(0, 1).mul(spread).exp()
        real = target.clone()
        real[:, :-1] *= factor
        score = mapping.column_signal(voltage @ real)
        right += int((score.argmax(1) == torch.arange(columns)).sum())
    return right / (draws * columns)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, help="arrays drawn for each figure")
    draws, say = parser.parse_args().draws, sys.stdout.write
    torch.set_num_threads(1)
    for name, images in (("26 letters", letters()), ("10 grey images", grey())):
        for intra in (0.0, 1.0):
            say(f"{name}, inter 1, intra {intra:g}\n{'spread':>8}{'complementary':>15}{'twin':>8}{'gain':>8}\n")
            gains = []
            for spread in SPREADS:
                both = [100 * recognised(images, kind, spread, 1.0, intra, draws) for kind in KINDS]
                gains.append((abs(both[0] - 90), both[1] - both[0]))
                say(f"{spread:8.1f}{both[0]:14.1f}%{both[1]:7.1f}%{both[1] - both[0]:8.1f}\n")
            mean = sum(gain for _, gain in gains) / len(gains)
            say(f"gain where complementary is nearest 90 %: {min(gains)[1]:.1f} points; on average {mean:.1f}\n\n")


if __name__ == "__main__":
    main()
