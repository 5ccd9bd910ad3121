"""A driver for memlearn's chips: a program of its own, which needs NumPy only and knows nothing of memlearn.

It plays an instrument: slow, noisy, its cells not alike. To drive a real one, replace the class `Cells`; all else is
the protocol (docs/chip.md): files in an exchange folder, and a line of JSON for each request.

    python driver.py --cells cells.npz EXCHANGE            asked over standard input, as `memlearn run --chip` does
    python driver.py --cells cells.npz --watch EXCHANGE    looks into the folder for requests

Killing it loses nothing. The file of the cells also holds the journal: which request was done last, with its answer,
and how far the one at work is. It is replaced whole. A request that comes again is answered, not done, again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows: see that only one driver runs
    fcntl = None


class Cells:
    """The instrument: cells that move by pulses and are seen with noise.

    Every random number is that of a request and a cell, so that what is done again after a kill comes out the same.
    """

    def __init__(self, told: argparse.Namespace) -> None:
        self.shape = told.rows, told.columns
        self.g_min, self.g_max, self.states = told.g_min, told.g_max, told.states
        self.read_noise, self.pulse_noise = told.noise, told.pulse_noise
        self.seconds, self.seed = told.seconds, told.seed
        self.conductance = np.full(self.shape, (self.g_min + self.g_max) / 2)
        self.pulses = np.zeros(self.shape, np.int64)
        self.pace = self.random(0, 0).lognormal(0.0, told.spread, self.shape)  # how far a cell moves, against the mean

    def random(self, request: int, cell: int) -> np.random.Generator:
        """Of a cell in a request."""
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, request, cell, 0]))

    def seen(self, true: np.ndarray | float, random: np.random.Generator) -> np.ndarray | float:
        """With the noise of a read."""
        if not self.read_noise:
            return true
        return true * (1 + self.read_noise * random.standard_normal(np.shape(true)))

    def lines(self, voltages: np.ndarray, transposed: bool, request: int) -> np.ndarray:
        """Currents, A, of all samples (samples, lines); every sample sees the cells anew."""
        random, found = self.random(request, 0), []
        for volts in voltages:
            cells = self.seen(self.conductance, random)
            found.append(cells @ volts if transposed else volts @ cells)
        return np.array(found).reshape(len(voltages), self.shape[0 if transposed else 1])

    def pulse(self, i: int, j: int, up: bool, random: np.random.Generator) -> None:
        """One pulse: steps shrink towards the end of the range."""
        if self.seconds:
            time.sleep(self.seconds)
        place = (self.conductance[i, j] - self.g_min) / (self.g_max - self.g_min)
        step = 2 * (self.g_max - self.g_min) / self.states * self.pace[i, j] * (1 - place if up else place)
        if self.pulse_noise:
            step *= 1 + self.pulse_noise * random.standard_normal()
        moved = self.conductance[i, j] + (step if up else -step)
        self.conductance[i, j] = min(max(moved, self.g_min), self.g_max)
        self.pulses[i, j] += 1


class Driver:
    """Does requests, one at a time, and keeps the journal."""

    def __init__(self, told: argparse.Namespace) -> None:
        self.folder, self.file, self.save_every = Path(told.exchange), Path(told.cells), told.save_every
        self.cells = Cells(told)
        self.done, self.answer = "", {}  # key of the last request that was done, and its answer
        self.event = 1  # number of the request at work, in the life of the cells
        self.work, self.next, self.partial = "", 0, {}  # key of the request at work, its next cell, its answer so far
        self.saved = time.monotonic()
        if self.file.exists():
            self.load()
        else:
            self.save()

    # The journal.

    def save(self) -> None:
        """Cells and journal, whole or not at all."""
        state = {"conductance": self.cells.conductance, "pulses": self.cells.pulses}
        state |= {f"answer.{name}": array for name, array in self.answer.items()}
        state |= {f"partial.{name}": array for name, array in self.partial.items()}
        words = {"done": self.done, "work": self.work, "next": self.next, "event": self.event}
        part = self.file.with_name(f".{self.file.name}.part")
        with part.open("wb") as stream:
            np.savez(stream, words=np.array(json.dumps(words)), **state)
        part.replace(self.file)
        self.saved = time.monotonic()

    def load(self) -> None:
        """Cells and journal as they were last saved."""
        with np.load(self.file, allow_pickle=False) as state:
            words = json.loads(str(state["words"]))
            if state["conductance"].shape != self.cells.shape:
                sys.exit(f"{self.file} holds {state['conductance'].shape} cells: set --rows and --columns to that.")
            self.cells.conductance, self.cells.pulses = state["conductance"], state["pulses"]
            self.answer = {n.removeprefix("answer."): state[n] for n in state.files if n.startswith("answer.")}
            self.partial = {n.removeprefix("partial."): state[n] for n in state.files if n.startswith("partial.")}
        self.done, self.work, self.next, self.event = (words[name] for name in ("done", "work", "next", "event"))

    # Requests.

    def serve(self, number: int) -> str:
        """Do a request, unless it is done already, and write its answer; the name of the answer's head."""
        head = json.loads((self.folder / f"{number:06d}.request.json").read_text(encoding="utf-8"))
        try:
            if head["key"] != self.done:
                arrays = {name: self.array(entry["file"], name) for name, entry in head["arrays"].items()}
                self.do(head, arrays)
        except (ValueError, KeyError, OSError) as error:
            return self.reply(number, head, {}, error=f"{type(error).__name__}: {error}")
        return self.reply(number, head, self.answer)

    def do(self, head: dict, arrays: dict[str, np.ndarray]) -> None:
        """Do it, from where it stood, and write down that it is done before anybody hears of it."""
        do, cells = head["do"], self.cells
        if self.work != head["key"]:
            self.work, self.next, self.partial = head["key"], 0, {}
        if do in ("read", "read_transposed"):
            answer = {"currents": cells.lines(arrays["voltages"], do == "read_transposed", self.event)}
        elif do == "conductances":
            seen = cells.seen(cells.conductance, cells.random(self.event, 0))
            answer = {"conductances": np.where(arrays["cells"] != 0, seen, np.nan)}
        elif do == "program":
            answer = self.program(arrays["cells"] != 0, arrays["targets"], **head["settings"])
        elif do == "pulse":
            answer = self.pulse(np.asarray(arrays["counts"]).astype(int))
        else:
            raise ValueError(f"unknown request {do!r}")
        self.done, self.answer, self.event = head["key"], answer, self.event + 1
        self.work, self.next, self.partial = "", 0, {}
        self.save()

    def program(self, chosen: np.ndarray, targets: np.ndarray, tolerance: float, max_pulses: int) -> dict:
        """Cell after cell: read, and pulse towards the target, until a read lies within the tolerance."""
        if not self.partial:
            nothing = np.zeros(self.cells.shape, np.int64)
            self.partial = {"conductances": np.full(self.cells.shape, np.nan), "pulses": nothing}
            self.partial |= {"reads": nothing.copy(), "failed": nothing.copy()}
        for i, j in self.rest(chosen):
            random, sent = self.cells.random(self.event, 1 + self.next), 0
            while True:
                seen = self.cells.seen(self.cells.conductance[i, j], random)
                away = targets[i, j] - seen
                if abs(away) <= tolerance or sent == max_pulses:
                    break
                self.cells.pulse(i, j, away > 0, random)
                sent += 1
            here = {"conductances": seen, "pulses": sent, "reads": sent + 1, "failed": abs(away) > tolerance}
            for name, value in here.items():
                self.partial[name][i, j] = value
        return self.partial

    def pulse(self, counts: np.ndarray) -> dict:
        """Cell after cell, without a look."""
        for i, j in self.rest(counts):
            random = self.cells.random(self.event, 1 + self.next)
            for _ in range(abs(counts[i, j])):
                self.cells.pulse(i, j, counts[i, j] > 0, random)
        return {}

    def rest(self, chosen: np.ndarray) -> Iterator[tuple[int, int]]:
        """The chosen cells that are still to be done; between two cells the journal is brought up to date."""
        for number, (i, j) in enumerate(np.argwhere(chosen)):
            if number >= self.next:
                yield i, j
                self.next = number + 1
                # Here the cells are in the same file as the journal, so an older state is as good as the last. With
                # real cells save after each one: a pulse that was sent and not written down is sent twice.
                if time.monotonic() - self.saved > self.save_every:
                    self.save()

    # Files.

    def array(self, file: str, name: str) -> np.ndarray:
        """An array of a request."""
        path = self.folder / file
        if path.suffix == ".csv":
            return np.loadtxt(path, delimiter=",", ndmin=2)
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name]

    def reply(self, number: int, head: dict, arrays: dict[str, np.ndarray], error: str | None = None) -> str:
        """Arrays first, in the form in which the request came; then the head, under another name first."""
        csv = any(entry["file"].endswith(".csv") for entry in head["arrays"].values())
        listed = {}
        for name, array in arrays.items():
            listed[name] = {"file": f"{number:06d}.answer.{name}.csv" if csv else f"{number:06d}.answer.npz"}
            if csv:
                lines = (",".join(repr(value) for value in row) for row in array.tolist())
                (self.folder / listed[name]["file"]).write_text("".join(line + "\n" for line in lines))
        if arrays and not csv:
            with (self.folder / f"{number:06d}.answer.npz").open("wb") as stream:
                np.savez(stream, **arrays)
        answer = {"id": number, "error": error} if error else {"id": number, "arrays": listed}
        self.whole(f"{number:06d}.answer.json", answer)
        return f"{number:06d}.answer.json"

    def whole(self, name: str, content: dict) -> None:
        """Write JSON so that nobody finds half of it."""
        part = self.folder / f".{name}.part"
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(self.folder / name)

    def describe(self) -> dict:
        """What chip this is."""
        rows, columns = self.cells.shape
        size = {"rows": rows, "columns": columns, "g_min": self.cells.g_min, "g_max": self.cells.g_max}
        return {"memlearn_chip": 1, "name": "example driver", **size}


