"""Fit device laws to measured pulse traces."""

from .asked import Reading as Reading
from .reading import UNITS as UNITS
from .reading import read_traces as read_traces
from .result import DeviceFit as DeviceFit
from .run import CHOICES as CHOICES
from .run import fit as fit
from .traces import Traces as Traces
