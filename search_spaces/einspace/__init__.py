"""Networks derived from a grammar."""

from nas.supernet import Family

FAMILY = Family(presets={}, default="einspace", summary="networks derived from a grammar of operators")
