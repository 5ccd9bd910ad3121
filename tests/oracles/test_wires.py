"""Resistive lines against Kirchhoff's equations solved directly, a circuit simulator, and what circuit theory says."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn import wires
from memlearn.arrays import spice
from memlearn.arrays.selectors import AbstractSelector, CurrentTable, Ohmic, Sinh, ThresholdSelector
from memlearn.arrays.wires.circuit import Resistances
from memlearn.core.errors import ConvergenceError, InputError
from memlearn.ops.wires import hybrid, lines, newton, ports, reference
from memlearn.ops.wires.network import Ends, Network
from memlearn.ops.wires.rooms import KEPT, Shelf, shelf
from memlearn.ops.wires.threads import Pair

SIZES = [(1, 1), (1, 6), (5, 1), (3, 7), (8, 8), (9, 17), (37, 20), (64, 65)]
BENT = [Sinh(a=3.0), ThresholdSelector(), CurrentTable(voltages=(0.0, 0.3, 0.6, 1.0), drops=(0.0, 0.1, 0.5, 1.5))]


def circuit(
    rows: int, columns: int, seed: int = 0, *, right: bool = False, top: bool = False, scale: float = 1.0
) -> tuple[np.ndarray, Network, Ends]:
    """Cells of 1 to 100 uS, one in ten open; other lines, other resistances; some ends as near as a segment."""
    draw = np.random.default_rng(seed)
    cells = draw.uniform(1e-6, 1e-4, (rows, columns)) * (draw.random((rows, columns)) > 0.1)
    word, bit = scale * draw.uniform(1, 2, rows), scale * draw.uniform(2, 4, columns)
    nothing = np.full(rows, np.inf), np.full(columns, np.inf)
    network = Network(
        word,
        bit,
        word + draw.uniform(0, 100, rows) * (draw.random(rows) > 0.3),
        word + draw.uniform(0, 100, rows) if right else nothing[0],
        bit + draw.uniform(0, 60, columns) if top else nothing[1],
        bit + draw.uniform(0, 60, columns) * (draw.random(columns) > 0.3),
    )
    voltages = Ends(*(draw.random((3, n)) for n in (rows, rows, columns, columns)))
    return cells, network, voltages


def apart(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest difference relative to the largest value."""
    return float(np.abs(found - exact).max() / np.abs(exact).max())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("right", "top"), [(False, False), (True, False), (False, True), (True, True)])
class TestSolversAgainstDirect:
    def test_the_array_as_one_matrix(self, size: tuple[int, int], right: bool, top: bool):
        cells, network, voltages = circuit(*size, right=right, top=top)
        nothing = np.zeros_like(voltages.top)
        exact = reference.solve(cells, network, Ends(voltages.left, voltages.left, nothing, nothing)).currents
        for matrix in (ports.transfer(ports.eliminate(cells, network), network), hybrid.transfer(cells, network)):
            assert apart(voltages.left @ matrix, exact.top + exact.bottom) < 1e-11

    def test_its_transpose_reads_backwards(self, size: tuple[int, int], right: bool, top: bool):
        cells, network, voltages = circuit(*size, right=right, top=top)
        nothing = np.zeros_like(voltages.left)
        exact = reference.solve(cells, network, Ends(nothing, nothing, voltages.top, voltages.top)).currents
        matrix = ports.transfer(ports.eliminate(cells, network), network)
        assert apart(voltages.top @ matrix.T, exact.left + exact.right) < 1e-11

    def test_every_node_by_exact_lines(self, size: tuple[int, int], right: bool, top: bool):
        cells, network, voltages = circuit(*size, right=right, top=top)
        exact = reference.solve(cells, network, voltages)
        found, outcomes = lines.solve(lines.prepare(cells, network), network, voltages, 1e-12, 200)
        assert max(outcome.residual for outcome in outcomes) <= 1e-12
        assert apart(found.word, exact.word) < 1e-10 and apart(found.bit, exact.bit) < 1e-10

    def test_a_guess_changes_nothing_but_the_way(self, size: tuple[int, int], right: bool, top: bool):
        cells, network, voltages = circuit(*size, right=right, top=top)
        ready = lines.prepare(cells, network)
        exact, first = lines.solve(ready, network, voltages, 1e-12, 200)
        again, second = lines.solve(ready, network, voltages, 1e-12, 200, exact.word * (1 + 1e-7))
        assert apart(again.word, exact.word) < 1e-10
        assert max(o.iterations for o in second) <= max(o.iterations for o in first)


