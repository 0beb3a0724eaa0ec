"""Networks of a few super-blocks, each of equal blocks: what DeepMAD designs."""

from nas.supernet import Family
from search_spaces.mad.space import bottleneck, depthwise

FAMILY = Family(
    presets={"bottleneck": bottleneck, "depthwise": depthwise},
    default="bottleneck",
    summary="five super-blocks of free width, depth and kernel, for designs without training (DeepMAD)",
)
