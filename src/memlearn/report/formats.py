"""Numbers as a reader wants them: few digits, thousands separators, SI prefixes, a unit behind a thin gap."""

from __future__ import annotations

import math
from typing import Any

MISSING = "\N{EN DASH}"
_GAP = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_PREFIXES = {1e15: "P", 1e12: "T", 1e9: "G", 1e6: "M"}


def percent(fraction: float | None, *, digits: int = 2) -> str:
    """A fraction as a percentage with fixed decimals: 0.9137 -> 91.37 %."""
    return MISSING if fraction is None else f"{100 * fraction:.{digits}f}{_GAP}%"


def share(fraction: float | None) -> str:
    """A fraction as a percentage with three significant digits, for what may be tiny: 0.000123 -> 0.0123 %."""
    return MISSING if fraction is None else f"{_plain(100 * fraction)}{_GAP}%"


def points(difference: float | None) -> str:
    """A signed difference of two fractions, in percentage points: -0.021 -> -2.10."""
    if difference is None:
        return MISSING
    text = f"{100 * difference:+.2f}"
    return text[1:] if text in ("+0.00", "-0.00") else text.replace("-", _MINUS)


def count(number: float | None) -> str:
    """A count: every digit with separators below a million, then three digits and an SI prefix."""
    if number is None:
        return MISSING
    if not math.isfinite(number):
        return str(number)
    for size, prefix in _PREFIXES.items():
        if abs(number) >= size:
            return f"{number / size:,.{max(0, 2 - int(math.log10(abs(number) / size)))}f}{_GAP}{prefix}"
    return f"{number:,.0f}"


def exact(number: float | None) -> str:
    """A count with every digit, for what is compared digit by digit."""
    return MISSING if number is None else f"{number:,.0f}"


def many(number: float, noun: str) -> str:
    """A count with its noun: 1 cell, 2 cells."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def figure(number: float | None) -> str:
    """A mean or a quantity: three significant digits, separators from a thousand on."""
    if number is None:
        return MISSING
    return count(number) if abs(number) >= 999.5 else _plain(number)


def seconds(duration: float | None) -> str:
    """A time in s, min or h, whichever reads best."""
    if duration is None:
        return MISSING
    if duration < 120:
        return f"{_plain(duration)}{_GAP}s"
    return f"{duration / 60:.0f}{_GAP}min" if duration < 7200 else f"{duration / 3600:.1f}{_GAP}h"


def _plain(number: float) -> str:
    text = f"{number:.3g}"
    return (f"{number:.0f}" if "e+" in text else text).replace("-", _MINUS, 1 if number < 0 else 0)


def finite(value: Any) -> Any:
    """Plain data with None for NaN and infinities: TOML and a run that diverged have them, JSON has not."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
