"""Analogue-to-digital converters by what they cost."""

from ...core.component import choice, members
from .base import AbstractConverter as AbstractConverter
from .fixed import FixedConverter as FixedConverter
from .flash import FlashConverter as FlashConverter
from .integrate_and_fire import IntegrateAndFire as IntegrateAndFire
from .regression import RegressionConverter as RegressionConverter
from .survey import SurveyConverter as SurveyConverter

MEMBERS = members(globals(), AbstractConverter)
AnyConverter = choice(MEMBERS)