@pytest.mark.parametrize("size", [(48, 48), (53, 211), (230, 60)], ids=str)
@pytest.mark.parametrize(("right", "top"), [(False, False), (True, True)])
def test_two_threads_find_what_one_does(size: tuple[int, int], right: bool, top: bool):
    cells, network, _ = circuit(*size, right=right, top=top)
    one = ports.transfer(ports.eliminate(cells, network), network)
    with Pair(2) as pair:
        assert apart(ports.transfer(ports.eliminate(cells, network, pair), network, pair), one) < 1e-13


def test_two_threads_fail_as_one_does():
    cells, network, _ = circuit(60, 60)
    cells[:] = -10.0
    for threads in (1, 2):
        with Pair(threads) as pair, pytest.raises(ports.Failed, match="not positive definite"):
            ports.eliminate(cells, network, pair)


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_of_one_solution_gets_into_the_next(threads: int):
    cells, network, _ = circuit(50, 60, right=True, top=True)
    found = []
    for _ in range(2):
        with Pair(threads) as pair:
            found.append(ports.transfer(ports.eliminate(cells, network, pair), network, pair))
        assert shelf()._free
        for room in shelf()._free:
            room.fill(np.nan)
    assert np.array_equal(*found)


def test_room_is_kept_up_to_a_limit():
    kept = Shelf()
    small, large = kept.take(100), kept.take(KEPT)
    kept.put_back([small])
    assert kept.take(90) is small and kept.take(90) is not small
    kept.put_back([small, large])
    assert kept.take(100) is not small and kept.take(KEPT) is large


def test_arrays_are_shared_among_threads():
    g = cells(3, 20, 30)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(wires.transfer(g, r_source=30.0))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-4, 1e-2])
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (9, 17), (37, 20)], ids=str)
def test_lines_of_little_or_no_resistance(size: tuple[int, int], scale: float):
    """The hybrid form against the limit and against itself; direct solvers lose digits between."""
    cells, network, voltages = circuit(*size, scale=scale)
    found = voltages.left @ hybrid.transfer(cells, network)
    bare = reference.solve(
        cells,
        network._replace(word=0 * network.word, bit=0 * network.bit),
        Ends(voltages.left, voltages.left, 0 * voltages.top, 0 * voltages.top),
    ).currents.bottom
    assert apart(found, bare) < 1e-12 + 4 * scale * max(size) ** 2 * 1e-4


