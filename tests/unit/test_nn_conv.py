"""Convolutions inside arrays: shapes, ways back, copies, ledger, rules, state and what is refused."""

from __future__ import annotations

import copy
import math
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.types import Counts, Drive, Factors
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, ReadNoise
from memlearn.learning import Parts, Rule, manhattan, sgd, sign_backprop, threshold_manhattan
from memlearn.learning.accumulate import PersistentCounter
from memlearn.learning.fused import fuse
from memlearn.learning.loop import train_batch, train_images
from memlearn.nn import Conv2d, Linear, Neuron, TernaryMarginLoss, array_layers, attach_ledger, convert, tiles
from memlearn.periphery import BinaryStep, ReLU
from memlearn.programming import Sign
from memlearn.tile import Array, Crossbar, Periphery, Tile
from tests.learners import CONVERTERS, EXACT, SIGNS, array, numbers, same

FINE = ConstantStep(states=1_000_000)
BOTH = pytest.mark.parametrize("backward", ["rewired", "copy"])


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def layer(*sizes: Any, **options: Any) -> Conv2d:
    """3 maps to 4 with kernels of 3 x 2, unless told otherwise."""
    return Conv2d(*(sizes or (3, 4, (3, 2))), **{"array": array(), "seed": 1, **options})


def network(given: Array | None = None, neuron: Any = None, **options: Any) -> nn.Sequential:
    """Two convolutions and a linear layer, for images of (1, 9, 9) and 3 classes."""
    given = given or array()
    return nn.Sequential(
        Conv2d(1, 3, 3, array=given, seed=1, **options),
        Neuron(neuron or ReLU(), seed=2),
        nn.MaxPool2d(2, stride=1),
        Conv2d(3, 4, 3, stride=2, padding=1, array=given, seed=3, **options),
        Neuron(neuron or ReLU(), seed=4),
        nn.AvgPool2d(2, stride=1),
        nn.Flatten(),
        Linear(16, 3, array=given, seed=5),
    )


