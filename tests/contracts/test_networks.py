"""What every network of an experiment promises. To add one, add one line to CASES."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from memlearn.core.errors import InputError
from memlearn.datasets import Digits
from memlearn.experiment import CNN, MLP, Experiment, Recurrent, network, read_experiment, run
from memlearn.experiment.networks import MEMBERS, AbstractNetwork
from memlearn.nn import tiles
from memlearn.report import write_report
from tests.end_to_end.small import figures, small

SMALL = {"channels": (3, 4), "kernel": (3,), "padding": (1,), "hidden": (8,)}
CASES = [
    MLP(hidden=(6, 5)),
    MLP(hidden=()),
    CNN(**SMALL),
    CNN(**SMALL, backward="copy", copies=2, pool=(2, 1), pooling="average", bias=False),
    Recurrent(hidden=(6,)),
    Recurrent(cell="rnn", hidden=(6, 5), lines="separate"),
]
DRIVE, SENSE = {"kind": "dac", "bits": None, "scaling": "max"}, {"kind": "adc", "bits": None, "output_range": 100.0}
EXACT = {way: {"drive": DRIVE, "sense": SENSE} for way in ("forward", "backward")}
FINE = {"kind": "constant_step", "states": 1e5}
SIAMESE = {"kind": "siamese", "levels": 2001, "learning_rate": 0.2}
DATA = Digits(train_limit=200, validation=0).load()


@pytest.fixture(params=CASES, ids=repr)
def case(request: pytest.FixtureRequest) -> AbstractNetwork:
    return request.param


def experiment(case: AbstractNetwork, **changes: object) -> Experiment:
    return small(network=case.table(), **changes)


def test_every_member_is_tested():
    assert {type(case) for case in CASES} == set(MEMBERS.values())


class TestContract:
    """Inherited by every network."""

    def test_settings_make_the_round_trip(self, case: AbstractNetwork):
        made = experiment(case)
        assert made.network == case
        assert Experiment.from_table(json.loads(json.dumps(made.table()))) == made

    def test_it_goes_from_pixels_to_classes(self, case: AbstractNetwork):
        model = network.build(experiment(case), DATA)
        assert model(DATA.train.inputs[:3]).shape == (3, 10)
        assert model(DATA.train.inputs[:0]).shape == (0, 10)

    def test_the_yardstick_has_the_same_weights(self, case: AbstractNetwork):
        made = experiment(case)
        inside, plain = network.build(made, DATA), network.build_float(made, DATA)
        first = {name: tile for name, tile in tiles(inside).items() if ".copy" not in name and ".trans" not in name}
        count = sum(parameter.numel() for parameter in plain.parameters())
        twice = sum(m.bias_hh_l0.numel() for m in plain.modules() if isinstance(m, nn.RNNBase))  # type: ignore[arg-type]
        assert sum(tile.inputs * tile.outputs for tile in first.values()) == count - twice
        assert len(list(network.weight_layers(plain))) == case.layers
        assert plain(DATA.train.inputs[:2]).shape == (2, 10)

    def test_the_float_network_gives_what_the_arrays_give(self, case: AbstractNetwork):
        made = experiment(case, periphery=EXACT)
        inside, plain = network.build(made, DATA), network.build_float(made, DATA)
        copied(plain, inside)
        inputs = DATA.train.inputs[:5]
        with torch.no_grad():
            assert torch.allclose(inside.eval()(inputs), plain.eval()(inputs), atol=1e-5)

    def test_w_max_is_set_layer_by_layer(self, case: AbstractNetwork):
        wanted = tuple(0.5 + 0.1 * n for n in range(case.layers))
        inside = network.build(experiment(case.replace(w_max=wanted)), DATA)
        tops = [tile.array.crossbar.mapping.w_max for tile in tiles(inside).values()]
        assert list(dict.fromkeys(tops)) == list(wanted)
        with pytest.raises(InputError, match=f"w_max.*as many as the layers, {case.layers}"):
            case.replace(w_max=(1.0,) * (case.layers + 1))

    def test_initial_weights_scale(self, case: AbstractNetwork):
        one, other = (network.build(experiment(case.replace(initial_scale=s)), DATA) for s in (1.0, 0.5))
        for a, b in zip(tiles(one).values(), tiles(other).values(), strict=True):
            assert torch.allclose(a.weight() / 2, b.weight(), atol=1e-5)
        one, other = (network.build_float(experiment(case.replace(initial_scale=s)), DATA) for s in (1.0, 0.5))
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a / 2, b, atol=1e-6)

    def test_the_memory_it_takes_is_known_beforehand(self, case: AbstractNetwork):
        made, shapes = experiment(case), network._Shapes(case)
        case.assemble(shapes, DATA.image_shape, DATA.classes)
        physical = made.crossbar.mapping.physical
        cells = sum(m.arrays * math.prod(physical(m.inputs, m.outputs)) for m in shapes.found)
        built = sum(tile.cells for tile in tiles(network.build(made, DATA)).values())
        assert cells >= built >= 0.8 * cells  # separate lines have no weights between them

    def test_it_runs_and_repeats_to_the_bit(self, case: AbstractNetwork, tmp_path: Path):
        changes = {"rule": SIAMESE, "device": FINE, "data": {"train_limit": 32, "validation": 0}}
        yardstick = {"epochs": 1, "float_reference": {"learning_rate": 0.1}}
        for name in ("a", "b"):
            result = run(experiment(case, **changes, training=yardstick), tmp_path / name)
        assert figures(tmp_path / "a") == figures(tmp_path / "b")
        assert result["pulses_total"] > 0 and result["float_network"].endswith("softmax cross-entropy")
        page = write_report([tmp_path / "a"], tmp_path / "page.html")
        assert all(layer["name"] in page.read_text() for layer in result["layers"])
        floats = experiment(case, rule={"kind": "float_reference"}, data={"train_limit": 32}, training={"epochs": 1})
        run(floats, tmp_path / "float")


def copied(plain: nn.Module, inside: nn.Module) -> None:
    """The weights of the arrays, in plain torch."""
    found = tiles(inside)
    with torch.no_grad():
        for name, module in network.weight_layers(plain):
            if isinstance(module, nn.Linear):
                weight = found[name].weight()
                module.weight.copy_(weight[: module.in_features].T)
                if module.bias is not None:
                    module.bias.copy_(weight[-1])
            elif isinstance(module, nn.Conv2d):
                weight, (tall, wide) = found[name].weight(), module.kernel_size
                lines = tall * wide * module.in_channels
                kernels = weight[:lines].reshape(tall, wide, module.in_channels, module.out_channels)
                module.weight.copy_(kernels.permute(3, 2, 0, 1))
                if module.bias is not None:
                    module.bias.copy_(weight[-1])
            elif isinstance(module, nn.RNNBase):
                parts = [tile.weight() for key, tile in found.items() if key.startswith(f"{name}.")]
                size = module.input_size
                ahead, state = (parts[0][:size], parts[0][size:-1]) if len(parts) == 1 else (parts[0][:size], parts[1])
                module.weight_ih_l0.copy_(ahead.T)  # type: ignore[operator]
                module.weight_hh_l0.copy_(state.T)  # type: ignore[operator]
                module.bias_ih_l0.copy_(parts[0][-1])  # type: ignore[operator]
                module.bias_hh_l0.zero_()  # type: ignore[operator]


class TestSettings:
    """Files and mistakes."""

    def test_a_file_without_a_kind_means_an_mlp(self, tmp_path: Path):
        (tmp_path / "a.toml").write_text("[network]\nhidden = [3]\nneuron = { kind = 'tanh' }")
        assert read_experiment(tmp_path / "a.toml").experiment.network == MLP(
            hidden=(3,), neuron=Experiment.from_table({"network": {"neuron": {"kind": "tanh"}}}).network.neuron
        )

    @pytest.mark.parametrize(
        ("network", "says"),
        [
            ({"kind": "cnn", "channels": []}, "network.channels = .*at least one convolution"),
            ({"kind": "cnn", "kernel": [3, 3, 3]}, "network.kernel = .*one number, or one for each convolution, 2"),
            ({"kind": "recurrent", "hidden": []}, "network.hidden = .*at least one layer"),
            ({"kind": "lstm"}, "network.kind = 'lstm': unknown kind"),
            ({"kind": "cnn", "chanels": [3]}, "network.chanels.*Did you mean 'channels'"),
        ],
    )
    def test_mistakes_are_told(self, network: dict, says: str):
        with pytest.raises(InputError, match=says):
            Experiment.from_table({"network": network})

    def test_a_kernel_larger_than_the_image_is_refused(self, tmp_path: Path):
        with pytest.raises(InputError, match="convolution 2 leaves nothing of maps of 2 x 2 pixels"):
            run(small(network={"kind": "cnn", "padding": [0]}), tmp_path / "run")
