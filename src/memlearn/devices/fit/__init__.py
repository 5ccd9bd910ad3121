"""Fit device laws to measured pulse traces."""

from .fitting import CHOICES as CHOICES
from .fitting import fit as fit
from .reading import UNITS as UNITS
from .reading import Reading as Reading
from .reading import read_traces as read_traces
from .result import DeviceFit as DeviceFit
from .traces import Traces as Traces
