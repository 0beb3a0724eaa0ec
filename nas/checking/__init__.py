"""Does a space keep its promises: what every search relies on, tried on a space and told in plain words."""

from nas.checking.check import CHECKS, Check, check_space, make
from nas.checking.examination import Examination
from nas.checking.report import Finding, Report

__all__ = ["CHECKS", "Check", "Examination", "Finding", "Report", "check_space", "make"]
