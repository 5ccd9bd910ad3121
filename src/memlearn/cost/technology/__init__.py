"""CMOS nodes, 130 to 7 nm, one file each; see `nodes`."""

from .nodes import NODES as NODES
from .nodes import Node as Node
from .nodes import node as node
from .nodes import scaled as scaled
