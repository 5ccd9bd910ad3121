"""The code in the documentation runs, block after block in one namespace, and its tables are those of the package."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import memlearn

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *(f"docs/{name}.md" for name in ("extending", "layers", "weight_cells", "corrections", "chip")))


@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = (ROOT / page).read_text(encoding="utf8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert blocks, f"{page} shows no code"
    monkeypatch.chdir(tmp_path)
    # A module of its own, as annotations are looked up in the module that a class says it comes from.
    module = ModuleType("documented")
    monkeypatch.setitem(__import__("sys").modules, "documented", module)
    for block in blocks:
        exec(compile(block, page, "exec"), vars(module))


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")))
def test_links_lead_somewhere(page: str):
    text = (ROOT / page).read_text(encoding="utf8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_the_page_of_devices_names_every_law():
    text = (ROOT / "docs/devices.md").read_text(encoding="utf8")
    assert not [kind for kind in memlearn.devices.MEMBERS if f"| `{kind}` |" not in text]


def test_the_page_of_rules_names_every_rule_and_scheme():
    text = (ROOT / "docs/rules.md").read_text(encoding="utf8")
    named = [*memlearn.learning.MEMBERS, *memlearn.programming.schemes.MEMBERS, *memlearn.programming.MEMBERS]
    assert not [kind for kind in named if f"`{kind}`" not in text]