def pictures(n: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 9, 9) within 0 .. 1 and labels: three rows of nine are bright, which ones tells the class."""
    images, labels = 0.3 * numbers(n, 1, 9, 9, seed=seed).abs(), torch.arange(n) % 3
    bright = torch.arange(9) // 3 == labels[:, None]
    return images + 0.7 * bright[:, None, :, None], labels


class TestShapes:
    """What a user of torch expects."""

    @pytest.mark.parametrize(
        "options",
        [{}, {"stride": 2}, {"padding": (2, 1)}, {"padding": "same"}, {"padding": "valid"}, {"dilation": (1, 2)}],
        ids=str,
    )
    @pytest.mark.filterwarnings("ignore:Using padding=.same.")
    def test_output_size_is_torchs(self, options):
        for size in [(5, 6), (3, 3), (9, 4)]:
            x = numbers(2, 3, *size)
            try:
                exact = nn.Conv2d(3, 4, (3, 2), **options)(x).shape
            except RuntimeError:
                with pytest.raises(InputError, match="too small"):
                    layer(**options)(x)
            else:
                assert layer(**options)(x).shape == exact

    def test_one_image_without_a_batch(self):
        made, x = layer(dtype=torch.float64), numbers(3, 6, 5, dtype=torch.float64)
        alone = made(x)
        assert alone.shape == (4, 4, 4) and torch.allclose(alone, made(x[None])[0], rtol=0, atol=1e-12)

    def test_no_images(self):
        for backward in ("rewired", "copy"):
            made, x = layer(backward=backward, copies=2), torch.zeros(0, 3, 6, 5, requires_grad=True)
            out = made(x)
            assert out.shape == (0, 4, 4, 4)
            out.sum().backward()
            assert x.grad is not None and x.grad.shape == x.shape

    def test_whole_numbers_and_other_precisions_are_taken(self):
        made = layer()
        for dtype in (torch.int64, torch.uint8, torch.float64, torch.float16):
            assert torch.equal(made(torch.ones(2, 3, 5, 5, dtype=dtype)), made(torch.ones(2, 3, 5, 5)))

    def test_layout_of_the_image_in_memory_does_not_matter(self):
        x = numbers(4, 3, 6, 7)
        for other in (x.contiguous(memory_format=torch.channels_last), x.flip(3).flip(3), x[:1].expand(4, 3, 6, 7)):
            assert torch.equal(layer()(other), layer()(other.contiguous()))

    def test_the_worked_example(self):
        # 3 maps to 2 maps with kernels of 2 x 2: a 12 x 2 array forward, an 8 x 3 array backward.
        made = layer(3, 2, 2, bias=False, backward="copy")
        assert made.tile.weight().shape == (12, 2) and made.transposed is not None
        assert made.transposed.tile.weight().shape == (8, 3)
        assert (made.tile.cells, made.transposed.tile.cells) == (2 * 12 * 2, 2 * 8 * 3)  # a pair of cells a weight
        text = repr(made)
        assert "12 x 2 weights" in text and "backward=copy, 8 x 3 weights" in text

    def test_initial_weights_are_torchs_usual_ones_or_as_asked(self):
        assert layer(25, 80, 2).tile.weight().abs().max() == pytest.approx(0.1, rel=0.01)
        assert not layer(initial_weight=0.0).tile.weight().abs().gt(1e-6).any()
        assert Conv2d(1, 1, 1, seed=0).tile.array == Array()


class TestRefused:
    """Bad input is named, with what is allowed and what to do."""

    @pytest.mark.parametrize(
        ("sizes", "options", "text"),
        [
            ((0, 4, 3), {}, "in_channels = 0: must be a whole number"),
            ((3, 1.5, 3), {}, "out_channels = 1.5: must be a whole number"),
            ((3, 4, 0), {}, "kernel_size = 0: must be a whole number of at least 1"),
            ((3, 4, (3, 2, 1)), {}, r"kernel_size = \(3, 2, 1\)"),
            ((3, 4, "3"), {}, "kernel_size = '3'"),
            ((3, 4, 3), {"stride": 0}, "stride = 0"),
            ((3, 4, 3), {"dilation": (1, 0)}, r"dilation = \(1, 0\)"),
            ((3, 4, 3), {"padding": -1}, "padding = -1: must be a whole number of at least 0"),
            ((3, 4, 3), {"padding": "sam"}, "padding = 'sam'.*Did you mean 'same'"),
            ((3, 4, 3), {"padding": "same", "stride": 2}, "padding = 'same': needs stride = 1"),
            ((4, 4, 3), {"groups": 2}, "groups = 2: must be 1.*for each group"),
            ((3, 4, 3), {"padding_mode": "reflect"}, "padding_mode = 'reflect'.*functional.pad"),
            ((3, 4, 3), {"backward": "copies"}, "backward = 'copies'.*Did you mean 'copy'"),
            ((3, 4, 3), {"copies": 0}, "copies = 0"),
            ((3, 4, 3), {"backend": "gpu3"}, "backend = 'gpu3'"),
        ],
        ids=str,
    )
    def test_settings(self, sizes, options, text):
        with pytest.raises(InputError, match=text):
            layer(*sizes, **options)

    @pytest.mark.parametrize("shape", [(3,), (5, 5), (2, 4, 5, 5), (5, 5, 3), (1, 2, 3, 5, 5)], ids=str)
    def test_shapes(self, shape):
        with pytest.raises(InputError, match=r"must be \(n, 3, height, width\).*reshape or permute") as error:
            layer()(torch.zeros(shape))
        assert str(tuple(shape)) in str(error.value)

    def test_images_smaller_than_a_kernel(self):
        with pytest.raises(InputError, match="spans 5 x 2 pixels"):
            layer(dilation=(2, 1))(torch.zeros(2, 3, 4, 4))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_images_and_errors_that_are_no_numbers(self, bad):
        made, x = layer(), torch.zeros(2, 3, 5, 5)
        out = made(x).sum()
        x[1, 2, 0, 0] = bad
        before = made.tile.events.clone()
        with pytest.raises(InputError, match="must be finite"):
            made(x)
        assert torch.equal(made.tile.events, before)  # refused before anything was read
        with pytest.raises(InputError, match="gradient.*finite"):
            (out * bad).backward()

    def test_large_finite_numbers_are_numbers(self):
        made = layer(array=array(periphery=CONVERTERS))
        assert torch.isfinite(made(torch.full((1, 3, 5, 5), 3e38))).all()  # their sum is not finite


class TestFactors:
    """What a backward pass leaves behind."""

    @BOTH
    def test_one_outer_product_a_position(self, backward):
        made = layer(3, 4, 2, backward=backward)
        made(numbers(5, 3, 4, 6)).sum().backward()
        made(numbers(2, 3, 3, 3)).sum().backward()
        factors = made.take_factors()
        assert factors is not None and factors.rows.shape == (5 * 15 + 2 * 4, 13) and made.reads_per_sample == 4
        assert made.take_factors() is None

    @BOTH
    def test_changing_the_image_afterwards_changes_no_factor(self, backward):
        for kernel, bias in ((1, False), (1, True), (2, False)):
            kept = []
            for spoil in (False, True):
                made, x = layer(1, 4, kernel, bias=bias, backward=backward), numbers(2, 1, 4, 4)
                out = made(x)
                if spoil:
                    x.zero_()
                out.sum().backward()
                factors = made.take_factors()
                assert factors is not None
                kept.append([*factors, *(made.transposed.wanted(factors) if made.transposed else ())])
            assert all(torch.equal(a, b) for a, b in zip(*kept, strict=True))

    @BOTH
    def test_no_grad_and_evaluation_leave_none(self, backward):
        made = layer(backward=backward)
        with torch.no_grad():
            assert not made(numbers(2, 3, 5, 5)).requires_grad
        made.eval()
        x = numbers(2, 3, 5, 5).requires_grad_()
        made(x).sum().backward()
        assert x.grad is not None and x.grad.any()  # the error still passes
        assert made.factors == [] and (made.transposed is None or made.transposed.kept == [])

    @BOTH
    def test_the_first_layer_is_not_read_backward_unless_asked(self, backward):
        ledger, made = Ledger(), layer(backward=backward)
        attach_ledger(made, ledger)
        made(numbers(2, 3, 5, 5)).sum().backward()
        assert ledger.total(Event.CELL_READ, during=Pass.BACKWARD) == 0
        made(numbers(2, 3, 5, 5).requires_grad_()).sum().backward()
        assert ledger.total(Event.CELL_READ, during=Pass.BACKWARD) > 0

    def test_reads_per_sample_size_a_counter(self):
        model = network(array(periphery=SIGNS), BinaryStep())
        rule = sign_backprop(model)
        assert rule.digital_memory(10).bits_per_weight == math.ceil(math.log2(2 * 10 + 1))
        model(pictures()[0])
        assert rule.digital_memory(10).bits_per_weight == math.ceil(math.log2(2 * 10 * 49 + 1))


class TestLedger:
    """Reads by array."""

    def test_forward_and_rewired(self):
        ledger, made = Ledger(), layer(3, 4, 2, array=array(periphery=CONVERTERS))
        attach_ledger(made, ledger)
        made(numbers(5, 3, 4, 6).requires_grad_()).sum().backward()
        reads = 5 * 15
        assert ledger.state() == {
            "layer/forward/dac.conversion": reads * 13,
            "layer/forward/adc.conversion": reads * 4,
            "layer/forward/cell.read": reads * 13 * 8,
            "layer/backward/dac.conversion": reads * 4,
            "layer/backward/adc.conversion": reads * 13,
            "layer/backward/cell.read": reads * 13 * 8,
            "layer/backward/digital.add": reads * 12,
        }

    def test_the_second_array_is_read_pixel_after_pixel(self):
        ledger, made = Ledger(), layer(3, 4, 2, array=array(periphery=CONVERTERS), backward="copy")
        attach_ledger(made, ledger)
        made(numbers(5, 3, 4, 6).requires_grad_()).sum().backward()
        reads = 5 * 4 * 6
        found = {key: n for key, n in ledger.state().items() if "backward" in key}
        assert found == {
            "layer.transposed/backward/dac.conversion": reads * 16,
            "layer.transposed/backward/adc.conversion": reads * 3,
            "layer.transposed/backward/cell.read": reads * 16 * 6,
        }

    def test_copies_share_the_reads(self):
        ledger, model = Ledger(), nn.Sequential(layer(3, 4, 2, array=array(periphery=CONVERTERS), copies=4))
        attach_ledger(model, ledger)
        model(numbers(1, 3, 4, 6))
        adc = {where: n for (where, _, event), n in ledger if event == Event.ADC.value}
        assert adc == {"0": 4 * 4, "0.copy1": 4 * 4, "0.copy2": 4 * 4, "0.copy3": 4 * 3}
        assert model[0].reads(4, 6) == 4 and layer(3, 4, 2).reads(4, 6) == 15  # type: ignore[operator]
        assert list(tiles(model)) == list(adc)

    def test_pulses_of_every_array(self):
        ledger, made = Ledger(), layer(copies=3, backward="copy")
        attach_ledger(made, ledger)
        made(numbers(2, 3, 5, 5)).sum().backward()
        done = manhattan(made).step()
        by_layer = {name: ledger.total(Event.PULSE, layer=name) for name in tiles(made)}
        assert sum(by_layer.values()) == done.pulses
        full, kernels = 2 * 19 * 4, 2 * 18 * 4  # the bias has no place in the transposed convolution
        assert by_layer == {"layer": full, "layer.copy1": full, "layer.copy2": full, "layer.transposed": kernels}
        assert done.cells == done.pulses


class TestCopies:
    """Arrays of the same weights, updated in step."""

    @pytest.mark.parametrize("rule", [manhattan, threshold_manhattan], ids=lambda rule: rule.__name__)
    def test_they_stay_equal_on_ideal_devices(self, rule):
        model = network(array(ConstantStep(states=100)), copies=2, backward="copy")
        learner = rule(model)
        for seed in range(10):
            x, y = pictures(seed=seed)
            nn.functional.cross_entropy(model(x), y).backward()
            learner.step()
        for n in (0, 3):
            drift = model[n].drift()  # type: ignore[operator]
            assert list(drift) == ["copy1", "transposed"] and max(drift.values()) < 1e-6

    def test_they_drift_apart_as_devices_vary(self):
        device = ConstantStep(states=100, cycle_to_cycle=CycleToCycle(spread=0.3))
        model = network(array(device), copies=2, backward="copy")
        learner, found = manhattan(model), []
        for seed in range(8):
            x, y = pictures(seed=seed)
            nn.functional.cross_entropy(model(x), y).backward()
            learner.step()
            found.append(list(model[3].drift().values()))  # type: ignore[operator]
        # A sum of independent steps of two arrays: their difference grows as the root of the number of pulses.
        step = model[3].tile.weight_step
        for steps, pair in enumerate(found, 1):
            expected = 0.3 * step / 2**0.5 * (2 * steps) ** 0.5  # a pair of cells a weight, two arrays
            assert all(0.6 * expected < drift < 1.3 * expected for drift in pair)

    def test_stochastic_trains_drive_the_second_array_on_its_own(self):
        made = layer(1, 2, 2, copies=2, backward="copy")
        rule = sgd(made, learning_rate=0.5)
        before = [replica.tile.weight() for replica in made.replicas.values()]
        made(numbers(20, 1, 5, 5)).square().sum().backward()
        rule.step()
        after = [replica.tile.weight() for replica in made.replicas.values()]
        assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert made.drift()["copy1"] == 0 and made.drift()["transposed"] > 0  # copies share the drivers' trains

    def test_copies_have_devices_of_their_own(self):
        given = array(SoftBounds(states=50, read_noise=ReadNoise(relative=0.1)))
        made = layer(array=given, copies=2, backward="copy")
        assert made.tile.stream != made.copies[0].tile.stream  # type: ignore[union-attr]
        x = numbers(6, 3, 5, 5)
        assert not torch.equal(made(x), layer(array=given)(x))

    def test_a_plan_with_voltages_is_made_anew(self):
        made = layer(1, 2, 2, backward="copy")
        assert made.transposed is not None
        pulses = torch.ones(5, 2, dtype=torch.int32)
        assert made.transposed.plan(Counts(pulses)) is not None
        assert made.transposed.plan(Counts(pulses, Drive(1.0, 1e-6, -1.0, 1e-6))) is None

    def test_factors_that_were_not_written_are_forgotten(self):
        made = layer(backward="copy")
        rule = manhattan(made)
        made(numbers(2, 3, 5, 5)).sum().backward()
        rule.zero_grad()
        made(numbers(1, 3, 5, 5)).sum().backward()
        factors = made.take_factors()
        assert factors is not None and made.transposed is not None
        wanted = made.transposed.wanted(factors)
        assert isinstance(wanted, Factors) and len(wanted.rows) == 25


class TestLearning:
    """Every rule whose parts make sense, and torch's own layers between arrays."""

    @BOTH
    @pytest.mark.parametrize("rule", [sgd, manhattan, threshold_manhattan], ids=lambda rule: rule.__name__)
    def test_the_loss_falls(self, rule, backward):
        torch.manual_seed(0)
        model = network(array(ConstantStep(states=300), CONVERTERS), copies=2, backward=backward)
        options = {"learning_rate": 0.2} if rule is sgd else {}
        learner, (x, y) = rule(model, **options), pictures(24)
        losses = [train_batch(model, learner, nn.CrossEntropyLoss(), x, y).loss for _ in range(30)]
        assert losses[-1] < losses[0] - 0.05

    @BOTH
    @pytest.mark.parametrize("accumulator", [{}, {"accumulator": PersistentCounter(bits=8)}], ids=["batch", "kept"])
    def test_sign_backpropagation(self, accumulator, backward):
        model = network(array(ConstantStep(states=100), SIGNS), BinaryStep(window=2.0), backward=backward)
        learner, (x, y) = sign_backprop(model, threshold=4, **accumulator), pictures(24)
        done = [train_batch(model, learner, TernaryMarginLoss(), x, y) for _ in range(25)]
        assert done[-1].loss < done[0].loss and min(step.pulses for step in done[:5]) > 0
        assert all(layer.tile.counters.any() for layer in array_layers(model).values())

    def test_a_network_with_other_layers_is_not_fused(self):
        model = network()
        rule, loss = sgd(model), nn.CrossEntropyLoss()
        assert fuse(model, rule, loss) is None
        for model in (nn.Sequential(layer(1, 3, 9), nn.Flatten()), nn.Sequential(layer(1, 3, 9), nn.ReLU())):
            assert fuse(model, sgd(model[:1]), loss) is None
        x, y = pictures(10)
        model = network()
        assert train_images(model, sgd(model), loss, x, y, 4).steps == 3

    def test_a_layer_used_twice_is_written_once(self):
        made = layer(3, 3, 3, padding=1, backward="copy")
        rule = Rule(made, Parts(writer=Sign()))
        made(torch.relu(made(numbers(2, 3, 5, 5)))).square().sum().backward()
        assert rule.step().pulses == 2 * 28 * 3 + 2 * 27 * 3