class TestIdentities:
    def test_no_resistance_at_all_is_a_matrix_product(self):
        g, v = cells(2, 13, 9), torch.rand(2, 4, 13, dtype=torch.float64)
        bare = {"r_word_line": 0.0, "r_bit_line": 0.0}
        assert torch.allclose(wires.solve(g, v, **bare), v @ g, rtol=1e-12)
        e = torch.rand(2, 4, 9, dtype=torch.float64)
        assert torch.allclose(wires.solve(g, e, read="transposed", **bare), e @ g.mT, rtol=1e-12)
        assert torch.allclose(wires.transfer(g, **bare), g, rtol=1e-12)

    def test_one_cell_is_a_chain(self):
        g, v = torch.tensor([[2e-5]], dtype=torch.float64), torch.tensor([[0.3]], dtype=torch.float64)
        found = wires.solve(g, v, r_word_line=3.0, r_bit_line=5.0, r_source=100.0, r_sense=20.0)
        assert float(found) == pytest.approx(0.3 / (1 / 2e-5 + 128), rel=1e-12)

    def test_one_row_is_a_ladder(self):
        g = cells(1, 4)
        found = wires.transfer(g, r_word_line=700.0, r_bit_line=300.0, r_source=500.0)
        shunts, drop, voltage = 1 / (1 / g[0] + 300.0), 0.0, []
        behind = shunts[3]
        chain = [behind]
        for k in (2, 1, 0):
            behind = shunts[k] + 1 / (700.0 + 1 / behind)
            chain.append(behind)
        v = 1.0
        for k, seen in enumerate(reversed(chain)):
            resistance = 1200.0 if k == 0 else 700.0
            v = v / (1 + resistance * float(seen))
            voltage.append(v)
        assert torch.allclose(found[0], torch.tensor(voltage, dtype=torch.float64) * shunts, rtol=1e-11), drop

    @pytest.mark.parametrize("solver", ["ports", "hybrid", "lines", "sparse"])
    def test_currents_superpose(self, solver: Any):
        g, v = cells(11, 6), torch.rand(2, 11, dtype=torch.float64)
        settings = {"r_word_line": 2.0, "r_source": 50.0, "solver": solver}
        both = wires.solve(g, v.sum(0, keepdim=True), **settings)
        assert torch.allclose(wires.solve(g, v, **settings).sum(0, keepdim=True), both, rtol=1e-9)

    @pytest.mark.parametrize("sides", ["none", "drive", "sense", "both"])
    def test_power_delivered_is_power_dissipated(self, sides: Any):
        g, draw = cells(9, 7).numpy(), np.random.default_rng(3)
        given = Resistances(2.0, torch.tensor(draw.uniform(1, 5, 7)), 60.0, torch.tensor(draw.uniform(0, 9, 7)), sides)
        network = given.network(9, 7, "forward")
        v = draw.random((1, 9))
        solved = lines.solve(
            lines.prepare(g, network), network, Ends(v, v, np.zeros((1, 7)), np.zeros((1, 7))), 1e-13, 99
        )[0]
        out = solved.currents
        delivered = -(v * (out.left + out.right)).sum()
        word, bit = solved.word[0], solved.bit[0]
        burnt = (g * (word - bit) ** 2).sum()
        burnt += (np.diff(word, axis=1) ** 2 / network.word[:, None]).sum() + (
            np.diff(bit, axis=0) ** 2 / network.bit
        ).sum()
        for current, end in zip(out, (network.left, network.right, network.top, network.bottom), strict=True):
            attached = np.isfinite(end)
            burnt += (current[0, attached] ** 2 * end[attached]).sum()
        assert delivered == pytest.approx(burnt, rel=1e-9)

    def test_directions_are_transposes_where_ends_are_alike_and_not_elsewhere(self):
        g = cells(2, 12, 7)
        alike = {"r_word_line": 1.5, "r_bit_line": 3.0, "r_source": 40.0, "r_sense": 40.0}
        assert torch.allclose(wires.transfer(g, **alike), wires.transfer(g, read="transposed", **alike), rtol=1e-11)
        unlike = {**alike, "r_source": 400.0}
        forward, back = wires.transfer(g, **unlike), wires.transfer(g, read="transposed", **unlike)
        assert not torch.allclose(forward, back, rtol=1e-4)
        # Circuit theory: the backward network is the forward one with what is attached exchanged.
        swapped = {**unlike, "r_source": 40.0, "r_sense": 400.0}
        assert torch.allclose(back, wires.transfer(g, **swapped), rtol=1e-11)

    def test_mirrored_arrays_have_mirrored_matrices(self):
        g = cells(8, 5)
        settings = {"r_source": 30.0, "r_sense": 10.0}
        one = wires.transfer(g, r_word_line=2.0, r_bit_line=7.0, **settings)
        # Word and bit lines exchanged: the corner at driver and sense stays where it is.
        flipped = wires.transfer(g.T.flip(0, 1), r_word_line=7.0, r_bit_line=2.0, read="transposed", **settings)
        assert torch.allclose(one, flipped.T.flip(0, 1), rtol=1e-11)

    def test_voltages_fall_along_a_uniform_line(self):
        g = torch.full((6, 9), 5e-5, dtype=torch.float64)
        word = wires.solve(g, torch.ones(1, 6, dtype=torch.float64), return_node_voltages=True)[1]
        assert bool((word.diff(dim=-1) < 0).all())

    def test_a_batch_is_its_arrays(self):
        g, v = cells(2, 3, 9, 6), torch.rand(3, 4, 9, dtype=torch.float64)
        whole = wires.solve(g, v, r_source=20.0)
        assert whole.shape == (2, 3, 4, 6)
        # The same matrix; the product with it may be summed in another order.
        assert apart(whole[1, 2].numpy(), wires.solve(g[1, 2], v[2], r_source=20.0).numpy()) < 1e-14

    def test_single_precision_keeps_five_digits(self):
        g, v = cells(40, 33), torch.rand(5, 40, dtype=torch.float64)
        found = wires.solve(g.float(), v.float(), r_source=100.0)
        assert found.dtype == torch.float32
        assert apart(found.double().numpy(), wires.solve(g, v, r_source=100.0).numpy()) < 1e-6


