"""What a run has to show: a terminal table, a self-contained page, a picture of an array, the sheet of a device."""

from __future__ import annotations

from .device import DeviceSheet, find_device
from .html import write_report
from .picture import picture_of_array
from .tables import summary_table
from .wires_sheet import WiresSheet

__all__ = ["DeviceSheet", "WiresSheet", "find_device", "picture_of_array", "summary_table", "write_report"]