class TestState:
    """state_dict, copies, modes and devices of torch."""

    options: ClassVar[dict[str, Any]] = {"copies": 2, "backward": "copy"}

    def test_state_dict_round_trip(self):
        noisy = array(ConstantStep(read_noise=ReadNoise(relative=0.1), cycle_to_cycle=CycleToCycle(spread=0.2)))
        first, second = (network(noisy, **self.options) for _ in range(2))
        rule, (x, y) = manhattan(first), pictures()
        for _ in range(3):
            train_batch(first, rule, nn.CrossEntropyLoss(), x, y)
        assert not same(first.state_dict(), second.state_dict())
        second.load_state_dict(first.state_dict())
        other = manhattan(second)
        other.load(rule.state())
        for model, learner in ((first, rule), (second, other)):
            train_batch(model, learner, nn.CrossEntropyLoss(), x, y)
        assert same(first.state_dict(), second.state_dict())  # noise and all

    def test_there_is_nothing_for_torchs_optimisers(self):
        model = network(**self.options)
        assert list(model.parameters()) == []
        assert "0.copies.0.tile.conductance" in model.state_dict()
        assert "0.transposed.tile.conductance" in model.state_dict()

    def test_a_deep_copy_goes_its_own_way(self):
        model = network(**self.options)
        model(pictures()[0]).sum().backward()
        twin = copy.deepcopy(model)
        assert same(twin.state_dict(), model.state_dict())
        manhattan(model).step()
        assert not same(twin.state_dict(), model.state_dict())

    def test_mode_and_precision_reach_every_array(self):
        made = layer(**self.options).eval().to(torch.float64)
        assert not any(tile.training for tile in tiles(made).values())
        assert all(tile.conductance.dtype == torch.float64 for tile in tiles(made).values())
        assert made(numbers(1, 3, 5, 5)).dtype == torch.float64

    def test_a_seed_fixes_everything(self):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        first, again, other = (layer(seed=seed, **self.options) for seed in (5, 5, 6))
        assert same(first.state_dict(), again.state_dict()) and not same(first.state_dict(), other.state_dict())
        assert torch.equal(torch.get_rng_state(), before)

    def test_small_tiles_compute_the_same(self):
        x = numbers(2, 3, 5, 5, dtype=torch.float64)
        cut = Array(device=FINE, crossbar=Crossbar(rows=5, columns=4), periphery=EXACT)
        for backward in ("rewired", "copy"):
            outs = []
            for given in (array(FINE), cut):
                made, image = layer(array=given, dtype=torch.float64, backward=backward), x.clone().requires_grad_()
                out = made(image)
                out.square().sum().backward()
                assert image.grad is not None
                outs.append((out.detach(), image.grad))
            assert all(torch.allclose(a, b, rtol=0, atol=1e-10) for a, b in zip(*outs, strict=True))


