"""Cells of a few nodes, repeated."""

from nas.supernet import Family

FAMILY = Family(presets={}, default="darts", summary="cells: small searched graphs, repeated to form a network")
