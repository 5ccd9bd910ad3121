"""The records' yardstick: the same network in plain floating point, image by image, over several epochs and seeds.

    python experiments/float_yardstick.py --data DIR
    python experiments/float_yardstick.py --data DIR --dataset fashion_mnist

It is `float_reference` of experiments/records/base.toml (its initial weights, its order of images, rate 0.1, 32-bit
numbers) in one compiled loop that leaves out word lines without an input: seconds where torch takes minutes. Sums are
added in another order than torch's; `--check N` trains on N images both ways and prints by how much the weights differ.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numba
import numpy as np
import torch
from torch import Tensor, nn

from memlearn.experiment.config import Experiment
from memlearn.experiment.files import read_experiment
from memlearn.experiment.network import accuracy
from memlearn.experiment.session import Session, begin
from memlearn.learning import FloatReference
from memlearn.learning.loop import train_images

BASE = Path(__file__).parent / "records" / "base.toml"
RATE = 0.1


@numba.njit(fastmath=True, error_model="numpy")
def sigmoid(z):  # noqa: ANN001, ANN201
    """1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


@numba.njit(fastmath=True, error_model="numpy")
def read(out, values, lines, weight, bias):  # noqa: ANN001, ANN201
    """`out` = `values` of the lines that carry any, times `weight` (inputs, outputs), plus `bias`."""
    out[:] = bias
    for i in lines:
        row, x = weight[i], values[i]
        for j in range(out.shape[0]):
            out[j] += x * row[j]


@numba.njit(fastmath=True, error_model="numpy")
def write(error, values, lines, weight, bias, rate):  # noqa: ANN001, ANN201
    """One step of descent on the lines that carry any."""
    for j in range(error.shape[0]):
        bias[j] -= rate * error[j]
    for i in lines:
        row, x = weight[i], rate * values[i]
        for j in range(error.shape[0]):
            row[j] -= x * error[j]


@numba.njit(fastmath=True, error_model="numpy")
def back(out, error, weight, values):  # noqa: ANN001, ANN201
    """The error before a layer of `weight`, through the sigmoid that gave `values`."""
    for i in range(out.shape[0]):
        total = np.float32(0)
        for j in range(error.shape[0]):
            total += weight[i, j] * error[j]
        out[i] = total * values[i] * (1 - values[i])


@numba.njit(fastmath=True, error_model="numpy")
def train(images, labels, w1, b1, w2, b2, w3, b3, rate):  # noqa: ANN001, ANN201, PLR0913
    """Descent on the cross-entropy of one image after another, in place; weights (inputs, outputs)."""
    h1, h2, z = np.empty_like(b1), np.empty_like(b2), np.empty_like(b3)
    e1, e2 = np.empty_like(b1), np.empty_like(b2)
    all1, all2 = np.arange(h1.shape[0]), np.arange(h2.shape[0])
    for n in range(images.shape[0]):
        x = images[n]
        lines = np.flatnonzero(x)
        read(h1, x, lines, w1, b1)
        h1[:] = sigmoid(h1)
        read(h2, h1, all1, w2, b2)
        h2[:] = sigmoid(h2)
        read(z, h2, all2, w3, b3)
        z[:] = np.exp(z - z.max())
        z /= z.sum()
        z[labels[n]] -= 1
        back(e2, z, w3, h2)
        back(e1, e2, w2, h1)
        write(z, h2, all2, w3, b3, rate)
        write(e2, h1, all1, w2, b2, rate)
        write(e1, x, lines, w1, b1, rate)


def session_of(experiment: Experiment, data: Path, dataset: str, seed: int, held_out: int) -> Session:
    """The package's own: data, order of images and the float network."""
    table = {**experiment.table(), "seed": seed, "rule": FloatReference(learning_rate=RATE).table()}
    table |= {"data": {**table["data"], "kind": dataset, "validation": held_out}}
    return begin(Experiment.from_table(table), data)


def arrays(model: nn.Module) -> list[np.ndarray]:
    """Weights (inputs, outputs) and biases of the three layers."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    pairs = [(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy()) for layer in layers]
    return [array for pair in pairs for array in pair]


def put_back(model: nn.Module, found: list[np.ndarray]) -> None:
    """What `arrays` gave, into the model; biases are the model's own memory."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(layers):
        layer.weight.data.copy_(torch.from_numpy(found[2 * number]).T)


def fit(session: Session, images: Tensor, labels: Tensor, rate: float = RATE) -> None:
    """One pass of the compiled loop over these images."""
    found = arrays(session.main.model)
    train(images.flatten(1).numpy(), labels.numpy(), *found, np.float32(rate))
    put_back(session.main.model, found)


def check(session: Session, other: Session, n: int) -> float:
    """Largest difference of a weight after `n` images by the loop and by torch."""
    order, part = session.order()[:n], session.data.train
    fit(session, part.inputs[order], part.labels[order])
    main = other.main
    train_images(main.model, main.rule, main.loss, part.inputs[order], part.labels[order], 1)
    pairs = zip(arrays(session.main.model), arrays(main.model), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def main() -> None:
    """Print a table, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dataset", default="mnist", choices=("mnist", "fashion_mnist"))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--decay", type=float, default=1.0, help="rate after an epoch / before")
    parser.add_argument("--validation", type=int, default=0)
    parser.add_argument("--check", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    base = read_experiment(BASE).experiment
    if args.check:
        pair = [session_of(base, args.data, args.dataset, 0, args.validation) for _ in range(2)]
        sys.stdout.write(f"largest difference after {args.check} images: {check(*pair, args.check):.2e}\n")
        return
    for seed in range(args.seeds):
        session, started = session_of(base, args.data, args.dataset, seed, args.validation), time.process_time()
        found = []
        for epoch in range(args.epochs):
            session.epoch = epoch
            order = session.order()
            fit(session, session.data.train.inputs[order], session.data.train.labels[order], RATE * args.decay**epoch)
            split = session.data.validation if args.validation else session.data.test
            found.append(100 * (accuracy(session.main.model, split, 1000) or 0))
        taken = time.process_time() - started
        sys.stdout.write(f"seed {seed}: " + " ".join(f"{value:.2f}" for value in found) + f"  ({taken:.0f} s)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
