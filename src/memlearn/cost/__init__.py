"""What counted events cost."""

from .writes import write_energy as write_energy
