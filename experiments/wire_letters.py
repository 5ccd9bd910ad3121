"""Truong 2019 rebuilt: a crossbar recognises 26 letters, against wire resistance, with and without adapted programming.

    python experiments/wire_letters.py                   the table of docs/corrections.md, seeds 0 1 2
    python experiments/wire_letters.py --draws 5         shorter

A complementary crossbar: half of the word lines carry a letter's pixels, half their inverse; each of 26 bit lines holds
a letter and its inverse in cells of low and high resistance; the largest current wins. The letters, 8 x 8 pixels drawn
at twice the size, are our own. What the publication's abstract leaves open is inferred, and was chosen so that
recognition falls by as much as published: size of the images, resistances, spread of the cells, ends of the lines.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memlearn.arrays.wires import ResistiveWires
from memlearn.compensation import AbstractCorrection, AdaptedProgramming, ColumnGain, Mapped, Predistortion, start

LETTERS = (
    "183C66667E6666667C66667C6666667C3C6660606060663C786C666666666C787E60607C6060607E7E60607C60606060"
    "3C6660606E66663C6666667E666666663C1818181818183C0E0606060666663C666C787070786C66606060606060607E"
    "C3E7FFDBC3C3C3C366767E7E6E6666663C6666666666663C7C6666667C6060603C666666666E3C067C6666667C786C66"
    "3C6660381C06663C7E18181818181818666666666666663C6666666666663C18C3C3C3C3DBFFE7C366663C18183C6666"
    "6666663C181818187E060C181830607E"
)
"""A to Z, eight rows of eight pixels each, in hexadecimal digits."""


class Board(NamedTuple):
    """What the publication's abstract leaves open."""

    scale: int = 2
    """Times 8 pixels: height and width of a letter."""
    low: float = 3.5e3
    """ohm, of a cell that stands for 1."""
    high: float = 1e6
    """ohm, of a cell that stands for 0."""
    spread: float = 0.05
    """Standard deviation of the logarithm of the cells' conductances."""
    r_terminal: float = 0.0
    """ohm, of drivers and sense inputs."""
    read_voltage: float = 0.5
    """V."""


CORRECTIONS: dict[str, Sequence[AbstractCorrection]] = {
    "conventional programming": (),
    "adapted programming": (AdaptedProgramming(),),
    "pre-distortion": (Predistortion(),),
    "column gain": (ColumnGain(),),
}


_NUMBER = 26


def _split(digits: str) -> list[str]:
    """One string a letter."""
    return [digits[k : k + 16] for k in range(0, len(digits), 16)]


def letters(scale: int = 1) -> Tensor:
    """(26, 64 scale^2) pixels, 0 or 1."""
    rows = [[int(bit) for bit in f"{int(letter, 16):064b}"] for letter in _split(LETTERS)]
    images = torch.tensor(rows, dtype=torch.float64).reshape(-1, 8, 8)
    return images.repeat_interleave(scale, 1).repeat_interleave(scale, 2).flatten(1)


def crossbar(board: Board, r_wire: float) -> Mapped:
    """The crossbar (128 scale^2, 26), its cells at their nominal targets."""
    pixels = letters(board.scale)
    both = torch.cat([pixels, 1 - pixels], 1)
    target = torch.where(both.T > 0, 1 / board.low, 1 / board.high).double()
    wires = ResistiveWires(r_word_line=r_wire, r_bit_line=r_wire, r_source=board.r_terminal, r_sense=board.r_terminal)
    inputs = board.read_voltage * both
    return start(target, wires, inputs=inputs, g_min=1 / board.high, g_max=1 / board.low)


def recognised(board: Board, r_wire: float, corrections: Sequence[AbstractCorrection], draws: int, seed: int) -> float:
    """The fraction of letters that win, over `draws` arrays whose cells miss their targets."""
    mapped = crossbar(board, r_wire)
    for one in corrections:
        mapped = one.correct(mapped)
    generator, right = torch.Generator().manual_seed(seed), 0
    wanted = torch.arange(_NUMBER)
    for _ in range(draws):
        noise = torch.randn(mapped.target.shape, generator=generator, dtype=torch.float64)
        cells = mapped.conductance * torch.exp(board.spread * noise)
        right += int((mapped._replace(conductance=cells).read(mapped.inputs).argmax(-1) == wanted).sum())
    return right / (draws * _NUMBER)


def main() -> None:
    """Print one line a correction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in Board()._asdict().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    given = vars(parser.parse_args())
    draws, seeds, board = given.pop("draws"), given.pop("seeds"), Board(**given)
    resistances = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    print(f"{'ohm a segment':26}" + "".join(f"{r:>16.1f}" for r in resistances))  # noqa: T201
    for name, corrections in CORRECTIONS.items():
        line = f"{name:26}"
        for r in resistances:
            found = [100 * recognised(board, r, corrections, draws, seed) for seed in seeds]
            line += f"{statistics.mean(found):6.1f} ({min(found):.0f}-{max(found):.0f})".rjust(16)
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
