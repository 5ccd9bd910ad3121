"""What the measured arrays say about effects: every figure of docs/effects.md that comes from data, in one command.

python experiments/measured_effects.py SHARED_DATA_FOLDER
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy import optimize, signal, stats

from memlearn.devices.effects import Relaxation, Retention
from memlearn.devices.effects.base import BOLTZMANN, arrhenius

ROOM, GMAX = 298.0, {"A": 240e-6, "B": 128e-6}
DEGREE = 6


def relaxation_b(folder: Path) -> Iterator[str]:
    """Shift and spread by time, as polynomials in g; independence of the changes; tails."""
    address, _, _, g, start, level, nominal = np.loadtxt(folder / "techB_relaxation_10k.tsv.gz").T
    change, scale = (g - start) / GMAX["B"], GMAX["B"]
    times = [time for time in np.unique(nominal) if time > 0]
    middle = np.array([start[level == k].mean() for k in range(32)]) / scale
    yield "rram_tech_b: coefficients of 1, g, ..., and root mean square of fitted / measured spread - 1 over 32 levels"
    for time in times:
        groups = [change[(level == k) & (nominal == time)] for k in range(32)]
        spread, shift = (np.array([f(group) for group in groups]) for f in (np.std, np.mean))
        weight = np.sqrt([len(group) for group in groups]) / spread
        fits = [
            np.polynomial.polynomial.polyfit(middle, shift, DEGREE, w=weight),
            np.polynomial.polynomial.polyfit(middle, spread, DEGREE, w=1 / spread),
        ]
        fitted = np.polynomial.polynomial.polyval(middle, fits[1])
        error = np.sqrt(np.mean((fitted / spread - 1) ** 2))
        yield f"  {time:g} s  shift {np.round(fits[0], 4).tolist()}"
        yield f"        spread {np.round(fits[1], 4).tolist()}  {error:.1%}"
    table = {time: dict(zip(address[nominal == time], change[nominal == time], strict=True)) for time in times}
    common = sorted(set.intersection(*(set(row) for row in table.values())))
    moves = np.array([[table[time][cell] for cell in common] for time in times])
    steps = np.diff(moves, axis=0, prepend=0)
    yield f"  rank correlation of the changes of all intervals: {np.round(stats.spearmanr(steps.T)[0], 2).tolist()}"
    for k in range(1, 32, 5):
        group = change[(level == k) & (nominal == 1)]
        central = 0.5 * np.subtract(*np.percentile(group, [84.13, 15.87]))
        yield (
            f"  after 1 s from {1e6 * scale * middle[k]:.0f} uS: spread {1e6 * scale * group.std():.2f} uS, "
            f"half-width of the central 68 % {1e6 * scale * central:.2f}, kurtosis {stats.kurtosis(group) + 3:.0f}"
        )


def bakes(folder: Path, chip: str) -> dict[float, np.ndarray]:
    """By temperature (C): (conductance before, after; S) and the seconds between, rows of (3, cells)."""
    address, time, _, g, heat = np.loadtxt(folder / f"tech{chip}_bake.tsv.gz").T
    found = {}
    for temperature in np.unique(heat):
        before, after = ((heat == temperature) & late for late in (time == 0, time > 0))
        _, i, j = np.intersect1d(address[before], address[after], return_indices=True)
        found[float(temperature)] = np.stack([g[before][i], g[after][j], time[after][j]])
    return found


def bake_b(folder: Path) -> Iterator[str]:
    """The activation energy with which the room-temperature record predicts the spread after the bakes."""
    groups = []
    for heat, (before, after, seconds) in bakes(folder, "B").items():
        for low in np.arange(0, 1, 0.125):
            inside = (before / GMAX["B"] >= low) & (before / GMAX["B"] < low + 0.125)
            change = after[inside] - before[inside]
            groups.append((heat, before[inside].mean(), seconds.mean(), change.mean(), change.std()))
    heat, start, seconds, shift, spread = np.array(groups).T
    record = Relaxation(statistics="rram_tech_b")

    def predicted(energy: float) -> tuple[np.ndarray, np.ndarray]:
        faster = np.array([arrhenius(energy, t + 273.15, ROOM) for t in heat])
        mean, sigma = record.moments(torch.from_numpy(start), torch.from_numpy(seconds * faster))
        return mean.numpy(), sigma.numpy()

    middle = (start > 0.25 * GMAX["B"]) & (start < 0.625 * GMAX["B"])

    def misfit(energy: float, where: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.log(predicted(energy)[1] / spread)[where] ** 2)))

    best = float(optimize.minimize_scalar(misfit, args=(middle,), bounds=(0.0, 1.5), method="bounded").x)
    mean, sigma = predicted(best)
    yield f"tech B bakes: activation energy {best:.3f} eV; root mean square of ln(spread of model / measured):"
    found = misfit(best, middle), misfit(0, middle), misfit(best, heat > 0)
    yield "  at 25 .. 62 % of gmax {:.3f} (at 0 eV {:.3f}), all {:.3f}".format(*found)
    for k in np.flatnonzero(middle):
        yield (
            f"  {heat[k]:.0f} C from {1e6 * start[k]:.0f} uS: spread {1e6 * spread[k]:.1f} (model {1e6 * sigma[k]:.1f})"
            f", shift {1e6 * shift[k]:.1f} ({1e6 * mean[k]:.1f}) uS"
        )


def bake_a(folder: Path) -> Iterator[str]:
    """The loss of highly conductive cells, as retention with a log-normal time constant that heat shortens."""
    chosen = {t: (b, a, s) for t, (b, a, s) in bakes(folder, "A").items() if t >= 180}
    rows = []
    for heat, (before, after, seconds) in chosen.items():
        high = before > 0.6 * GMAX["A"]
        kept = after[high] / before[high]
        rows.append((heat, seconds.mean(), kept.mean(), kept.std()))
    nodes = stats.norm.ppf((np.arange(400) + 0.5) / 400)

    def kept_by(parameters: np.ndarray, heat: float, seconds: float) -> np.ndarray:
        log_tau, energy, spread = parameters
        lapse = seconds * np.exp(-log_tau - spread * nodes - energy / BOLTZMANN * (1 / (heat + 273.15) - 1 / 533.15))
        return np.exp(-lapse)

    def errors(parameters: np.ndarray) -> np.ndarray:
        made = [(kept_by(parameters, heat, s).mean(), kept_by(parameters, heat, s).std()) for heat, s, _, _ in rows]
        return (np.array(made) - np.array([row[2:] for row in rows])).ravel()

    best = optimize.least_squares(errors, [np.log(8000.0), 0.9, 1.0]).x
    made = Retention(time_constant=float(np.exp(best[0])), activation_energy=float(best[1]), spread=float(best[2]))
    yield f"tech A bakes: {made.time_constant:.3g} s at 533.15 K, {best[1]:.3f} eV, spread of ln tau {best[2]:.2f}"
    for heat, seconds, mean, deviation in rows:
        model = kept_by(best, heat, seconds)
        yield f"  {heat:.0f} C  kept {mean:.3f} (model {model.mean():.3f}), spread {deviation:.3f} ({model.std():.3f})"


def series_a(folder: Path) -> Iterator[str]:
    """Spectra of five conductances read 400 times a second."""
    for row in np.loadtxt(folder / "techA_timeseries.tsv.gz"):
        g = row[2:]
        f, power = signal.welch(g / g.mean(), 400, nperseg=8192)
        band = (f > 0.1) & (f < 20)
        slope, level = np.polyfit(np.log10(f[band]), np.log10(power[band]), 1)
        yield (
            f"tech A, {1e6 * g.mean():.1f} uS: spread {g.std() / g.mean():.4f} of G, slope {slope:.2f} in 0.1 .. 20 Hz"
            f", level at 1 Hz {10**level:.2e} / Hz, white {np.median(power[f > 150]):.1e} / Hz"
        )


def fault_lines(path: Path) -> Iterator[str]:
    """Lines of 64 cells, 4 rows apart in a column, of the program-verify map."""
    with gzip.open(path, "rt") as text:
        rows = list(csv.reader(text))
    faults = np.zeros(65_536, int)
    for row in rows:
        if row[9].strip() != "True":
            faults[int(row[0])] = 1 if float(row[5]) < float(row[3]) else 2
    lines = faults.reshape(64, 4, 256).transpose(2, 1, 0).reshape(-1, 64)
    per_line, per_column = (lines > 0).sum(1), (faults.reshape(256, 256) > 0).sum(0)
    yield (
        f"64k array: {(faults > 0).sum()} faults, {(faults == 1).sum()} of low resistance; "
        f"faults of each faulty line {sorted(per_line[per_line > 0].tolist())}"
    )
    yield f"  columns with faults {(per_column > 0).sum()}, variance of faults per column {per_column.var():.1f}"


def main(data: Path) -> None:
    """Print everything."""
    relaxation = data / "device_rram_relaxation"
    found = [fault_lines(data / "device_rram_64k_array" / "program_verify_C10_65536cells.csv.gz")]
    found += [part(relaxation) for part in (relaxation_b, bake_b, bake_a, series_a)]
    sys.stdout.writelines(f"{line}\n" for part in found for line in part)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
