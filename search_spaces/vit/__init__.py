"""Vision transformers in one or several stages."""

from nas.supernet import Family

FAMILY = Family(presets={}, default="autoformer-t", summary="vision transformers with searched widths, heads and depths")
