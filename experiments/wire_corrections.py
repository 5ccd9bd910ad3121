"""Every correction of wire resistance and its cost in one table, on random arrays.

    python experiments/wire_corrections.py                        the table of docs/corrections.md, seeds 0 1 2
    python experiments/wire_corrections.py --sizes 64 --ohms 1    one column of it
    python experiments/wire_corrections.py --floor 1e-6           cells that cannot go below 1 uS

Square arrays, cells uniform in 1 to 100 uS, inputs uniform in 0 to 1 V, segments of 1 or 10 ohm on both lines, drivers
and senses of 100 ohm. Error: root mean square of (corrected - ideal current) over the standard deviation of an ideal
output over the inputs; 1 leaves no information. Gains are fitted to 64 inputs, errors are those of 64 others.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

import torch

from memlearn.arrays.wires import ResistiveWires
from memlearn.compensation import (
    AbstractCorrection,
    AdaptedProgramming,
    ArrayGain,
    ColumnGain,
    Cost,
    DoubleSided,
    LineRestore,
    Mapped,
    Predistortion,
    output_error,
    start,
)

HEADROOM = {(64, 1.0): 0.49, (64, 10.0): 0.19, (128, 1.0): 0.25, (128, 10.0): 0.06}
"""Scales of an earlier measurement, to compare with."""


def corrections(size: int, ohm: float) -> dict[str, Sequence[AbstractCorrection]]:
    """The rows of the table, for arrays of this size and segments of this resistance."""
    given = Predistortion(headroom=HEADROOM.get((size, ohm)), rounds=12)
    return {
        "none": (),
        "one gain": (ArrayGain(),),
        "gain per column": (ColumnGain(),),
        "gain per column, least squares": (ColumnGain(fit="least_squares"),),
        "gain per column, 8 bits": (ColumnGain(bits=8, largest=32.0),),
        "restore, from sums": (LineRestore(fit="sums"),),
        "restore rows": (LineRestore(lines="rows"),),
        "restore rows + columns": (LineRestore(),),
        "two-sided": (DoubleSided(),),
        "two-sided + gain per column": (DoubleSided(), ColumnGain()),
        "adapted, 1 round": (AdaptedProgramming(rounds=1),),
        "adapted, 8 rounds": (AdaptedProgramming(),),
        "adapted + gain per column": (AdaptedProgramming(), ColumnGain()),
        "pre-distortion": (Predistortion(),),
        "pre-distortion, s given": (given, ArrayGain()),
        "pre-distortion + gain per col.": (Predistortion(), ColumnGain()),
    }


def drawn(size: int, ohm: float, seed: int, floor: float = 0.0) -> tuple[Mapped, torch.Tensor]:
    """An array that nothing has corrected yet, and inputs to test it with."""
    generator = torch.Generator().manual_seed(seed)
    uniform = {"generator": generator, "dtype": torch.float64}
    target = 1e-6 + 99e-6 * torch.rand(size, size, **uniform)
    typical, others = torch.rand(64, size, **uniform), torch.rand(64, size, **uniform)
    wires = ResistiveWires(r_word_line=ohm, r_bit_line=ohm, r_source=100.0, r_sense=100.0)
    return start(target, wires, inputs=typical, g_min=floor, g_max=1e-4), others


def measure(name: str, size: int, ohm: float, seeds: Sequence[int], floor: float = 0.0) -> tuple[list[float], Cost]:
    """Errors, seed by seed, and the cost."""
    errors, cost = [], Cost()
    for seed in seeds:
        mapped, others = drawn(size, ohm, seed, floor)
        for one in corrections(size, ohm)[name]:
            mapped = one.correct(mapped)
        errors.append(output_error(mapped, others))
        cost = mapped.cost
    return errors, cost


def main() -> None:
    """Print one line a correction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", type=int, default=[64, 128])
    parser.add_argument("--ohms", nargs="*", type=float, default=[1.0, 10.0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--floor", type=float, default=0.0)
    given = parser.parse_args()
    cases = [(size, ohm) for size in given.sizes for ohm in given.ohms]
    print(" " * 32 + "".join(f"{f'{size}, {ohm:g} ohm':>22}" for size, ohm in cases))  # noqa: T201
    for name in corrections(*cases[0]):
        line, costs = f"{name:32}", Cost()
        for size, ohm in cases:
            errors, costs = measure(name, size, ohm, given.seeds, given.floor)
            line += f"{statistics.mean(errors):.2g} ({min(errors):.2g}-{max(errors):.2g})".rjust(22)
        print(f"{line}  {costs}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
