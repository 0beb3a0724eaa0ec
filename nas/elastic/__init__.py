"""Layers that hold choices, and the walk that reads a whole space from one definition of its network."""

from nas.elastic.convolution import ElasticConv2d
from nas.elastic.direct import DirectGradients
from nas.elastic.layer import Configurable, ElasticLayer
from nas.elastic.linear import ElasticLinear
from nas.elastic.norm import ElasticBatchNorm2d, ElasticLayerNorm
from nas.elastic.squeeze_excite import ElasticSqueezeExcite
from nas.elastic.structure import Depth, OperatorChoice, Optional
from nas.elastic.symbolic import Operator, SymbolicTensor, shape_rule
from nas.elastic.unit import Unit
from nas.elastic.walk import Walk, walk

__all__ = [
    "Configurable",
    "Depth",
    "DirectGradients",
    "ElasticBatchNorm2d",
    "ElasticConv2d",
    "ElasticLayer",
    "ElasticLayerNorm",
    "ElasticLinear",
    "ElasticSqueezeExcite",
    "Operator",
    "OperatorChoice",
    "Optional",
    "SymbolicTensor",
    "Unit",
    "Walk",
    "shape_rule",
    "walk",
]
