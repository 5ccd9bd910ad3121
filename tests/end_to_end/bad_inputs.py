"""Wrong inputs and what memlearn says about each: one list for the tests and for docs/errors.md.

python -m tests.end_to_end.bad_inputs      writes the page anew
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from memlearn.experiment import run
from tests.end_to_end.small import small

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

SMALL = """
data = {kind = "digits", train_limit = 24, validation = 0}
network = {hidden = [4]}
training = {epochs = 1, batch = 8}
"""


class Settings(NamedTuple):
    """A wrong experiment file, which `memlearn run` refuses."""

    wrong: str
    toml: str
    says: str


class Command(NamedTuple):
    """A wrong command line; GOOD.toml is a valid experiment, OUT a new folder."""

    wrong: str
    line: str
    says: str
    prepare: Callable[[Path], object] = lambda folder: None
    """Puts files into the folder in which the command runs."""
    status: int = 1


class Code(NamedTuple):
    """A wrong call in Python; `memlearn`, `torch` and `Path` are imported."""

    wrong: str
    code: str
    says: str


SETTINGS = [
    Settings("broken TOML", "seed = ", "WRONG.toml: is no valid TOML: Invalid value"),
    Settings("a key twice", "seed = 1\nseed = 2", "is no valid TOML: Cannot overwrite a value"),
    Settings("an unknown key", "sed = 1", "sed = 1: unknown setting of Experiment. Did you mean 'seed'?"),
    Settings("an unknown table", "[trainings]\nepochs = 1", "unknown setting of Experiment. Did you mean 'training'?"),
    Settings(
        "an unknown key, one level down",
        "[training]\nepoch = 1",
        "training.epoch = 1: unknown setting of Training. Did you mean 'epochs'?",
    ),
    Settings(
        "an unknown key, two levels down",
        '[device]\nkind = "constant_step"\n[device.faults]\nhihg = 0.1',
        "device.faults.hihg = 0.1: unknown setting of StuckCells. Did you mean 'high'?",
    ),
    Settings(
        "an unknown key, three levels down",
        '[periphery.forward]\ndrive = {kind = "dac", bit = 3}',
        "periphery.forward.drive.bit = 3: unknown setting of DAC. Did you mean 'bits'?",
    ),
    Settings("a kind is missing", "[device]\nstates = 16", "device.kind = None: is required. Say which kind"),
    Settings(
        "an unknown device",
        '[device]\nkind = "soft_bound"',
        "device.kind = 'soft_bound': unknown kind. Did you mean 'soft_bounds'?",
    ),
    Settings(
        "an unknown data set",
        '[data]\nkind = "cifar"',
        "data.kind = 'cifar': unknown kind. Allowed: digits, fashion_mnist, mnist.",
    ),
    Settings("a number where a table belongs", "device = 3", "device = 3: must be a table or a component"),
    Settings(
        "a text where a number belongs",
        '[training]\nepochs = "3"',
        "training.epochs = '3': input should be a valid integer",
    ),
    Settings(
        "a fraction where a whole number belongs",
        "[training]\nbatch = 2.5",
        "training.batch = 2.5: input should be a valid integer",
    ),
    Settings("a switch where a number belongs", "seed = true", "seed = True: input should be a valid integer"),
    Settings("not a number (NaN)", "[network]\nmargin = nan", "network.margin = nan: input should be a finite number"),
    Settings(
        "infinity", '[device]\nkind = "constant_step"\ng_max = inf', "device.g_max = inf: input should be a finite"
    ),
    Settings(
        "a negative conductance",
        '[device]\nkind = "constant_step"\ng_min = -1e-6',
        "device.g_min = -1e-06: input should be greater than or equal to 0",
    ),
    Settings(
        "g_min above g_max",
        '[device]\nkind = "constant_step"\ng_min = 3e-5\ng_max = 2e-5',
        "device.g_min = 3e-05: must lie below g_max = 2e-05 S. Exchange them?",
    ),
    Settings(
        "stuck fractions above one",
        '[device]\nkind = "constant_step"\nfaults = {high = 0.7, low = 0.7}',
        "stuck fractions add up to more than 1",
    ),
    Settings("no epochs", "[training]\nepochs = 0", "training.epochs = 0: input should be greater than or equal to 1"),
    Settings("batch 0", "[training]\nbatch = 0", "training.batch = 0: input should be greater than or equal to 1"),
    Settings(
        "no threads", "[training]\nthreads = 0", "training.threads = 0: input should be greater than or equal to 1"
    ),
    Settings(
        "an unknown backend",
        '[training]\nbackend = "gpu"',
        "training.backend = 'gpu': input should be 'auto', 'cpu' or 'reference'",
    ),
    Settings(
        "a layer without neurons",
        "[network]\nhidden = [8, 0]",
        "network.hidden.1 = 0: input should be greater than or equal to 1",
    ),
    Settings("a width instead of a list", "[network]\nhidden = 8", "network.hidden = 8: input should be a valid tuple"),
    Settings("a network beyond the memory", "[network]\nhidden = [10000000, 10000000]", "of memory; this machine has"),
    Settings(
        "a tile too small for a weight",
        "[crossbar]\nrows = 1\ncolumns = 1",
        "crossbar = '1 x 1 cells': holds no weight of differential_pair. Enlarge it.",
    ),
    Settings(
        "a tile without rows", "[crossbar]\nrows = 0", "crossbar.rows = 0: input should be greater than or equal to 1"
    ),
    Settings(
        "a rule that does not fit the converters",
        '[rule]\nkind = "sign_backprop"',
        "periphery.backward.sense = 'adc': sign backpropagation reads errors with ternary comparators",
    ),
    Settings(
        "parts of a rule that do not fit",
        '[rule]\nkind = "custom"\nrule = {writer = {kind = "stochastic_trains"}}',
        "gives dense, but the writer stochastic_trains accepts factors",
    ),
    Settings("an empty name", 'name = " "', "name = ' ': must not be empty"),
    Settings(
        "more validation images than images",
        '[data]\nkind = "digits"\nvalidation = 5000',
        "validation = 5000: at most 1436, there are 1437 training images",
    ),
    Settings(
        "more training images than images",
        '[data]\nkind = "digits"\ntrain_limit = 2000',
        "train_limit = 2000: at most 1137",
    ),
]


def _finished_run(folder: Path) -> None:
    run(small(data={"train_limit": 24}, training={"epochs": 1}), folder / "run")


def _truncated_checkpoint(folder: Path) -> None:
    _finished_run(folder)
    (folder / "run" / "result.json").unlink()
    file = folder / "run" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def _corrupt_checkpoint(folder: Path) -> None:
    _finished_run(folder)
    (folder / "run" / "result.json").unlink()
    file = folder / "run" / "checkpoint.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def _idx(folder: Path, images: bytes) -> None:
    header = bytes((0, 0, 8))
    shape = (2).to_bytes(4, "big") + 2 * (28).to_bytes(4, "big")
    for part in ("train", "t10k"):
        pixels = header + b"\3" + shape + images
        (folder / f"{part}-images-idx3-ubyte").write_bytes(pixels)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + b"\1" + (2).to_bytes(4, "big") + b"\0\1")


def _corrupt_gzip(folder: Path) -> None:
    _idx(folder, bytes(2 * 28 * 28))
    plain = folder / "train-images-idx3-ubyte"
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(plain.read_bytes())[:-9])
    plain.unlink()


COMMANDS = [
    Command(
        "the file is missing",
        "run NONE.toml --out OUT",
        "NONE.toml: cannot be read (No such file or directory). Check the path.",
    ),
    Command("a folder instead of a file", "run . --out OUT", ".: cannot be read (Is a directory). Check the path."),
    Command(
        "a picture instead of a file",
        "run picture.toml --out OUT",
        "picture.toml: is no text in UTF-8",
        lambda folder: (folder / "picture.toml").write_bytes(b"\x89PNG\xff"),
    ),
    Command(
        "JSON that is none",
        "run broken.json --out OUT",
        "broken.json: is no valid JSON: Expecting value",
        lambda folder: (folder / "broken.json").write_text('{"seed": '),
    ),
    Command(
        "JSON that is no table",
        "run list.json --out OUT",
        "list.json: holds no table of settings",
        lambda folder: (folder / "list.json").write_text("[1]"),
    ),
    Command("--out is missing", "run GOOD.toml", "Missing option '--out'", status=2),
    Command("an unknown command", "rum GOOD.toml", "No such command 'rum'", status=2),
    Command("an unknown option", "run GOOD.toml --out OUT --sed 1", "No such option: --sed", status=2),
    Command("a seed that is no number", "run GOOD.toml --out OUT --seed one", "Invalid value for '--seed'", status=2),
    Command("--set without '='", "run GOOD.toml --out OUT --set seed", "--set = 'seed': must look like key=value"),
    Command(
        "--set with an unknown key",
        "run GOOD.toml --out OUT --set training.epoch=3",
        "training.epoch = 3: Training has no setting 'epoch'. Did you mean 'epochs'?",
    ),
    Command(
        "--set into a setting that is no table",
        "run GOOD.toml --out OUT --set seed.x=3",
        "seed.x = 3: seed is a single setting",
    ),
    Command(
        "--set with a wrong value",
        "run GOOD.toml --out OUT --set training.epochs=many",
        "training.epochs = 'many': input should be a valid integer",
    ),
    Command(
        "--set with an unknown kind",
        "run GOOD.toml --out OUT --set device.kind=memristor",
        "device.kind = 'memristor': unknown kind. Allowed:",
    ),
    Command(
        "the folder is not empty",
        "run GOOD.toml --out full",
        "out = 'full': is not empty (notes.txt)",
        lambda folder: ((folder / "full").mkdir(), (folder / "full" / "notes.txt").write_text("mine")),
    ),
    Command(
        "the folder is a file",
        "run GOOD.toml --out notes.txt",
        "notes.txt is a file. Name a folder.",
        lambda folder: (folder / "notes.txt").write_text("mine"),
    ),
    Command(
        "the folder lies in a file",
        "run GOOD.toml --out notes.txt/run",
        "notes.txt is a file. Name a folder.",
        lambda folder: (folder / "notes.txt").write_text("mine"),
    ),
    Command("the folder cannot be made", "run GOOD.toml --out /proc/run", "/proc"),
    Command(
        "files that memlearn did not write",
        "run GOOD.toml --out other --overwrite",
        "memlearn may not have written them",
        lambda folder: ((folder / "other").mkdir(), (folder / "other" / "config.json").write_text("{}")),
    ),
    Command(
        "the data folder is missing",
        "run GOOD.toml --out OUT --set data.kind=mnist --data NONE",
        "NONE: expected a folder with the files of mnist, but",
    ),
    Command(
        "the data folder holds something else",
        "run GOOD.toml --out OUT --set data.kind=mnist --data .",
        "found no file of mnist, expected train-images-idx3-ubyte",
    ),
    Command(
        "a truncated data file",
        "run GOOD.toml --out OUT --set data.kind=mnist --data .",
        "train-images-idx3-ubyte: found only 784 bytes of values, expected 1568",
        lambda folder: _idx(folder, bytes(28 * 28)),
    ),
    Command(
        "a data file of another kind",
        "run GOOD.toml --out OUT --set data.kind=mnist --data .",
        "train-labels-idx1-ubyte: found magic number 0x00000d01, expected 0x00000801",
        lambda folder: (
            _idx(folder, bytes(2 * 28 * 28)),
            (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x0d\1\0\0\0\2\0\1"),
        ),
    ),
    Command(
        "a damaged gzip file",
        "run GOOD.toml --out OUT --set data.kind=mnist --data .",
        "damaged gzip data",
        _corrupt_gzip,
    ),
    Command(
        "resume: no run there", "resume .", "config.json: cannot be read (No such file or directory). Name the folder"
    ),
    Command(
        "resume: a truncated checkpoint",
        "resume run",
        "run/checkpoint.safetensors: is truncated or damaged",
        _truncated_checkpoint,
    ),
    Command(
        "resume: a checkpoint with a changed byte",
        "resume run",
        "is damaged (its digest differs). Start the run anew",
        _corrupt_checkpoint,
    ),
    Command("report: no run there", "report .", "result.json is missing. Write the folder with `memlearn run`"),
    Command("list: an unknown family", "list device", "family = 'device': unknown family. Did you mean 'devices'?"),
    Command("show: an unknown family", "show gadget dac", "family = 'gadget': unknown family"),
    Command(
        "show: an unknown kind",
        "show device soft",
        "name = 'soft': is none of the devices. Did you mean 'soft_bounds'?",
    ),
    Command("compare: no seeds", "compare GOOD.toml --seeds 0 --out OUT", "seeds = 0: must be at least 1"),
    Command(
        "compare: a record that is damaged",
        "compare c.json --out OUT",
        "c.json: is damaged",
        lambda folder: (folder / "c.json").write_text('{"format": 1, "rows": [{}]}'),
    ),
    Command(
        "sweep: no base",
        "sweep s.toml --out OUT",
        "base = None: is required",
        lambda folder: (folder / "s.toml").write_text("seeds = [1]"),
    ),
    Command(
        "sweep: an unknown key",
        "sweep s.toml --out OUT",
        "cases = []: unknown setting of a sweep. Did you mean 'case'?",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\ncases = []'),
    ),
    Command(
        "sweep: no variant",
        "sweep s.toml --out OUT",
        "a sweep needs a [[case]] or a [[vary]]",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"'),
    ),
    Command(
        "sweep: seeds that are none",
        "sweep s.toml --out OUT",
        "seeds = ['a']: must be a list of whole numbers",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\nseeds = ["a"]'),
    ),
    Command(
        "sweep: a case without a name",
        "sweep s.toml --out OUT",
        "case.name = None: must be a name",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\n[[case]]\nseed = 1'),
    ),
    Command(
        "sweep: a case that is no table",
        "sweep s.toml --out OUT",
        "case = {'name': 'a'}: must be tables [[case]]",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\n[case]\nname = "a"'),
    ),
    Command(
        "sweep: a name twice",
        "sweep s.toml --out OUT",
        "name = 'a': is used twice",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\n[[case]]\nname = "a"\n[[case]]\nname = "a"'),
    ),
    Command(
        "sweep: an axis without a list",
        "sweep s.toml --out OUT",
        "must be lists of equal length",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\n[[vary]]\nname = "a"\nseed = 1'),
    ),
    Command(
        "sweep: a wrong setting in a case",
        "sweep s.toml --out OUT",
        "deep: training.epoch = 1: Training has no setting",
        lambda folder: (folder / "s.toml").write_text(
            'base = "GOOD.toml"\n[[case]]\nname = "deep"\ntraining.epoch = 1'
        ),
    ),
    Command(
        "sweep: the folder holds something else",
        "sweep s.toml --out .",
        "is not empty, and holds no sweep.json",
        lambda folder: (folder / "s.toml").write_text('base = "GOOD.toml"\n[[case]]\nname = "a"'),
    ),
]

CODE = [
    Code(
        "an input of a wrong shape",
        "memlearn.nn.Linear(4, 2)(torch.zeros(3, 5))",
        "input = (3, 5): last axis must be in_features = 4",
    ),
    Code("an input with NaN", "memlearn.nn.Linear(1, 1)(torch.tensor([[float('nan')]]))", "must be finite"),
    Code("a layer without inputs", "memlearn.nn.Linear(0, 3)", "in_features = 0: must be a whole number of at least 1"),
    Code(
        "a layer without outputs", "memlearn.nn.Linear(3, 0)", "out_features = 0: must be a whole number of at least 1"
    ),
    Code("a fractional width", "memlearn.nn.Linear(2.5, 3)", "in_features = 2.5: must be a whole number of at least 1"),
    Code(
        "a rule without layers",
        "memlearn.learning.manhattan(torch.nn.Linear(2, 2))",
        "model = 'Linear': has no in-memory layer",
    ),
    Code(
        "a model without layers to convert", "memlearn.nn.convert(torch.nn.ReLU())", "has no torch.nn.Linear to convert"
    ),
    Code(
        "a list where a tuple is meant",
        "memlearn.experiment.MLP(hidden=[3])",
        "hidden = [3]: input should be a valid tuple",
    ),
    Code(
        "a misspelt setting",
        "memlearn.devices.SoftBounds(stats=3)",
        "stats = 3: unknown setting of SoftBounds. Did you mean 'states'?",
    ),
    Code(
        "a weight of a wrong shape",
        "memlearn.nn.Linear(4, 2).tile.initialise(torch.zeros(2, 4))",
        "weight = (2, 4): must have shape (inputs, outputs) = (5, 2)",
    ),
    Code("a negative margin", "memlearn.nn.TernaryMarginLoss(-1.0)", "margin = -1.0: must not be negative"),
    Code(
        "batch 0 in the loop",
        "train_images(torch.nn.Linear(2, 2), None, None, torch.zeros(3, 2), torch.zeros(3), 0)",
        "batch = 0: must be at least 1",
    ),
    Code(
        "labels that are too few",
        "train_images(torch.nn.Linear(2, 2), None, None, torch.zeros(3, 2), torch.zeros(2), 1)",
        "labels = 2: must be as many as the inputs, 3",
    ),
]

WORKING = {
    "a batch of one": "[training]\nbatch = 1",
    "a batch larger than the data": "[training]\nbatch = 1000",
    "a single training image": '[data]\nkind = "digits"\ntrain_limit = 1\nvalidation = 0',
    "one neuron": "[network]\nhidden = [1]",
    "no hidden layer": "[network]\nhidden = []",
    "three layers, one of a single neuron": "[network]\nhidden = [2, 1]",
    "one weight a tile": "[crossbar]\nrows = 1\ncolumns = 2\n[network]\nhidden = [2]",
    "one weight a tile, with references": '[crossbar]\nrows = 2\ncolumns = 2\nmapping = {kind = "reference_column"}',
    "tiles that do not divide the layer": "[crossbar]\nrows = 7\ncolumns = 5",
    "every cell stuck": '[device]\nkind = "constant_step"\nfaults = {anywhere = 1.0}',
    "two states": '[device]\nkind = "soft_bounds"\nstates = 2',
    "continuous converters": '[periphery.forward]\ndrive = {kind = "dac", bits = "none"}\n'
    'sense = {kind = "adc", bits = "none"}',
    "a negative seed": "seed = -1",
    "a seed beyond 64 bits": "seed = 123456789012345678901234567890",
    "a checkpoint after every image": "[training]\ncheckpoint_every = 1\nbatch = 1",
    "a text that says everything": 'name = "ü / \\"quoted\\" [bold] <b>"',
}


def page() -> str:
    """docs/errors.md."""
    lines = [
        "# What memlearn says",
        "",
        "Every wrong input ends in one sentence that names the setting, what was given, what is allowed and what to",
        "do; the exit status is 1, or 2 where the command line itself is wrong. `memlearn --debug ...` shows where in",
        "the program an error arose. This page is written by `python -m tests.end_to_end.bad_inputs` from the list",
        "that the tests check, so each line is what is really said, or the telling part of it.",
        "",
        "## In an experiment file",
        "",
        "| wrong | written | memlearn says |",
        "|---|---|---|",
        *(_row(case.wrong, _code(case.toml), case.says) for case in SETTINGS),
        "",
        "## On the command line",
        "",
        "`GOOD.toml` is a valid experiment, `OUT` a new folder.",
        "",
        "| wrong | written | memlearn says |",
        "|---|---|---|",
        *(_row(case.wrong, _code(f"memlearn {case.line}"), case.says) for case in COMMANDS),
        "",
        "## In Python",
        "",
        "All errors are `memlearn.MemlearnError`: `InputError` (also a `ValueError`) for a wrong value, `DataError`",
        "for a bad file.",
        "",
        "| wrong | written | memlearn says |",
        "|---|---|---|",
        *(_row(case.wrong, _code(case.code), case.says) for case in CODE),
        "",
        "## What looks wrong and is not",
        "",
        "| unusual | written |",
        "|---|---|",
        *(f"| {what} | {_code(toml)} |" for what, toml in WORKING.items()),
        "",
    ]
    return "\n".join(lines)


def _row(wrong: str, written: str, says: str) -> str:
    return f"| {wrong} | {written} | {says.replace('|', chr(92) + '|')} |"


def _code(text: str) -> str:
    return "<br>".join(f"`{line}`" for line in text.replace("|", "\\|").splitlines())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
