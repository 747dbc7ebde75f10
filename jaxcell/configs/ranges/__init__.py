"""What every setting may be: type, range and unit, checked before anything is read.

A new field is one entry, beside those of its section in `sections`; a config with a field that has
none fails a test. What two settings must be to each other is a function in `agreements`.
"""

from jaxcell.configs.ranges.checks import check, check_of_run
from jaxcell.configs.ranges.experiments import FIELDS
from jaxcell.configs.ranges.sections import INTERACTION
from jaxcell.configs.ranges.values import number, whole

__all__ = ["FIELDS", "INTERACTION", "check", "check_of_run", "number", "whole"]