def listen(driver: Driver) -> None:
    """Requests come as lines on standard input; it ends when the one who asks does."""
    print(json.dumps(driver.describe()), flush=True)
    for line in sys.stdin:
        number = json.loads(line)["id"]
        print(json.dumps({"id": number, "answer": driver.serve(number)}), flush=True)


def watch(driver: Driver) -> None:
    """Requests are found in the folder, until somebody stops the program."""
    driver.folder.mkdir(parents=True, exist_ok=True)
    driver.whole("chip.json", driver.describe())
    while True:
        for path in sorted(driver.folder.glob("[0-9]*.request.json")):
            number = int(path.name.split(".")[0])
            if not (driver.folder / f"{number:06d}.answer.json").exists():
                driver.serve(number)
        time.sleep(0.01)


def settings() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", help="folder of requests and answers")
    parser.add_argument("--cells", required=True, help="file of cells and journal; made where it is missing")
    parser.add_argument("--watch", action="store_true", help="look into the folder, instead of listening")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--g-min", type=float, default=2e-6, help="S")
    parser.add_argument("--g-max", type=float, default=20e-6, help="S")
    parser.add_argument("--states", type=float, default=100, help="range / mean step at mid-range")
    parser.add_argument("--noise", type=float, default=0.005, help="of a read, relative")
    parser.add_argument("--pulse-noise", type=float, default=0.2, help="of a step, relative")
    parser.add_argument("--spread", type=float, default=0.2, help="of the mean step from cell to cell, relative")
    parser.add_argument("--seconds", type=float, default=0.0, help="that a pulse takes")
    parser.add_argument("--save-every", type=float, default=0.05, help="s, between two entries in the journal")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """One driver at a time for a file of cells."""
    told = settings()
    with Path(f"{told.cells}.lock").open("w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)  # an earlier driver may be at work: it finishes its request first
        driver = Driver(told)
        watch(driver) if told.watch else listen(driver)


if __name__ == "__main__":
    main()
