"""Pictures of networks: blocks with their settings and shapes, or the graphs that a space gives of itself."""

from nas.drawing.blocks import Block, blocks, module_classes
from nas.drawing.draw import draw
from nas.drawing.efficiency import draw_efficiency
from nas.drawing.importance import draw_importance
from nas.drawing.network import network_graph
from nas.drawing.stages import Stage, stages

__all__ = [
    "Block",
    "Stage",
    "blocks",
    "draw",
    "draw_efficiency",
    "draw_importance",
    "module_classes",
    "network_graph",
    "stages",
]
