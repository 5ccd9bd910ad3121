"""Named streams of random numbers: where a number comes from is an address, not a history.

Every random number of memlearn is a pure function of (seed, stream, counter): the seed is the user's, the stream is a
path of names ("layer1", "cycle"), the counter is the event and the cell. `ops/random` turns an address into bits.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Stream(NamedTuple):
    """A stream's 64-bit key, as two 32-bit words; `ops/random` keys its generator with them."""

    low: int
    high: int

    @classmethod
    def root(cls, seed: int) -> Stream:
        """The stream that a seed opens; any integer is a seed."""
        return cls._hash(f"memlearn seed {int(seed)}")

    def child(self, *names: str | int) -> Stream:
        """The stream of a part; equal names give equal streams, others are independent.

        Arguments:
            names: the path to the part, for instance ("layer1", "cycle").
        """
        stream = self
        for name in names:
            stream = self._hash(f"{stream.low} {stream.high} {name}")
        return stream

    def torch_seed(self) -> int:
        """A seed for `torch.Generator`, for what torch itself draws (shuffles, initial weights)."""
        return (self.high << 31 ^ self.low) & (2**63 - 1)

    @classmethod
    def _hash(cls, text: str) -> Stream:
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return cls(int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))
