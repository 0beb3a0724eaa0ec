"""The first blocks of a network run patch by patch, for devices of little memory (Lin et al., MCUNetV2, 2021)."""

from nas.exporting.patching.patched import patched
from nas.exporting.patching.schedules import Plan, Schedule, plan
from nas.exporting.patching.stage import Stage, ends

__all__ = ["Plan", "Schedule", "Stage", "ends", "patched", "plan"]
