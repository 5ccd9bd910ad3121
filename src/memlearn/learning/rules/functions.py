"""Every rule as a function of a model, as optimisers are."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..rule import Rule
from .closed_loop import QuantisedSynapses, ReadWrite, ReadWriteVerify, Siamese
from .gradient import SGD, IdealSGD, MixedPrecision, RoundedSGD
from .low_rank import LowRankSGD
from .second_array import AGAD, ChoppedTikiTaka, MultiTile, ResidualLearning, TikiTaka, TikiTakaV2, Tracked
from .signs import Manhattan, MultiThresholdRule, SignBackpropagation, SignBackpropagationCounter, ThresholdManhattan
from .weight_cells import AnalogueHidden, CapacitorTransfer, PeriodicCarry, WeightedSynapse


def sgd(model: nn.Module, **settings: Any) -> Rule:
    """`SGD` at work on a model; settings as its fields."""
    return SGD(**settings).attach(model)


def rounded_sgd(model: nn.Module, **settings: Any) -> Rule:
    """`RoundedSGD` at work on a model; settings as its fields."""
    return RoundedSGD(**settings).attach(model)


def manhattan(model: nn.Module, **settings: Any) -> Rule:
    """`Manhattan` at work on a model."""
    return Manhattan(**settings).attach(model)


def threshold_manhattan(model: nn.Module, **settings: Any) -> Rule:
    """`ThresholdManhattan` at work on a model; settings as its fields."""
    return ThresholdManhattan(**settings).attach(model)


def multi_threshold(model: nn.Module, **settings: Any) -> Rule:
    """`MultiThresholdRule` at work on a model; settings as its fields."""
    return MultiThresholdRule(**settings).attach(model)


def outer_product_sgd(model: nn.Module, **settings: Any) -> Rule:
    """`IdealSGD` at work on a model; settings as its fields."""
    return IdealSGD(**settings).attach(model)


def sign_backprop(model: nn.Module, **settings: Any) -> Rule:
    """`SignBackpropagation` at work on a model; settings as its fields."""
    return SignBackpropagation(**settings).attach(model)


def siamese(model: nn.Module, **settings: Any) -> Rule:
    """`Siamese` at work on a model; settings as its fields."""
    return Siamese(**settings).attach(model)


def quantised(model: nn.Module, **settings: Any) -> Rule:
    """`QuantisedSynapses` at work on a model; settings as its fields."""
    return QuantisedSynapses(**settings).attach(model)


def low_rank_sgd(model: nn.Module, **settings: Any) -> Rule:
    """`LowRankSGD` at work on a model; settings as its fields."""
    return LowRankSGD(**settings).attach(model)


def mixed_precision(model: nn.Module, **settings: Any) -> Rule:
    """`MixedPrecision` at work on a model; settings as its fields."""
    return MixedPrecision(**settings).attach(model)


def sign_backprop_counter(model: nn.Module, **settings: Any) -> Rule:
    """`SignBackpropagationCounter` at work on a model; settings as its fields."""
    return SignBackpropagationCounter(**settings).attach(model)


def periodic_carry(model: nn.Module, **settings: Any) -> Rule:
    """`PeriodicCarry` at work on a model; settings as its fields."""
    return PeriodicCarry(**settings).attach(model)


def weighted_synapse(model: nn.Module, **settings: Any) -> Rule:
    """`WeightedSynapse` at work on a model; settings as its fields."""
    return WeightedSynapse(**settings).attach(model)


def capacitor_transfer(model: nn.Module, **settings: Any) -> Rule:
    """`CapacitorTransfer` at work on a model; settings as its fields."""
    return CapacitorTransfer(**settings).attach(model)


def analogue_hidden(model: nn.Module, **settings: Any) -> Rule:
    """`AnalogueHidden` at work on a model of cells `Hidden`; settings as its fields."""
    return AnalogueHidden(**settings).attach(model)


def read_write(model: nn.Module, **settings: Any) -> Rule:
    """`ReadWrite` at work on a model; settings as its fields."""
    return ReadWrite(**settings).attach(model)


def read_write_verify(model: nn.Module, **settings: Any) -> Rule:
    """`ReadWriteVerify` at work on a model; settings as its fields."""
    return ReadWriteVerify(**settings).attach(model)


def tiki_taka(model: nn.Module, **settings: Any) -> Rule:
    """`TikiTaka` at work on a model; settings as its fields."""
    return TikiTaka(**settings).attach(model)


def tiki_taka_v2(model: nn.Module, **settings: Any) -> Rule:
    """`TikiTakaV2` at work on a model; settings as its fields."""
    return TikiTakaV2(**settings).attach(model)


def chopped_tiki_taka(model: nn.Module, **settings: Any) -> Rule:
    """`ChoppedTikiTaka` at work on a model; settings as its fields."""
    return ChoppedTikiTaka(**settings).attach(model)


def agad(model: nn.Module, **settings: Any) -> Rule:
    """`AGAD` at work on a model; settings as its fields."""
    return AGAD(**settings).attach(model)


def residual_learning(model: nn.Module, **settings: Any) -> Rule:
    """`ResidualLearning` at work on a model; settings as its fields."""
    return ResidualLearning(**settings).attach(model)


def multi_tile(model: nn.Module, **settings: Any) -> Rule:
    """`MultiTile` at work on a model; settings as its fields."""
    return MultiTile(**settings).attach(model)


def tracked(model: nn.Module, **settings: Any) -> Rule:
    """`Tracked` at work on a model; settings as its fields."""
    return Tracked(**settings).attach(model)
