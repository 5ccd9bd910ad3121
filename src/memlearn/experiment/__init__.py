"""Experiments: settings in, run folder out; see config.py for the settings and run.py for the runner."""

from .compare import compare as compare
from .config import Experiment as Experiment
from .config import Training as Training
from .config import schema as schema
from .files import Described as Described
from .files import read_experiment as read_experiment
from .networks import CNN as CNN
from .networks import MLP as MLP
from .networks import Recurrent as Recurrent
from .run import Interrupted as Interrupted
from .run import resume as resume
from .run import run as run
from .sweep import sweep as sweep
from .tables import Override as Override
from .tables import parse_override as parse_override
from .watch import Tick as Tick
from .watch import Watcher as Watcher
