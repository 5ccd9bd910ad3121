"""What counted events cost: energy, time, area and wear."""

from .bills import Bill as Bill
from .bills import bill as bill
from .bills import sensitivity as sensitivity
from .converters import AbstractConverter as AbstractConverter
from .converters import AnyConverter as AnyConverter
from .converters import FixedConverter as FixedConverter
from .converters import FlashConverter as FlashConverter
from .converters import IntegrateAndFire as IntegrateAndFire
from .converters import RegressionConverter as RegressionConverter
from .converters import SurveyConverter as SurveyConverter
from .parts import Part as Part
from .parts import Total as Total
from .settings import Cost as Cost
from .use import ArrayUse as ArrayUse
from .use import Pulse as Pulse
from .use import Side as Side
from .use import Use as Use
from .writes import write_energy as write_energy
