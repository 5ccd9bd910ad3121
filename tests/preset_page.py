"""The page docs/presets.md, made from the presets. As a program it writes the page:

.venv/bin/python -m tests.preset_page
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memlearn.core.component import kind_of
from memlearn.devices import Preset, load, presets
from memlearn.report.chart import with_unit
from memlearn.report.portrait import Derived, derived

PAGE = Path(__file__).parents[1] / "docs" / "presets.md"
HEAD = """# Presets

Published devices as data files (`src/memlearn/devices/presets/`), made from the presets by
`python -m tests.preset_page` and held equal to them by a test.

```toml
[device]
preset = "ag_a_si"          # or file = "my_device.toml", relative to the experiment
cycle_to_cycle.spread = 0.0 # further keys change settings
```

In Python: `memlearn.devices.load("ag_a_si").device`, and `memlearn.devices.presets()` for the names. To look at one:
`memlearn show device ag_a_si --html page.html --svg picture.svg`. The run's record keeps the device with all its
settings, so a later change of a preset changes no recorded run.

A device file is a TOML table `[device]` with the law and its settings in SI units, and around it `name`, `title`,
`sources`, `deviations` (where the model departs from the record), `[record]` (published facts that the model does not
use, "unknown" where nobody has stated them) and `[residuals]`. Numbers that the project's reference marks as remembered
are left unknown.

## Figures

Of a nominal cell. *States* is range over mean step at mid-range; steps up and down are parts of the range, there too;
the symmetric point is a part of the range, with "repels" where alternating pulses lead away from it; C2C is the spread
of one up step at mid-range, of that step and of the range; D2D lists what differs from cell to cell (spread of step,
upper bound, lower bound, balance, shape). A cell that is read against a reference (`soft_bounds_reference`) has the
conductance of their difference, about mid-range.
"""
TAIL = """
The two compact models, `vteam` and `stanford`, are laws with defaults of their own (`memlearn show device stanford`).
SRAM and STT-MRAM of the same tables are digital and have no preset.
"""


def page() -> str:
    """The page as text."""
    every = [load(name) for name in presets()]
    figures = {preset.name: derived(preset.device) for preset in every}
    columns = (
        "preset",
        "law",
        "range",
        "on/off",
        "states",
        "step up",
        "step down",
        "symmetric",
        "C2C step / range",
        "D2D",
    )
    parts = [HEAD, _table(columns, [_figures(preset, figures[preset.name]) for preset in every])]
    parts += [
        "\n## Residuals\n",
        _residual_words(),
        _table(("preset", "model against record"), [_residual(p) for p in every]),
    ]
    parts += ["\n## Sources and deviations\n", "\n".join(_about(preset) for preset in every), TAIL]
    return "\n".join(parts)


def _figures(preset: Preset, found: Derived) -> tuple[str, ...]:
    device = preset.device
    span = f"{with_unit(device.g_min, 'S', digits=3)} to {with_unit(device.g_max, 'S', digits=3)}"
    spread = device.device_to_device
    cells = [
        f"{value:.3g}" for value in (spread.step, spread.upper_bound, spread.lower_bound, spread.balance, spread.shape)
    ]
    point = (
        "none"
        if found.symmetric_place is None
        else f"{found.symmetric_place:.3f}{'' if found.attracts else ', repels'}"
    )
    return (
        f"`{preset.name}`",
        f"`{kind_of(type(device))}`",
        span,
        _number(found.on_off),
        _number(found.states, 4),
        _number(found.step_up / found.range),
        _number(found.step_down / found.range),
        point,
        f"{_number(found.spread_of_step)} / {found.spread_of_range:.2g}",
        ", ".join(cells) if any(cell != "0" for cell in cells) else "none",
    )


def _residual_words() -> str:
    return (
        "How far the model is from the published numbers, computed anew by a test: curves as the largest distance\n"
        "over the range, steps and resistances relative, symmetric points as a difference of weights in [-1, 1]. Zero\n"
        "means below 1e-9; the others show how many digits the tables print. None: nothing to compare with.\n"
    )


def _residual(preset: Preset) -> tuple[str, ...]:
    return f"`{preset.name}`", ", ".join(f"{name} {value:.2g}" for name, value in preset.residuals.items()) or "none"


def _about(preset: Preset) -> str:
    unknown = [name for name, value in preset.record.items() if value == "unknown"]
    lines = [f"**`{preset.name}`**, {preset.title}.", "", *(f"- Source: {line}." for line in preset.sources)]
    lines += [f"- {line}" for line in preset.deviations]
    lines += [f"- Unknown: {', '.join(name.replace('_', ' ') for name in unknown)}."] if unknown else []
    return "\n".join([*lines, ""])


def _number(value: float | None, digits: int = 3) -> str:
    return "none" if value is None else f"{value:.{digits}g}"


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
