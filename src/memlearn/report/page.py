"""Pages that hold all they show: templates, figures as data, and the script that draws them.

The script is plotly.js 4.1.1, bundle "cartesian" (npm package plotly.js-cartesian-dist-min), MIT licence, unchanged: a
third of the full library, which makes pages that open fast and can be mailed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .figures import Figure
from .formats import finite

_HERE = Path(__file__).parent


def plotly_js() -> str:
    """The script that draws figures."""
    return (_HERE / "plotly" / "plotly-cartesian.min.js").read_text(encoding="utf-8")


def render(template: str, **content: Any) -> str:
    """A page as text.

    Arguments:
        template: its file in the folder of templates.
        content: what the template names; texts are escaped there.
    """
    loader = FileSystemLoader(_HERE / "templates")
    options = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    page = Environment(loader=loader, **options).get_template(template)
    return page.render(plotly=Markup(plotly_js()), **content)


def plots(drawn: Sequence[Figure], prefix: str) -> list[dict[str, Any]]:
    """Figures as the templates take them, each with an id that no name of the user enters."""
    return [
        {
            "id": f"{prefix}-figure-{i}",
            "title": figure.title,
            "caption": figure.caption,
            "height": figure.height,
            "wide": figure.wide,
            "spec": script({"data": figure.traces, "layout": figure.layout}),
        }
        for i, figure in enumerate(drawn)
    ]


def script(data: dict[str, Any]) -> Markup:
    """Plain data as JSON that may stand inside a script element, whatever its texts contain."""
    text = json.dumps(finite(data), separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
