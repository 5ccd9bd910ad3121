"""What a run has to show: a terminal table, a self-contained page, a picture of an array."""

from __future__ import annotations

from .html import write_report
from .picture import picture_of_array
from .tables import summary_table

__all__ = ["picture_of_array", "summary_table", "write_report"]
