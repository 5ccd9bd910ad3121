"""The fused path: when a network is simple enough for a compiled kernel of its whole training step.

This is the one place where a fast path replaces the stages of tiles, neurons, losses and `Rule.step`. The stages are
the truth; what a kernel does not do exactly as they do is not fused.
"""

from __future__ import annotations

from torch import nn

from ...nn import Linear
from ...tile import Tile
from ..gates import Everything
from ..rule import Rule
from .base import AbstractFused, Trained, plain_cells
from .chain import chain_of
from .counts import FusedCounts
from .reads import plain_reads
from .sgd import FusedSGD
from .transfer import FusedTransfer
from .twin import FusedTwin

__all__ = ["AbstractFused", "Trained", "fuse"]


def fuse(model: nn.Module, rule: Rule, loss: object) -> AbstractFused | None:
    """The fused trainer of a model, or None where a stage of it needs the tile's own stages.

    Arguments:
        model: a Sequential of `Linear` and activations in turn.
        rule: at work on it.
        loss: cross-entropy or ternary margin, with their mean over samples.
    """
    if type(model) is not nn.Sequential or rule.parts.every > 1 or rule.census is not None:
        return None
    if not isinstance(rule.gate, Everything):
        return None
    layers, neurons = [m for m in list(model)[0::2] if type(m) is Linear], list(model)[1::2]
    # A layer that stands in the model twice, or that the rule does not train, needs the stages.
    if len(layers) != len(neurons) + 1 or list(rule.layers.values()) != layers:
        return None
    chains = [chain for layer in layers if (chain := chain_of(layer.tile)) is not None]
    if chains:
        kinds = {(type(one.slow.array.device), type(one.fast.array.device), len(one.parts)) for one in chains}
        alike = len(chains) == len(layers) and len(kinds) == 1 and FusedTransfer.fits(rule)
        plain = alike and plain_reads(rule.credit, [chain.slow for chain in chains], neurons, loss)
        return FusedTransfer(rule, layers, neurons, loss) if plain else None
    tiles = [layer.tile for layer in layers if isinstance(layer.tile, Tile) and plain_cells(layer.tile, unsettled=True)]
    if len(tiles) < len(layers) or len({type(tile.array.device) for tile in tiles}) > 1:
        return None
    if not plain_reads(rule.credit, tiles, neurons, loss):
        return None
    settled = all(tile.array.device.plain for tile in tiles)
    for trainer in (FusedSGD, FusedCounts, FusedTwin):
        if trainer.fits(rule) and (settled or trainer.unsettled):
            return trainer(rule, layers, neurons, loss)
    return None