class TestConvert:
    """A float convolution becomes an in-memory one."""

    fine = array(FINE)

    @pytest.mark.parametrize(
        "options",
        [{}, {"bias": False}, {"stride": (2, 1), "padding": 1}, {"padding": "same"}, {"dilation": 2}],
        ids=str,
    )
    def test_weights_and_settings_are_copied(self, options):
        torch.manual_seed(0)
        model, x = nn.Conv2d(3, 4, 3, **options), numbers(2, 3, 8, 9)
        for way in ({}, {"backward": "copy", "copies": 3}):
            twin = convert(model, array=self.fine, **way)
            assert isinstance(twin, Conv2d) and torch.allclose(twin(x), model(x), atol=1e-5)
            assert len(twin.replicas) == (3 if way else 0) and all(drift < 1e-6 for drift in twin.drift().values())

    def test_a_network(self):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 2), nn.Flatten(),
            nn.Linear(20, 3),
        ).double().eval()  # fmt: skip
        twin, x = convert(model, array=self.fine, seed=4), numbers(3, 1, 8, 8, dtype=torch.float64)
        assert torch.allclose(twin(x), model(x), rtol=0, atol=1e-10)
        assert [type(found) for found in array_layers(twin).values()] == [Conv2d, Conv2d, Linear]
        assert not any(module.training for module in twin.modules())

    @pytest.mark.parametrize(
        ("options", "text"), [({"groups": 2}, "groups = 2"), ({"padding_mode": "circular"}, "circ")]
    )
    def test_what_arrays_lack_is_refused(self, options, text):
        with pytest.raises(InputError, match=text):
            convert(nn.Sequential(nn.Conv2d(4, 4, 3, **options)))