class TestGradients:
    """Against central differences."""

    @pytest.mark.parametrize("read", ["forward", "transposed"])
    @pytest.mark.parametrize("selector", [None, Ohmic(r_access=2e4), *BENT], ids=lambda s: s.kind if s else "none")
    def test_of_conductances_and_voltages(self, read: Any, selector: AbstractSelector | None):
        settings = {"r_word_line": 400.0, "r_bit_line": 700.0, "r_source": 3e3, "r_sense": 1e3, "read": read}
        settings |= {"selector": selector, "tolerance": 1e-12}
        torch.manual_seed(1)
        g = cells(2, 4, 3, seed=1).requires_grad_()
        v = torch.rand(2, 5, 4 if read == "forward" else 3, dtype=torch.float64).requires_grad_()
        weight = torch.rand(2, 5, 3 if read == "forward" else 4, dtype=torch.float64)
        (wires.solve(g, v, **settings) * weight).sum().backward()

        def loss(g: Tensor, v: Tensor) -> float:
            return float((wires.solve(g, v, **settings) * weight).sum())

        # Small against the knee of a selector, 0.02 V.
        for tensor, step in ((g, 1e-9), (v, 1e-5)):
            assert tensor.grad is not None
            flat = tensor.detach().reshape(-1)
            for k in range(0, flat.numel(), 3):
                there = [tensor.detach().clone() for _ in range(2)]
                there[0].view(-1)[k] += step
                there[1].view(-1)[k] -= step
                pair = [(t, v.detach()) if tensor is g else (g.detach(), t) for t in there]
                numeric = (loss(*pair[0]) - loss(*pair[1])) / (2 * step)
                scale = float(tensor.grad.abs().max())
                assert float(tensor.grad.view(-1)[k]) == pytest.approx(numeric, rel=1e-6, abs=2e-7 * scale)

    def test_broadcast_arguments_get_gradients_of_their_own_shape(self):
        g = cells(5, 4).requires_grad_()
        v = torch.rand(3, 2, 5, dtype=torch.float64).requires_grad_()
        wires.solve(g, v).sum().backward()
        assert g.grad is not None and v.grad is not None
        assert g.grad.shape == g.shape and v.grad.shape == v.shape


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed; .ci/run installs it")
class TestAgainstNgspice:
    @pytest.mark.parametrize("first", range(0, 200, 25))
    def test_random_networks(self, first: int):
        for seed in range(first, first + 25):
            draw = np.random.default_rng(1000 + seed)
            rows, columns = (int(n) for n in draw.integers(1, 13, 2))
            options = {
                "right": bool(draw.integers(2)),
                "top": bool(draw.integers(2)),
                "scale": 10.0 ** draw.integers(-1, 2),
            }
            g, network, voltages = circuit(rows, columns, seed, **options)
            one = Ends(*(v[0] for v in voltages))
            selector = [None, Ohmic(r_access=5e3), *BENT][seed % 5]
            theirs = spice.run(spice.netlist(g, network, one, selector=selector), rows, columns)
            if selector is None or selector.linear:
                seen = g if selector is None else selector.slope(g, np.zeros_like(g))
                ours = lines.solve(lines.prepare(seen, network), network, voltages, 1e-12, 200)[0].currents
            else:

                def law(
                    d: np.ndarray, g: np.ndarray = g, s: AbstractSelector = selector
                ) -> tuple[np.ndarray, np.ndarray]:
                    return s.current(g, d), s.slope(g, d)

                ours = newton.solve(law, network, voltages, (rows, columns), 1e-11)[0].currents
            assert spice.difference(Ends(*(current[0] for current in ours)), theirs) < 1e-6

    @pytest.mark.parametrize("read", ["forward", "transposed"])
    def test_the_public_function(self, read: Any):
        g, draw = cells(9, 14), np.random.default_rng(5)
        lines_in, lines_out = (9, 14) if read == "forward" else (14, 9)
        settings = {"r_word_line": 1.7, "r_bit_line": 0.0, "double_sided": "both"}
        settings |= {
            "r_source": torch.tensor(draw.uniform(10, 90, lines_in)),
            "r_sense": torch.tensor(draw.uniform(5, 20, lines_out)),
        }
        v = torch.tensor(draw.random((1, lines_in)))
        network = Resistances(**settings).network(9, 14, read)
        zero = np.zeros(lines_out)
        driven = v[0].numpy()
        ends = Ends(driven, driven, zero, zero) if read == "forward" else Ends(zero, zero, driven, driven)
        theirs = spice.run(spice.netlist(g.numpy(), network, ends), 9, 14)
        into = theirs.top + theirs.bottom if read == "forward" else theirs.left + theirs.right
        assert apart(wires.solve(g, v, read=read, **settings)[0].numpy(), into) < 1e-9


