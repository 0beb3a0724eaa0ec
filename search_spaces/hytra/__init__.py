"""Convolution and attention in one chain, with searched positions of down-sampling."""

from nas.supernet import Family

FAMILY = Family(presets={}, default="bossnas", summary="hybrids of convolution and attention, with searched down-sampling")
