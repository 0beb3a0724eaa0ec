"""Networks derived from a grammar."""

from nas.supernet import Family
from search_spaces.einspace.space import einspace

FAMILY = Family(presets={"einspace": einspace}, default="einspace", summary="networks derived from a grammar of operators")
