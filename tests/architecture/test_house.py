"""House rules that can be read from the source: no pickle, no print, no global random numbers, no endless files."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.source import ROOT, files, imports, tree

LONGEST = 600
PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
TORCH_FILES = {"torch.load", "torch.save", "torch.jit.load", "torch.jit.save"}
EXPLICIT = {"np.random.Generator", "np.random.Philox", "np.random.BitGenerator", "np.random.SeedSequence"}
GLOBAL_TORCH = {"torch.manual_seed", "torch.seed", "torch.set_rng_state", "torch.cuda.manual_seed"}
TORCH_DRAWS = {"rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "poisson"}
TORCH_DRAWS |= {f"{name}_like" for name in ("rand", "randn", "randint")}
TENSOR_DRAWS = {"normal_", "uniform_", "bernoulli_", "random_", "exponential_", "geometric_", "log_normal_", "cauchy_"}
INITIALISERS = {"kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_", "trunc_normal_"}
INITIALISERS |= {"orthogonal_", "sparse_"}


def dotted(node: ast.AST) -> str:
    """`np.random.rand` of an attribute chain, with numpy under its usual short name; empty for anything else."""
    if isinstance(node, ast.Name):
        return "np" if node.id == "numpy" else node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {k.arg: k.value for k in call.keywords if k.arg}


def pickles(name: str, node: ast.Module) -> Iterator[int]:
    """Lines that read or write pickled objects."""
    yield from (i.line for i in imports(name, node) if not i.own and i.module[0] in PICKLERS)
    yield from (i.line for i in imports(name, node) if not i.own and ".".join(i.module) in TORCH_FILES)
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute) and dotted(item) in TORCH_FILES:
            yield item.lineno
        if isinstance(item, ast.Call):
            allowed = keywords(item).get("allow_pickle")
            if allowed is not None and not (isinstance(allowed, ast.Constant) and allowed.value is False):
                yield item.lineno


def prints(name: str, node: ast.Module) -> Iterator[int]:
    """Lines that print, outside the command line and the report."""
    if name == "cli.py" or name.split("/")[0].removesuffix(".py") in ("cli", "report"):
        return
    for item in ast.walk(node):
        if isinstance(item, ast.Call) and dotted(item.func) in ("print", "sys.stdout.write", "sys.stderr.write"):
            yield item.lineno


def hidden_randomness(name: str, node: ast.Module) -> Iterator[int]:
    """Lines that draw from, or seed, a generator that no caller handed in."""
    for i in imports(name, node):
        foreign = ".".join(i.module) if not i.own else ""
        if foreign.split(".")[0] == "random" or foreign.startswith("numpy.random") or foreign in GLOBAL_TORCH:
            yield i.line
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute):
            path = dotted(item)
            if path in GLOBAL_TORCH or (path.startswith("np.random.") and path not in EXPLICIT):
                yield item.lineno
        if isinstance(item, ast.Call) and draws(item.func) and "generator" not in keywords(item):
            yield item.lineno


def draws(function: ast.expr) -> bool:
    """True for torch's functions and methods that draw, and take a generator to draw from."""
    module, _, verb = dotted(function).rpartition(".")
    if isinstance(function, ast.Attribute) and function.attr in TENSOR_DRAWS | INITIALISERS:
        return True
    return module == "torch" and verb in TORCH_DRAWS


def global_statements(name: str, node: ast.Module) -> Iterator[int]:
    """Lines that make a function write a module's variable."""
    yield from (item.lineno for item in ast.walk(node) if isinstance(item, ast.Global))


Rule = Callable[[str, ast.Module], Iterator[int]]
RULES: dict[str, tuple[Rule, str]] = {
    "pickle": (pickles, "tensors go to safetensors, everything else to JSON"),
    "print": (prints, "return a value; cli.py and report/ speak to the user"),
    "randomness": (hidden_randomness, "take a Stream (core/random.py), or a torch.Generator seeded from one"),
    "global": (global_statements, "state belongs to an object that somebody owns"),
}


@pytest.mark.parametrize("rule", RULES)
def test_house_rule(rule: str):
    find, instead = RULES[rule]
    found = [f"{name}:{line}" for name in files() for line in sorted(set(find(name, tree(name))))]
    assert not found, f"{', '.join(found)}: {instead}"


@pytest.mark.parametrize("name", files())
def test_files_stay_readable(name: str):
    lines = (ROOT / name).read_text(encoding="utf8").count("\n")
    assert lines <= LONGEST, f"{name} has {lines} lines; look for a seam"


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("pickle", "import pickle"),
        ("pickle", "from joblib import dump"),
        ("pickle", "state = torch.load(path)"),
        ("pickle", "from torch import save"),
        ("pickle", "data = np.load(path, allow_pickle=True)"),
        ("print", "print('done')"),
        ("print", "sys.stderr.write('done')"),
        ("randomness", "import random"),
        ("randomness", "from numpy.random import default_rng"),
        ("randomness", "x = np.random.rand(3)"),
        ("randomness", "g = numpy.random.default_rng(0)"),
        ("randomness", "torch.manual_seed(0)"),
        ("randomness", "x = torch.randn(3)"),
        ("randomness", "weight.normal_(0.0, 0.1)"),
        ("randomness", "torch.nn.init.kaiming_uniform_(weight)"),
        ("global", "def f():\n    global cache\n    cache = 1"),
    ],
)
def test_each_rule_sees_what_it_forbids(rule: str, line: str):
    assert list(RULES[rule][0]("tile.py", ast.parse(line)))


@pytest.mark.parametrize(
    ("rule", "name", "line"),
    [
        ("pickle", "tile.py", "data = np.load(path, allow_pickle=False)"),
        ("pickle", "tile.py", "state = safetensors.torch.load_file(path)"),
        ("print", "cli.py", "print('done')"),
        ("print", "report/html.py", "print('done')"),
        ("randomness", "tile.py", "from ..core.random import Stream"),
        ("randomness", "tile.py", "from ..ops import random"),
        ("randomness", "tile.py", "g = torch.Generator().manual_seed(stream.torch_seed())"),
        ("randomness", "tile.py", "x = torch.randn(3, generator=g)"),
        ("randomness", "tile.py", "bits = np.random.Philox(key=key)"),
        ("randomness", "tile.py", "x = stream_normals.normal(3)"),
    ],
)
def test_each_rule_lets_pass_what_it_allows(rule: str, name: str, line: str):
    assert not list(RULES[rule][0](name, ast.parse(line)))
