"""Mobile inverted bottlenecks in a chain: one path, searched layer by layer."""

from nas.supernet import Family
from search_spaces.mbconv.single_path import single_path

FAMILY = Family(
    presets={"single-path": single_path},
    default="single-path",
    summary="chains of mobile inverted bottlenecks (MBConv)",
)