class TestPeriphery:
    """The second array serves the way back, through the backward port."""

    def test_its_converters_are_the_backward_ports(self):
        made = layer(array=array(periphery=SIGNS), backward="copy")
        assert made.transposed is not None
        assert made.transposed.tile.array.periphery == Periphery(forward=SIGNS.backward, backward=SIGNS.forward)
        made.credit = None
        x = numbers(2, 3, 5, 5).requires_grad_()
        made(x).backward(numbers(2, 4, 3, 4))
        assert x.grad is not None and set(x.grad.unique().tolist()) <= {-1.0, 0.0, 1.0}  # comparators decide

    def test_rewired_decisions_add_up(self):
        made = layer(array=array(periphery=SIGNS))
        x = numbers(2, 3, 5, 5).requires_grad_()
        made(x).backward(numbers(2, 4, 3, 4))
        assert x.grad is not None and x.grad.abs().max() > 1 and torch.equal(x.grad, x.grad.round())

    def test_reads_of_a_tile_that_serves_forward_are_counted_forward(self):
        ledger, made = Ledger(), layer(backward="copy")
        attach_ledger(made, ledger)
        made(numbers(1, 3, 5, 5))
        assert ledger.total(Event.CELL_READ, during=Pass.BACKWARD) == 0
        assert isinstance(made.tile, Tile) and ledger.total(Event.CELL_READ, during=Pass.FORWARD) > 0


def test_pooling_between_arrays_is_torchs():
    model, x = network(array(FINE), dtype=torch.float64), pictures()[0].double()
    exact = x
    for part in model:
        if isinstance(part, Conv2d):
            weight = part.tile.weight()
            kernels = weight[:-1].reshape(3, 3, part.in_channels, -1).permute(3, 2, 0, 1)
            exact = functional.conv2d(exact, kernels, weight[-1], part.geometry.stride, part.geometry.before)
        elif not isinstance(part, Linear):
            exact = part(exact)
    assert torch.allclose(model[:7](x), exact, rtol=0, atol=1e-10)
