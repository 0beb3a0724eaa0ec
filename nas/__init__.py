"""nas: neural architecture search, from a space and a device to a network that fits::

    import nas

    run = nas.search(space="mbconv", targets=["pixel-latency=80ms"])
    space = nas.space("mbconv")
    space.cost("pixel1-latency", space.known["mnasnet-b1"])

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.architectures import Architecture as Architecture
    from nas.architectures import Bound as Bound
    from nas.base.errors import NasError as NasError
    from nas.choices import Choice as Choice
    from nas.choices import make_divisible as make_divisible
    from nas.costs import LatencyTable as LatencyTable
    from nas.costs import operator_key as operator_key
    from nas.costs.devices import Devices
    from nas.data import load_data as load_data
    from nas.jobs import Run as Run
    from nas.jobs import evaluate as evaluate
    from nas.jobs import explain as explain
    from nas.jobs import export as export
    from nas.jobs import report as report
    from nas.jobs import resume as resume
    from nas.jobs import retrain as retrain
    from nas.jobs import search as search
    from nas.jobs import show as show
    from nas.jobs import train as train
    from nas.runs import named_space as space  # noqa: F401
    from nas.supernet import Family as Family
    from nas.supernet import Space as Space
    from nas.supernet import Supernet as Supernet
    from nas.supernet import Task as Task
    from nas.supernet import space_names as spaces  # noqa: F401

    devices: Devices

_HOMES = {
    "Architecture": ("nas.architectures", "Architecture"),
    "Bound": ("nas.architectures", "Bound"),
    "Choice": ("nas.choices", "Choice"),
    "Family": ("nas.supernet", "Family"),
    "LatencyTable": ("nas.costs", "LatencyTable"),
    "NasError": ("nas.base.errors", "NasError"),
    "Run": ("nas.jobs", "Run"),
    "Space": ("nas.supernet", "Space"),
    "Supernet": ("nas.supernet", "Supernet"),
    "Task": ("nas.supernet", "Task"),
    "evaluate": ("nas.jobs", "evaluate"),
    "explain": ("nas.jobs", "explain"),
    "export": ("nas.jobs", "export"),
    "load_data": ("nas.data", "load_data"),
    "make_divisible": ("nas.choices", "make_divisible"),
    "operator_key": ("nas.costs", "operator_key"),
    "report": ("nas.jobs", "report"),
    "resume": ("nas.jobs", "resume"),
    "retrain": ("nas.jobs", "retrain"),
    "search": ("nas.jobs", "search"),
    "show": ("nas.jobs", "show"),
    "space": ("nas.runs", "named_space"),
    "spaces": ("nas.supernet", "space_names"),
    "train": ("nas.jobs", "train"),
}

__all__ = [*_HOMES, "devices"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "devices":
        return import_module("nas.costs").devices()
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'nas' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