class TestHardCases:
    @pytest.mark.parametrize("resistance", [1e-3, 1.0, 1e3])
    def test_a_million_between_cells_and_whole_rows_open(self, resistance: float):
        draw = np.random.default_rng(7)
        g = 10 ** draw.uniform(-9, -3, (30, 23))
        g[4], g[:, 9] = 0, 0
        v = torch.tensor(draw.random((3, 30)))
        settings = {"r_word_line": resistance, "r_bit_line": 2 * resistance, "r_source": 10.0}
        found = wires.solve(torch.tensor(g), v, **settings)
        exact = wires.solve(torch.tensor(g), v, solver="hybrid", **settings)
        assert apart(found.numpy(), exact.numpy()) < 1e-9 and float(found[:, 9].abs().max()) == 0.0

    def test_shorted_cells(self):
        g = cells(12, 12)
        g[3, 5] = 1e3
        found, exact = (wires.solve(g, torch.ones(1, 12, dtype=torch.float64), solver=s) for s in ("auto", "hybrid"))
        assert apart(found.numpy(), exact.numpy()) < 1e-9

    def test_an_array_of_open_cells_carries_nothing(self):
        assert not wires.solve(torch.zeros(4, 3), torch.ones(2, 4)).any()

    def test_the_transfer_form_refuses_what_it_would_lose(self):
        with pytest.raises(InputError, match="loses"):
            wires.solve(cells(4, 4), torch.ones(1, 4, dtype=torch.float64), r_word_line=1e-7, solver="ports")

    def test_cells_that_do_not_settle_are_an_error_with_advice(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(newton, "_STEPS", 2)
        with pytest.raises(ConvergenceError, match=r"Lower the drive"):
            wires.solve(cells(8, 8), 5 * torch.ones(1, 8, dtype=torch.float64), selector=Sinh(a=40.0), r_source=1.0)

    def test_steep_cells_settle(self):
        """Currents that Kirchhoff's law balances at every node, where the law overflows on the way."""
        g, v = cells(6, 5), torch.ones(1, 6, dtype=torch.float64)
        steep = Sinh(a=300.0)
        current, word, bit = wires.solve(g, v, selector=steep, return_node_voltages=True)
        through = steep.current(g.numpy(), (word - bit)[0].numpy())
        assert apart(through.sum(0), current[0].numpy()) < 1e-6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conductances": -torch.ones(3, 2)}, "must be >= 0 S"),
        ({"conductances": torch.full((3, 2), float("nan"))}, "must be finite"),
        ({"conductances": torch.ones(3)}, "must have shape"),
        ({"conductances": torch.ones(3, 2, dtype=torch.int64)}, "floating-point"),
        ({"voltages": torch.ones(1, 2)}, "samples, rows"),
        ({"voltages": torch.ones(3)}, "Add an axis"),
        ({"voltages": torch.full((1, 3), float("inf"))}, "must be finite"),
        ({"r_word_line": -1.0}, "must be finite and >= 0 ohm"),
        ({"r_bit_line": torch.ones(3)}, "one for each of 2 lines"),
        ({"read": "backward"}, "unknown direction"),
        ({"double_sided": "left"}, "unknown"),
        ({"solver": "port"}, "Did you mean 'ports'"),
        ({"tolerance": 0.0}, "between 0 and 1"),
        ({"selector": Sinh(), "r_word_line": 0.0}, "need lines with a resistance"),
    ],
)
def test_wrong_input_is_named(change: dict[str, Any], said: str):
    given = {"conductances": torch.ones(3, 2) * 1e-5, "voltages": torch.ones(1, 3), **change}
    with pytest.raises(InputError, match=said):
        wires.solve(given.pop("conductances"), given.pop("voltages"), **given)


def cells(*shape: int, seed: int = 0) -> Tensor:
    """1 to 100 uS, float64."""
    return torch.tensor(np.random.default_rng(seed).uniform(1e-6, 1e-4, shape))
